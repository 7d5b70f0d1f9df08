"""`hub/realtime/arrivals.py`: so many with each round of the loop, in order, and nobody else waits for all of them."""

import asyncio

from config import limits
from hub.realtime.arrivals import Arrivals


async def _round() -> None:
    await asyncio.sleep(0)


def test_a_crowd_is_let_in_round_by_round() -> None:
    async def scenario() -> None:
        arrivals = Arrivals()
        let_in: list[int] = []

        async def arrive(number: int) -> None:
            await arrivals.turn()
            let_in.append(number)

        crowd = limits.UPGRADES_PER_ROUND * 5
        tasks = [asyncio.create_task(arrive(number)) for number in range(crowd)]
        tasks[limits.UPGRADES_PER_ROUND + 1].cancel()  # who has left takes nobody's place
        rounds = 0
        while len(let_in) < crowd - 1:
            before = len(let_in)
            await _round()
            assert len(let_in) - before <= limits.UPGRADES_PER_ROUND
            rounds += 1
        assert rounds >= 5
        assert let_in == [number for number in range(crowd) if number != limits.UPGRADES_PER_ROUND + 1]
        await asyncio.wait(tasks)

    asyncio.run(scenario())


def test_a_crowd_that_fills_its_last_round_shuts_nobody_out() -> None:
    async def scenario() -> None:
        arrivals = Arrivals()
        async with asyncio.timeout(5):
            await asyncio.gather(*(arrivals.turn() for _ in range(2 * limits.UPGRADES_PER_ROUND)))
            await arrivals.turn()

    asyncio.run(scenario())


def test_who_comes_alone_waits_for_nobody() -> None:
    async def scenario() -> None:
        arrivals = Arrivals()
        for _ in range(3 * limits.UPGRADES_PER_ROUND):
            turn = asyncio.create_task(arrivals.turn())
            await _round()
            await _round()
            assert turn.done()

    asyncio.run(scenario())
