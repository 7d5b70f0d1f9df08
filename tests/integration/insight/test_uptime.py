"""The uptime is what was measured: exact to a slot of ten seconds, over restarts, and for all nodes together."""

from datetime import UTC, datetime, timedelta

import pytest

from hub.insight.uptime import Uptime
from models.database import Database
from models.uptime import UPTIME
from tests.ledger_parts import fail_point

pytestmark = pytest.mark.gen_test
START = datetime(2026, 11, 27, 23, 50, tzinfo=UTC)  # so that each test goes over midnight
HEARTBEAT = timedelta(seconds=2)


class Clock:
    """A clock that is set by hand, and the nodes that read it."""

    def __init__(self, database: Database) -> None:
        self.moment = START
        self.database = database

    def __call__(self) -> datetime:
        return self.moment

    def node(self) -> Uptime:
        return Uptime(self.database, self)

    async def runs(self, *nodes: Uptime, minutes: float) -> None:
        """Each of them beats for so long."""
        end = self.moment + timedelta(minutes=minutes)
        while self.moment < end:
            for node in nodes:
                await node.mark()
            self.moment += HEARTBEAT

    def is_down(self, **long: float) -> None:
        self.moment += timedelta(**long)


@pytest.fixture
def clock(database: Database) -> Clock:
    return Clock(database)


async def test_a_crash_of_five_minutes_shows(clock: Clock) -> None:
    await clock.runs(clock.node(), minutes=15)
    assert await clock.node().percentage() == 100
    clock.is_down(minutes=5)
    again = clock.node()
    await clock.runs(again, minutes=20)
    assert await again.percentage() == 100 * 35 / 40
    assert await clock.node().percentage() == 100 * 35 / 40, "which any node says"


async def test_two_nodes_count_a_slot_once_and_either_is_enough(clock: Clock) -> None:
    first, second = clock.node(), clock.node()
    await clock.runs(first, second, minutes=10)
    await clock.runs(second, minutes=10)
    await clock.runs(first, minutes=10)
    clock.is_down(minutes=10)
    assert await first.percentage() == 75


async def test_a_restart_within_a_slot_costs_nothing(clock: Clock) -> None:
    await clock.runs(clock.node(), minutes=9)
    clock.is_down(seconds=6)
    await clock.runs(clock.node(), minutes=9)
    assert await clock.node().percentage() == 100
    clock.is_down(seconds=20)
    assert await clock.node().percentage() < 100


async def test_it_begins_with_the_first_start_and_reaches_thirty_days_back(clock: Clock) -> None:
    """What lies before counts no more, whether the hub was up then or not."""
    assert await clock.node().percentage() == 100
    await clock.node().mark()
    clock.is_down(days=10)
    assert await clock.node().percentage() == pytest.approx(100 / (10 * 8_640))
    await clock.runs(clock.node(), minutes=36)
    clock.is_down(days=29, hours=23)
    assert await clock.node().percentage() == pytest.approx(100 / 1_200)
    clock.is_down(minutes=42)
    assert await clock.node().percentage() == pytest.approx(100 / 2_400)
    clock.is_down(days=30)
    assert await clock.node().percentage() == 0


async def test_while_the_database_is_away_the_hub_is_down(clock: Clock, mongod_uri: str) -> None:
    node = clock.node()
    await clock.runs(node, minutes=2)
    async with fail_point(mongod_uri, "alwaysOn", ["update"], errorCode=13):
        await clock.runs(node, minutes=0.5)
    await clock.runs(node, minutes=2)
    assert await node.percentage() == pytest.approx(100 * 4 / 4.5)


async def test_a_slot_is_written_once_and_a_day_is_one_small_document(clock: Clock) -> None:
    await clock.runs(clock.node(), minutes=20)
    days = await clock.database[UPTIME].find({"day": {"$exists": True}}, sort=[("_id", 1)], limit=9)
    assert [day["_id"] for day in days] == ["2026-11-27", "2026-11-28"]
    assert [sum(word.bit_count() for word in day["up"].values()) for day in days] == [60, 60]
    assert [max(map(int, day["up"])) for day in days] == [143, 0]
