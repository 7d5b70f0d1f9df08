"""Workflows that begin by the clock: on two nodes, after a time in which none was up, over a death between two writes."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from pymongo import MongoClient
from structlog.testing import capture_logs
from tornado.ioloop import IOLoop

from config import workflows as limits
from hub.errors import Code, HubError
from hub.services import Services
from hub.workflows.schedules import Schedules
from hub.workflows.workflows import NewWorkflow
from models import schedules
from models.database import DatabaseError, Document
from models.ids import new_id
from tests.factories import make_user
from tests.length import length
from tests.patience import until

MORNING: Final = datetime(2999, 1, 1, 9, 0, 30, tzinfo=UTC)
NOT_SOON: Final = "0 0 29 2 *"  # the hub's own schedules go by the time of day, and begin none of these meanwhile
WORKFLOWS: Final = length(12, 40)
STEPDOWNS: Final = length(1, 5)
STEPDOWN_SECONDS: Final = 2
OUTAGE_SECONDS_MAX: Final = 40.0
NODES: Final = [{"id": "note", "type": "transform", "config": {"set": {"at": "{{scheduled_at}}"}}}]
EDGES: Final = [{"from": "trigger", "to": "note"}]


def scheduled() -> NewWorkflow:
    trigger = {"type": "schedule", "config": {"cron": NOT_SOON}}
    return NewWorkflow("By the clock", {"trigger": trigger, "nodes": NODES, "edges": EDGES})


def at(minute: int) -> str:
    """The payload of the execution for a minute of that morning."""
    return f'{{"scheduled_at":"2999-01-01T09:{minute:02}:00.000Z"}}'


class Pair:
    """Two nodes whose schedules go by one clock, which stands until it is set."""

    def __init__(self, nodes: list[Services]) -> None:
        self.now = MORNING
        self._started = False
        self.nodes = nodes
        self.database = nodes[0].database
        self.schedules = [
            Schedules(each.database, each.automation.executions, each.tasks, clock=lambda: self.now) for each in nodes
        ]

    async def workflow(self, cron: str = "* * * * *", **config: Any) -> Document:
        """One of a new user's, made while the clock stood where it is; its row alone says when it fires."""
        user = (await make_user(self.nodes[0])).user_id
        made = await self.nodes[0].automation.workflows.create(user, scheduled())
        await self.set_row(made, next_fire_at=self.now.replace(second=0) + timedelta(minutes=1), cron=cron, **config)
        return made

    async def row(self, workflow: Document) -> Document | None:
        return await self.database["schedules"].find_one({"_id": workflow["_id"]})

    async def set_row(self, workflow: Document, **fields: Any) -> None:
        await self.database["schedules"].update_one({"_id": workflow["_id"]}, {"$set": fields})

    async def begun(self, workflow: Document) -> list[str]:
        """The payloads of what was begun, in order."""
        found = await self.database["executions"].find(
            {"workflow": workflow["_id"]}, limit=50, sort=[("started_at", 1), ("_id", 1)]
        )
        return [each["payload"] for each in found]

    async def nothing_due(self) -> bool:
        return await self.database["schedules"].count({"next_fire_at": {"$lte": self.now}}) == 0

    async def look(self) -> None:
        """Let both nodes look for what is due, as they do from now on, and wait until nothing is."""
        self.start()
        await until(self.nothing_due)

    def start(self) -> None:
        """Once."""
        if not self._started:
            self._started = True
            for each in self.schedules:
                each.start()

    async def look_through_outages(self) -> None:
        """The same, where the database may be away for a while."""

        async def nothing_due() -> bool:
            try:
                return await self.nothing_due()
            except DatabaseError:
                return False

        self.start()
        await until(nothing_due, OUTAGE_SECONDS_MAX)

    async def begun_at(self, minute: int) -> int:
        """How many of all workflows' executions for this minute there are."""
        return await self.database["executions"].count({"payload": at(minute)})

    async def claim(self) -> Document | None:
        return await schedules.claim(self.database, new_id("claim"), self.now, limits.SCHEDULE_LEASE_SECONDS)


