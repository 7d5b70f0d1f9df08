"""Notice jobs by themselves: what one claim may do, retries, and notifications that come at the worst moment."""

import asyncio
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import orjson
import pytest
from pymongo import MongoClient
from structlog.testing import capture_logs
from tornado.ioloop import IOLoop

from config import outgoing
from hub.notices.jobs import NoticeJobs
from hub.notices.media import TellFailed
from hub.services import Services
from models import notice_jobs
from models.clock import now
from models.database import Database, Document
from models.ids import new_id
from models.notice_jobs import NOTICE_JOBS
from models.notifications import NOTIFICATIONS
from tests.conftest import OpenServices, StartHub
from tests.factories import sign_up, tell
from tests.integration.notifications.mailing import forget, is_idle, job_of, make_due, settled, untold
from tests.length import length
from tests.patience import until
from tests.stand_ins.smtp_server import Inbox, free_port, smtp_server


class Wire:
    """A medium for tests to look at: what it was asked to tell, and what happens when it is."""

    def __init__(self, happening: Callable[[], Awaitable[object]] | None = None) -> None:
        self.told: list[list[str]] = []
        self.happening = happening

    async def tell(self, user: Document, notes: Sequence[Document]) -> None:
        happening, self.happening = self.happening, None
        if happening is not None:
            await happening()
        self.told.append([note["title"] for note in notes])


Quiet = tuple[Services, str]


@pytest.fixture
def quiet(io_loop: IOLoop, open_hub: OpenServices) -> Quiet:
    """A hub that does not look for jobs itself, and a user of it whose address is confirmed."""
    services = open_hub()
    return services, io_loop.run_sync(lambda: _user_of(services))


async def _user_of(services: Services) -> str:
    await services.notices.jobs.close()
    user = str((await sign_up(services)).user["_id"])
    await services.identities.change_user(user, {"email_verified": True})
    await forget(services, user)
    return user


def _jobs(services: Services, wire: Wire, **lengths: Any) -> NoticeJobs:
    """Of a process of its own, as it were."""
    lengths = {"poll_seconds": 0.02, **lengths}
    jobs = NoticeJobs(services.database, {"email": wire}, services.tasks, services.metrics, **lengths)
    jobs.start()
    return jobs


@pytest.mark.gen_test
async def test_a_notification_and_its_jobs_stand_together(quiet: Quiet) -> None:
    services, user = quiet
    moments = []
    for _ in range(2):
        note = await services.database[NOTIFICATIONS].find_one({"_id": await tell(services, user, "Paid", "text")})
        assert note is not None and note["untold"] == ["email", "push"]
        job = await job_of(services, user)
        assert job is not None
        moments.append((job["count"], job["due_at"]))
    (one, due), (two, still_due) = moments
    assert (one, two) == (1, 2) and due == still_due
    await services.notifications.change_settings(user, {"push": False}, {})
    await tell(services, user, "Paid", "text")
    push = await job_of(services, user, "push")
    assert push is not None and push["count"] == 2
    await services.notifications.change_settings(user, {"email": False}, {})
    note = await services.database[NOTIFICATIONS].find_one({"_id": await tell(services, user, "Paid", "text")})
    assert note is not None and note["media"] == ["inApp"] and "untold" not in note


@pytest.fixture
def other_node(quiet: Quiet, io_loop: IOLoop, open_hub: OpenServices) -> Services:
    """A second one, that does not look for jobs either."""
    services = open_hub()
    io_loop.run_sync(services.notices.jobs.close)
    return services


@pytest.mark.gen_test
@pytest.mark.parametrize("in_app", [True, False])
async def test_two_nodes_count_in_one_job(quiet: Quiet, other_node: Services, in_app: bool) -> None:
    """Without `inApp` no wallet is written with it, at which their transactions would meet before."""
    services, user = quiet
    await services.notifications.change_settings(user, {"inApp": in_app}, {})
    for _ in range(5):
        await asyncio.gather(*(tell(node, user, "Paid", "text") for node in (services, other_node) for _ in range(3)))
        job = await job_of(services, user)
        assert job is not None and job["count"] == 6 == await untold(services, user)
        await forget(services, user)


@pytest.mark.gen_test
async def test_what_comes_while_it_is_told_is_told_next(quiet: Quiet) -> None:
    services, user = quiet
    wire = Wire(lambda: tell(services, user, "Second", "text"))
    jobs = _jobs(services, wire, pause_seconds={"email": 0.1})
    await tell(services, user, "First", "text")
    await make_due(services, user)
    await until(lambda: wire.told == [["First"], ["Second"]])
    await settled(services, user)
    await until(lambda: _is_gone(services, user))
    await jobs.close()


