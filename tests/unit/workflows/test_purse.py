"""What one execution may spend, shared by answers side by side."""

import asyncio

import pytest

from hub.workflows.running.purse import Engaged, Purse, SpentUp


@pytest.mark.gen_test
async def test_each_reserves_what_is_left(io_loop: object) -> None:
    purse = Purse(cap=100, spent=30)
    async with purse.reserve("a", 50, 10) as first, purse.reserve("b", 50, 10) as second:
        assert (first.amount, second.amount) == (50, 20)
        first.spent = 5
    async with purse.reserve("c", 1_000, 10) as third:
        assert third.amount == 65
    with pytest.raises(SpentUp):
        async with purse.reserve("c", 1_000, 66):
            pass


@pytest.mark.gen_test
async def test_who_finds_too_little_waits_for_what_others_leave(io_loop: object) -> None:
    purse, ended, got = Purse(cap=100, spent=0), asyncio.Event(), []

    async def first() -> None:
        async with purse.reserve("c", 95, 10) as reserved:
            await ended.wait()
            reserved.spent = 50

    async def second() -> None:
        async with purse.reserve("c", 40, 10) as reserved:
            got.append(reserved.amount)

    both = asyncio.gather(first(), second())
    await asyncio.sleep(0)
    assert got == []
    ended.set()
    await both
    assert got == [40] and purse.spent == 50


@pytest.mark.gen_test
async def test_what_is_broken_off_is_free_again(io_loop: object) -> None:
    purse = Purse(cap=100, spent=0)
    with pytest.raises(RuntimeError):
        async with purse.reserve("c", 100, 10):
            raise RuntimeError
    async with purse.reserve("c", 100, 100) as reserved:
        assert reserved.amount == 100


@pytest.mark.gen_test
async def test_answers_that_were_begun_before_are_reserved_until_they_end(io_loop: object) -> None:
    purse = Purse(cap=100, spent=0, earlier={"a": 80})
    async with purse.reserve("b", 50, 10) as second:
        assert second.amount == 20
        second.spent = 20
    with pytest.raises(Engaged):
        async with purse.reserve("c", 50, 10):
            pass
    await purse.settle("a", 30)
    async with purse.reserve("c", 60, 10) as third:
        assert third.amount == 50
        third.may_stand = True
    async with purse.reserve("c", 60, 10) as again:
        assert again.amount == 50