@pytest.fixture
def pair(io_loop: IOLoop, open_hub: Callable[..., Services], monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """The hub's own schedules, which go by the time of day, find nothing to do in another century."""
    monkeypatch.setattr(limits, "SCHEDULE_POLL_SECONDS", 0.02)
    pair = Pair([open_hub(), open_hub()])
    yield pair
    for each in pair.schedules:
        io_loop.run_sync(each.close)


@pytest.fixture
def at_rest(io_loop: IOLoop, open_hub: Callable[..., Services]) -> Pair:
    """Nodes that look for nothing by themselves."""
    return Pair([open_hub(), open_hub()])


# --- once -----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_two_nodes_and_a_minute_of_clock_begin_each_workflow_once(pair: Pair) -> None:
    made = [await pair.workflow() for _ in range(5)]
    for _ in range(6):
        pair.now += timedelta(seconds=10)
        await pair.look()
    assert [await pair.begun(each) for each in made] == [[at(1)]] * 5
    pair.now += timedelta(minutes=1)
    await pair.look()
    assert [await pair.begun(each) for each in made] == [[at(1), at(2)]] * 5


@pytest.mark.gen_test
async def test_one_of_many_claims_stands(at_rest: Pair) -> None:
    await at_rest.workflow()
    assert await at_rest.claim() is None, "it is not due yet"
    at_rest.now += timedelta(minutes=1)
    claims = await asyncio.gather(*(at_rest.claim() for _ in range(20)))
    assert len([each for each in claims if each is not None]) == 1


@pytest.mark.gen_test
async def test_an_hour_in_which_no_node_was_up_is_one_execution(pair: Pair) -> None:
    made = await pair.workflow()
    pair.now += timedelta(hours=1)
    await pair.look()
    row = await pair.row(made)
    assert await pair.begun(made) == [at(1)]
    assert row is not None and row["next_fire_at"] == datetime(2999, 1, 1, 10, 1, tzinfo=UTC)


@pytest.mark.gen_test
async def test_a_clock_that_goes_back_begins_nothing_again(pair: Pair) -> None:
    made = await pair.workflow()
    pair.now += timedelta(minutes=1)
    await pair.look()
    pair.now -= timedelta(hours=1)
    await pair.look()
    pair.now += timedelta(hours=1)
    await pair.look()
    assert await pair.begun(made) == [at(1)]


@pytest.mark.gen_test
async def test_a_death_between_the_two_writes_begins_nothing_twice(pair: Pair) -> None:
    made = await pair.workflow()
    pair.now += timedelta(minutes=1)
    dead = await pair.claim()
    assert dead is not None
    payload, twin = {"scheduled_at": "2999-01-01T09:01:00.000Z"}, "schedule:2999-01-01T09:01:00.000Z"
    await pair.nodes[0].automation.executions.begin(made, payload, "schedule", twin=twin)
    assert await pair.claim() is None, "it is claimed"
    await pair.set_row(made, claimed_until=datetime(2000, 1, 1, tzinfo=UTC))
    await pair.look()
    assert await pair.begun(made) == [at(1)]


@pytest.mark.gen_test
async def test_who_lost_its_claim_changes_nothing(at_rest: Pair) -> None:
    made = await at_rest.workflow()
    at_rest.now += timedelta(minutes=1)
    slow = await at_rest.claim()
    await at_rest.set_row(made, claimed_until=datetime(2000, 1, 1, tzinfo=UTC))
    fast = await at_rest.claim()
    assert slow is not None and fast is not None
    await at_rest.schedules[1]._fire(fast)
    after = await at_rest.row(made)
    at_rest.now += timedelta(minutes=5)
    await at_rest.schedules[0]._fire(slow)
    assert await at_rest.row(made) == after and await at_rest.begun(made) == [at(1)]


@pytest.mark.faults
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # the driver's, whose connection died under it
@pytest.mark.timeout(280)
@pytest.mark.gen_test(timeout=270)
async def test_a_primary_that_steps_down_amid_the_firing_begins_each_moment_once(
    pair: Pair, mongod_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SCHEDULE_LEASE_SECONDS", STEPDOWN_SECONDS)
    made = [await pair.workflow() for _ in range(WORKFLOWS)]
    for minute in range(1, STEPDOWNS + 1):
        pair.now += timedelta(minutes=1)
        looking = asyncio.ensure_future(pair.look_through_outages())
        await until(lambda minute=minute: pair.begun_at(minute))
        assert await pair.begun_at(minute) < WORKFLOWS
        await asyncio.to_thread(step_down, mongod_uri)
        await looking
    moments = [at(minute) for minute in range(1, STEPDOWNS + 1)]
    assert [await pair.begun(each) for each in made] == [moments] * WORKFLOWS
    gc.collect()  # here, where the driver's warning is expected


def step_down(uri: str) -> None:
    """The only member of the set is its secondary for a while, and then elects itself anew."""
    with MongoClient[dict[str, Any]](uri) as client:
        client.admin.command("replSetStepDown", STEPDOWN_SECONDS, force=True)


# --- by whose clock -------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_the_next_time_is_by_the_schedules_own_zone(pair: Pair) -> None:
    made = await pair.workflow("30 9 * * *", timezone="Asia/Tokyo")
    pair.now += timedelta(minutes=1)
    await pair.look()
    row = await pair.row(made)
    assert row is not None and row["next_fire_at"] == datetime(2999, 1, 2, 0, 30, tzinfo=UTC)


# --- which there are ------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_workflow_that_is_switched_off_has_none(at_rest: Pair) -> None:
    made, service = await at_rest.workflow(), at_rest.nodes[0].automation.workflows
    await service.change(made["user"], made["number"], {"enabled": False})
    assert await at_rest.row(made) is None
    await service.change(made["user"], made["number"], {"enabled": True})
    assert await at_rest.row(made) is not None
    await service.delete(made["user"], made["number"])
    assert await at_rest.row(made) is None


@pytest.mark.gen_test
async def test_one_whose_workflow_is_gone_goes_too(pair: Pair) -> None:
    made = await pair.workflow()
    await pair.database["workflows"].delete_one({"_id": made["_id"]})
    pair.now += timedelta(minutes=1)
    await pair.look()
    assert await pair.row(made) is None and await pair.begun(made) == []


@pytest.mark.gen_test
async def test_what_cannot_be_begun_just_now_stays_due(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await pair.workflow()
    pair.now += timedelta(minutes=1)
    monkeypatch.setattr(limits, "EXECUTIONS_RUNNING_MAX", 0)
    with capture_logs() as logs:
        pair.start()
        await until(lambda: "a schedule began nothing" in [entry["event"] for entry in logs])
    assert await pair.begun(made) == [] and not await pair.nothing_due()
    monkeypatch.undo()
    await pair.set_row(made, claimed_until=datetime(2000, 1, 1, tzinfo=UTC))
    await pair.look()
    assert await pair.begun(made) == [at(1)]


@pytest.mark.gen_test
async def test_a_suspended_owners_moments_pass_and_it_goes_on_afterwards(pair: Pair) -> None:
    made, people = await pair.workflow(), pair.nodes[0].identities
    for status in ("suspended", "active"):
        await people.change_user(made["user"], {"status": status})
        pair.now += timedelta(minutes=1)
        await pair.look()
    assert await pair.begun(made) == [at(2)]


@pytest.mark.gen_test(timeout=60)
async def test_a_user_has_so_many_and_no_more(at_rest: Pair) -> None:
    user = (await make_user(at_rest.nodes[0])).user_id
    service = at_rest.nodes[0].automation.workflows
    results = await asyncio.gather(
        *(service.create(user, scheduled()) for _ in range(limits.SCHEDULES_PER_USER_MAX + 3)), return_exceptions=True
    )
    refused = [each for each in results if isinstance(each, HubError)]
    assert [each.code for each in refused] == [Code.CONFLICT] * 3
    assert await at_rest.database["schedules"].count({"user": user}) == limits.SCHEDULES_PER_USER_MAX == 20
