"""`hub/insight/cached.py`: what is dear is made once for all who ask at once, and its failure too."""

import asyncio
from collections.abc import Awaitable

import pytest

from hub.insight.cached import Cached


class Dear:
    """Counts how often it is made, and waits until it may be."""

    def __init__(self) -> None:
        self.made = 0
        self.error: Exception | None = None
        self.may_end = asyncio.Event()

    async def make(self) -> int:
        self.made += 1
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return self.made


def asking(cached: Cached[int], many: int) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(cached.get()) for _ in range(many)]


def run(scenario: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(5):
            await scenario

    asyncio.run(bounded())


def test_all_who_ask_at_once_get_the_same_and_who_asks_later_too() -> None:
    async def scenario() -> None:
        dear = Dear()
        cached, old = Cached(dear.make, 100), Cached(dear.make, 0)
        asked = asking(cached, 5)
        await asyncio.sleep(0)
        dear.may_end.set()
        assert await asyncio.gather(*asked) == [1] * 5 and await cached.get() == 1
        assert [await old.get() for _ in range(2)] == [2, 3]

    run(scenario())


def test_a_failure_is_told_to_all_who_waited_and_not_kept() -> None:
    """Else each of a queue would try again, one after the other, while the database is away."""

    async def scenario() -> None:
        dear = Dear()
        cached, dear.error = Cached(dear.make, 100), ValueError("away")
        asked = asking(cached, 5)
        await asyncio.sleep(0)
        dear.may_end.set()
        await asyncio.wait(asked)
        assert dear.made == 1 and {str(task.exception()) for task in asked} == {"away"}
        dear.error = None
        assert await cached.get() == 2

    run(scenario())


def test_where_the_maker_is_cancelled_another_makes_it() -> None:
    async def scenario() -> None:
        dear = Dear()
        cached = Cached(dear.make, 100)
        first, second = asking(cached, 2)
        await asyncio.sleep(0)
        first.cancel()
        dear.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await second == 2

    run(scenario())
