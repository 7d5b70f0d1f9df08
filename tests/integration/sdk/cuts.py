"""What tests of official clients share that ask again after a line was cut."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.houses import House
from tests.line import Line
from tests.patience import until
from tests.stand_ins.base import StandIn


def wait_until(condition: Callable[[], object]) -> None:
    asyncio.run(until(condition))


@contextmanager
def cut_once_asked(line: Line, provider: StandIn) -> Iterator[None]:
    """Break the line for a moment when the company has been asked within it, and so before the answer is there."""

    def cut() -> None:
        wait_until(lambda: provider.requests)
        line.cut()
        line.mend()

    breaker = threading.Thread(target=cut)
    breaker.start()
    yield
    breaker.join()


def assert_one_call_and_one_charge(house: House, token: str, provider: StandIn) -> None:
    wait_until(lambda: house.charges(token))
    assert len(house.charges(token)) == 1
    assert len(provider.requests) == 1
