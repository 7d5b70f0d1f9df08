"""What tests of official clients share that ask again after a line was cut."""

import asyncio
from collections.abc import Callable

from tests.houses import House
from tests.line import Line
from tests.patience import until
from tests.stand_ins.base import StandIn


def wait_until(condition: Callable[[], object]) -> None:
    asyncio.run(until(condition))


def cut_once_asked(line: Line, provider: StandIn) -> None:
    """Break the line for a moment when the company has been asked, and so before the answer is there."""
    wait_until(lambda: provider.requests)
    line.cut()
    line.mend()


def assert_one_call_and_one_charge(house: House, token: str, provider: StandIn) -> None:
    wait_until(lambda: house.charges(token))
    assert len(house.charges(token)) == 1
    assert len(provider.requests) == 1
