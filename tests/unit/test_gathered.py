"""`models/gathered.py`: reads of one moment go as one query, and none suffers from another."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from config import limits
from models.gathered import Gathered


class Collection:
    """Documents `{_id, n}` for every id but `none`; notes the queries, and waits until it may answer."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.error: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def find(self, query: Mapping[str, Any], *, limit: int) -> Sequence[dict[str, Any]]:
        ids = query["_id"]["$in"]
        assert limit == len(ids)
        self.asked.append(sorted(ids))
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return [{"_id": each, "n": len(self.asked)} for each in ids if each != "none"]


def test_what_is_asked_for_together_is_one_query() -> None:
    async def scenario() -> None:
        collection = Collection()
        gathered = Gathered(collection.find)
        found = await asyncio.gather(*(gathered.get(each) for each in ("a", "b", "none", "a")))
        assert collection.asked == [["a", "b", "none"]]
        assert found == [{"_id": "a", "n": 1}, {"_id": "b", "n": 1}, None, {"_id": "a", "n": 1}]
        assert found[0] is not found[3], "each has a document of its own"
        assert await gathered.get("a") == {"_id": "a", "n": 2}, "nothing is kept"

    asyncio.run(scenario())


def test_who_comes_while_a_query_runs_gets_a_newer_one() -> None:
    async def scenario() -> None:
        collection = Collection()
        gathered = Gathered(collection.find)
        collection.may_answer.clear()
        first = asyncio.create_task(gathered.get("a"))
        while not collection.asked:
            await asyncio.sleep(0)
        second = asyncio.create_task(gathered.get("a"))
        await asyncio.sleep(0.01)
        assert collection.asked == [["a"], ["a"]]
        collection.may_answer.set()
        assert (await first, await second) == ({"_id": "a", "n": 2}, {"_id": "a", "n": 2})

    asyncio.run(scenario())


def test_a_query_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "READS_GATHERED_MAX", 3)

    async def scenario() -> None:
        collection = Collection()
        gathered = Gathered(collection.find)
        found = await asyncio.gather(*(gathered.get(str(number)) for number in range(8)))
        assert [document["_id"] for document in found if document] == [str(number) for number in range(8)]
        assert [len(asked) for asked in collection.asked] == [3, 3, 2]

    asyncio.run(scenario())


def test_an_error_is_everybodys_and_a_cancellation_ones_own() -> None:
    async def scenario() -> None:
        collection = Collection()
        gathered = Gathered(collection.find)
        collection.error = LookupError("away")
        failed = await asyncio.gather(gathered.get("a"), gathered.get("b"), return_exceptions=True)
        assert [type(each) for each in failed] == [LookupError, LookupError]
        collection.error = None
        collection.may_answer.clear()
        leader, other, third = (asyncio.create_task(gathered.get(each)) for each in "abc")
        while len(collection.asked) < 2:
            await asyncio.sleep(0)
        leader.cancel()
        third.cancel()
        await asyncio.wait([leader, third])
        collection.may_answer.set()
        assert leader.cancelled() and third.cancelled()
        assert await other == {"_id": "b", "n": 3}, "it asked again by itself"

    asyncio.run(scenario())