async def _is_gone(services: Services, user: str, medium: str = "email") -> bool:
    return await job_of(services, user, medium) is None


@pytest.mark.gen_test
async def test_a_job_is_not_removed_over_what_comes_at_that_moment(quiet: Quiet) -> None:
    services, user = quiet
    database = services.database
    await tell(services, user, "First", "text")
    claimed = await _claim(database)
    await forget_notes(database, user)
    await tell(services, user, "Second", "text")
    assert not await notice_jobs.remove(database, claimed)
    job = await job_of(services, user)
    assert job is not None and job["count"] == 2
    wire = Wire()
    jobs = _jobs(services, wire, pause_seconds={"email": 0.1})
    await make_due(services, user)
    await until(lambda: wire.told == [["Second"]])
    await until(lambda: _is_gone(services, user))  # although it counted one that is told already
    await jobs.close()


async def forget_notes(database: Database, user: str) -> None:
    await database[NOTIFICATIONS].update_many({"user": user}, {"$unset": {"untold": 1}})


async def _claim(database: Database) -> Document:
    """Claim the one mail job there is, as a process that dies then."""
    moment = now() + timedelta(hours=1)
    job = await notice_jobs.claim(database, "email", new_id("claim"), moment, moment)
    assert job is not None
    return job


@pytest.mark.gen_test
async def test_a_lost_claim_ends_nothing(quiet: Quiet) -> None:
    services, user = quiet
    await tell(services, user, "First", "text")
    lost = await _claim(services.database)
    await make_due(services, user)
    ours = await _claim(services.database)
    assert ours["attempts"] == 2
    assert not await notice_jobs.remove(services.database, lost)
    await notice_jobs.ended(services.database, lost, 1, now())
    await notice_jobs.again(services.database, lost, now())
    assert await job_of(services, user) == ours


@pytest.mark.gen_test
async def test_two_processes_tell_nothing_twice(quiet: Quiet) -> None:
    services, user = quiet
    users = [user, *[await _user_of(services) for _ in range(9)]]
    for each in users:
        await tell(services, each, each, "text")
    wires = [Wire(), Wire()]
    processes = [_jobs(services, wire) for wire in wires]
    await services.database[NOTICE_JOBS].update_many({"medium": "email"}, {"$set": {"due_at": now()}})
    for each in users:
        await until(lambda each=each: is_idle(services, each))
    for process in processes:
        await process.close()
    assert sorted(wires[0].told + wires[1].told) == sorted([each] for each in users)


@pytest.mark.faults
@pytest.mark.gen_test
async def test_nothing_is_lost_or_told_twice_under_traffic(quiet: Quiet, other_node: Services) -> None:
    """Jobs are made, told and removed all the while: by push nothing gathers, and here nothing pauses."""
    services, user = quiet
    nodes, wires = (services, other_node), (Wire(), Wire())
    processes = [
        NoticeJobs(
            *(node.database, {"push": wire}, node.tasks, node.metrics),
            pause_seconds={"push": 0.0},
            poll_seconds=0.005,
        )
        for node, wire in zip(nodes, wires, strict=True)
    ]
    for process in processes:
        process.start()

    async def talk(node: Services, titles: Sequence[str]) -> None:
        for title in titles:
            await tell(node, user, title, "text")

    names = [[f"{place}-{number}" for number in range(length(10, 40))] for place in range(2)]
    await asyncio.gather(*(talk(node, titles) for node, titles in zip(nodes, names, strict=True)))
    await until(lambda: _is_gone(services, user, "push"))
    for process in processes:
        await process.close()
    told = [title for wire in wires for titles in wire.told for title in titles]
    assert sorted(told) == sorted(names[0] + names[1])


@pytest.mark.gen_test
async def test_who_stood_still_tells_nothing(quiet: Quiet) -> None:
    """Its claim is about to end before it comes to the telling: another process may be at it already."""
    services, user = quiet
    wire = Wire()
    await tell(services, user, "First", "text")
    await make_due(services, user)
    jobs = _jobs(services, wire, lease_seconds=outgoing.NOTICE_TELL_SECONDS_MAX - 1)
    await until(lambda: services.database[NOTICE_JOBS].find_one({"attempts": 1, "medium": "email"}))
    await jobs.close()
    assert wire.told == [] and await untold(services, user) == 1


@pytest.mark.gen_test
async def test_what_failed_is_tried_again_no_sooner_than_was_asked(quiet: Quiet) -> None:
    services, user = quiet

    async def busy() -> None:
        raise TellFailed("busy", retry_after_seconds=500.0)

    wire = Wire(busy)
    jobs = _jobs(services, wire)
    await tell(services, user, "First", "text")
    await make_due(services, user)
    await until(lambda: services.database[NOTICE_JOBS].find_one({"claim": None, "attempts": 1, "medium": "email"}))
    job = await job_of(services, user)
    assert job is not None and 480 < (job["due_at"] - now()).total_seconds() <= 500
    await tell(services, user, "Second", "text")
    await make_due(services, user)
    await until(lambda: wire.told == [["First", "Second"]])
    await settled(services, user)
    job = await job_of(services, user)
    assert job is not None and job["attempts"] == 0
    await jobs.close()


@pytest.mark.gen_test
async def test_what_fails_to_the_last_is_given_up(quiet: Quiet) -> None:
    services, user = quiet
    tries = []

    class Down:
        async def tell(self, user: Document, notes: Sequence[Document]) -> None:
            tries.append(len(notes))
            raise TellFailed("down")

    jobs = NoticeJobs(
        *(services.database, {"email": Down()}, services.tasks, services.metrics),
        retry_seconds=(0.05, 0.05),
        poll_seconds=0.02,
    )
    jobs.start()
    with capture_logs() as logs:
        await tell(services, user, "First", "text")
        await make_due(services, user)
        await settled(services, user)
    assert tries == [1, 1, 1]
    (last,) = [line for line in logs if line["event"] == "notices given up"]
    assert (last["user"], last["attempts"], last["log_level"]) == (user, 3, "error")
    await jobs.close()


@pytest.mark.gen_test
async def test_what_never_comes_to_an_end_is_given_up(quiet: Quiet) -> None:
    """A defect, or a process that dies of it each time, does not go on for ever."""
    services, user = quiet
    await tell(services, user, "First", "text")
    spent = {"attempts": len(outgoing.NOTICE_RETRY_SECONDS) + 1, "due_at": now()}
    await services.database[NOTICE_JOBS].update_one({"medium": "email"}, {"$set": spent})
    wire = Wire()
    jobs = _jobs(services, wire)
    await settled(services, user)
    await jobs.close()
    assert wire.told == []


@pytest.mark.gen_test
async def test_the_end_waits_for_what_is_being_told(quiet: Quiet) -> None:
    services, user = quiet
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await goes_on.wait()

    wire = Wire(slow)
    jobs = _jobs(services, wire)
    await tell(services, user, "First", "text")
    await make_due(services, user)
    await begun.wait()
    closing = asyncio.create_task(jobs.close())
    asyncio.get_running_loop().call_later(0.1, goes_on.set)
    await closing
    assert wire.told == [["First"]] and await untold(services, user) == 0


@pytest.mark.gen_test
async def test_a_round_tells_a_bounded_number(quiet: Quiet) -> None:
    services, user = quiet
    for number in range(3):
        await tell(services, user, f"n{number}", "text")
    wire = Wire()
    jobs = _jobs(services, wire, pause_seconds={"email": 0.05}, notes_max=2)
    await make_due(services, user)
    await until(lambda: wire.told == [["n0", "n1"], ["n2"]])
    await jobs.close()


def test_a_hub_killed_before_the_mail_sends_it_after_its_restart(
    start_hub: StartHub, mongod_uri: str, inbox: Inbox
) -> None:
    port = free_port()
    hub = start_hub(HUB_SMTP_URL=f"smtp://127.0.0.1:{port}")
    token = hub.register()
    with MongoClient[dict[str, Any]](mongod_uri) as client:
        database = client[hub.database]
        account = database["users"].find_one_and_update({"role": "user"}, {"$set": {"email_verified": True}})
        assert account is not None
        database["notifications"].update_many({}, {"$unset": {"untold": 1}})
        database["notice_jobs"].delete_many({})
        _top_up(hub.url, token)
        hub.kill()
        (note,) = database["notifications"].find({"untold": "email"})
        assert database["notice_jobs"].find_one({"_id": f"email:{account['_id']}", "count": 1, "claim": None})
        database["notice_jobs"].update_many({}, {"$set": {"due_at": now()}})
        with smtp_server(inbox, port):
            hub.start()
            asyncio.run(until(lambda: not database["notifications"].find_one({"untold": "email"})))
            asyncio.run(until(lambda: database["notice_jobs"].find_one({"medium": "email", "count": 0, "claim": None})))
    told = [letter for letter in inbox.letters if "List-Unsubscribe" in letter]
    assert [(letter["Subject"], letter["To"]) for letter in told] == [(note["title"], account["email"])]


def _top_up(url: str, token: str) -> None:
    body = orjson.dumps({"packageId": "pkg_starter", "paymentMethodId": "pm_123", "amount": 1000})
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/api/credits/purchase", body, headers)) as answer:
        assert answer.status == 200
