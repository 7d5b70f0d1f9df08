"""Turns that something comes between: a database that is away for a moment, answers that outlive them, and broken ones."""

import asyncio
import sys
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from config import workflows as limits
from hub.chat_request import ChatRequest
from hub.workflows.running.answers import stream_of
from hub.workflows.running.runners.ai_call import identity_of
from models import executions, users
from models.clock import now
from models.executions import EXECUTIONS
from tests.integration.workflows.owner import (
    ALL,
    Owner,
    ai_call,
    at_rest,
    database_of,
    given_back,
    http_request,
    kept,
    manual,
    stands,
    statuses,
    stolen,
    transform,
)
from tests.ledger_parts import fail_point
from tests.patience import until
from tests.site import Site
from tests.stand_ins.base import Scenario
from tests.stand_ins.openai_server import OpenAIStandIn
from tests.stand_ins.webhook_receiver import WebhookReceiver

SOON = {"type": "delay", "config": {"seconds": 0.3}}
HOUR = {"type": "delay", "config": {"seconds": 3_600}}


# --- a database that is away --------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_a_database_that_is_away_for_a_moment_breaks_nothing_off(
    calling_site: Site, receiver: WebhookReceiver, mongod_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the renewal of the claim, nor the record of what has ended meanwhile."""
    monkeypatch.setattr(limits, "EXECUTION_INSIST_SECONDS", 0.05)
    may_answer = asyncio.Event()

    async def waits(request: web.Request) -> web.StreamResponse:
        await may_answer.wait()
        return web.Response()

    receiver.behave("a", waits)
    owner = await Owner.at(calling_site)
    workflow = await owner.make(manual("t>a", a=http_request(receiver.url("a"))))
    execution = await owner.begin(workflow)
    await until(lambda: receiver.got["a"])
    engine = calling_site.services.automation.engine
    with capture_logs() as logs:
        async with fail_point(mongod_uri, "alwaysOn", ["findAndModify", "update"], closeConnection=True):
            await until(lambda: "a turn waits for the database" in [entry["event"] for entry in logs])
            may_answer.set()
            await until(lambda: [entry["event"] for entry in logs].count("a turn waits for the database") > 3)
            assert engine.at_work == 1
        ended = await owner.ended(workflow, execution)
    assert ended["status"] == "completed" and len(receiver.got["a"]) == 1
    assert "a turn broke off" not in [entry["event"] for entry in logs]


@pytest.mark.gen_test(timeout=60)
async def test_a_write_whose_answer_is_lost_is_made_once(site: Site, mongod_uri: str) -> None:
    """The write concern fails after the write was made."""
    owner = await Owner.at(site)
    workflow = await owner.make(manual("t>a", a=transform(a=1)))
    lost: dict[str, Any] = {"writeConcernError": {"code": 91, "errmsg": "gone"}}
    with capture_logs() as logs:
        async with fail_point(mongod_uri, {"times": 4}, ["update"], **lost):
            ended = await owner.ended(workflow, await owner.begin(workflow))
    assert ended["status"] == "completed" and "a turn waits for the database" in [entry["event"] for entry in logs]
    assert [line["message"] for line in ended["logs"]].count("Completed a") == 1


@pytest.mark.gen_test(timeout=60)
async def test_a_claim_is_renewed_without_reading_the_steps(site: Site) -> None:
    owner = await Owner.at(site)
    workflow = await owner.make(manual("t>a", a=HOUR))
    execution = await owner.begin(workflow)
    await at_rest(site, execution)
    await stolen(site, execution)
    claimed = {**await kept(site, execution), "claim": "claim_other"}
    renewed = await executions.renew(database_of(site), claimed, 0.0, 30)
    assert renewed is not None and set(renewed) == {"_id", "asked", "cancel_asked"}


# --- answers that outlive a turn ----------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_what_an_answer_of_an_earlier_turn_may_cost_stays_reserved(
    provided_site: Site, provider: OpenAIStandIn
) -> None:
    site = provided_site
    provider.script(Scenario(first_token_seconds=1.5))
    owner = await Owner.at(site)
    asking = {"a": ai_call(max_tokens=4_000), "w": SOON, "c": ai_call(max_tokens=4_000)}
    workflow = await owner.make(manual("t>a t>w w>c", **asking), spend_cap=0.02)
    execution = await owner.begin(workflow)
    await until(lambda: provider.requests)
    await stolen(site, execution)
    await until(lambda: not site.services.automation.engine.at_work)
    await given_back(site, execution)
    ended = await owner.ended(workflow, execution)
    waited = [line["message"] for line in ended["logs"] if line["message"].startswith("c waits")]
    assert waited == ["c waits: what it may spend is reserved for an answer that was begun before"]
    assert ended["status"] == "completed" and 0 < ended["result"]["credits_used"] <= 0.02
    assert await owner.balance() == pytest.approx(10 - ended["result"]["credits_used"])


@pytest.mark.gen_test(timeout=60)
async def test_an_answer_that_outlived_its_turn_ends_with_the_execution(
    provided_site: Site, provider: OpenAIStandIn
) -> None:
    site = provided_site
    provider.script(Scenario("hang_first"))
    owner = await Owner.at(site)
    workflow = await owner.make(manual("t>a", a=ai_call()))
    execution = await owner.begin(workflow)
    await until(lambda: provider.requests)
    await stolen(site, execution)
    await until(lambda: not site.services.automation.engine.at_work)
    await given_back(site, execution)
    await until(partial(stands, database_of(site), execution, "steps.a.status", "waiting"))
    await owner.client.post(f"{ALL}/{workflow['id']}/executions/{execution}/cancel")
    assert (await owner.ended(workflow, execution))["status"] == "cancelled"
    await provider.wait_cancelled()
    assert not len(site.services.streams) and await owner.balance() == 10


@pytest.mark.gen_test(timeout=60)
async def test_an_answer_that_the_spend_cap_cut_is_none_after_a_crash_too(site: Site) -> None:
    """It was settled, and the process died before its record."""
    owner = await Owner.at(site)
    asking = ai_call("Tell me a long story", max_tokens=400)
    workflow = await owner.make(manual("t>w w>a a>b", w=HOUR, a=asking))
    execution = await owner.begin(workflow)
    await at_rest(site, execution)
    user = await users.by_id(database_of(site), (await kept(site, execution))["user"])
    assert user is not None
    said = [{"role": "user", "content": "Tell me a long story"}]
    given: dict[str, Any] = {"api": "ai_assistant", "endpoint": "/api/workflows", "messages": said, "max_tokens": 5}
    stream = stream_of(execution, "a", 1, 0)
    request = ChatRequest("gpt-4", **given, streamed=False, stream=stream)
    await (await site.services.chat.start(identity_of(user), request)).stream.reached(sys.maxsize)
    begun = {"steps.a": {"status": "running", "attempt": 1}, "steps.w": {"status": "completed", "attempt": 1}}
    await database_of(site)[EXECUTIONS].update_one({"_id": execution}, {"$set": {**begun, "due_at": now()}})
    ended = await owner.ended(workflow, execution)
    assert ended["status"] == "failed" and ended["result"]["error"]["reason"] == "spend_cap"
    assert ended["result"]["credits_used"] == pytest.approx(10 - await owner.balance(), abs=1e-9)
    assert statuses(ended)["b"] == "skipped"


# --- what is broken -----------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_one_of_which_no_turn_can_be_made_ends_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EXECUTION_BROKEN_MAX", 2)
    monkeypatch.setattr(limits, "EXECUTION_BROKEN_SECONDS", 0)
    owner = await Owner.at(site)
    execution = await owner.begin(await owner.make(manual("t>a", a=HOUR)))
    await at_rest(site, execution)
    senseless = {"$set": {"definition": "{", "due_at": now()}}
    await database_of(site)[EXECUTIONS].update_one({"_id": execution}, senseless)
    await until(partial(stands, database_of(site), execution, "status", "failed"))
    found = await kept(site, execution)
    assert (found["error"]["code"], found["broken"], found["claim"]) == ("internal", 1, None)


@pytest.mark.gen_test(timeout=60)
async def test_what_the_database_refuses_for_good_is_counted(
    site: Site, mongod_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EXECUTION_BROKEN_SECONDS", 0)
    owner = await Owner.at(site)
    workflow = await owner.make(manual("t>a a>b", a=SOON))
    execution = await owner.begin(workflow)
    await at_rest(site, execution)
    refused = {"errorCode": 2, "namespace": f"{database_of(site).name}.users"}  # the owner cannot be read
    async with fail_point(mongod_uri, {"times": 1}, ["find"], **refused):
        await until(partial(stands, database_of(site), execution, "steps.a.status", "waiting"))

        async def has_broken() -> bool:
            return bool((await kept(site, execution)).get("broken") == 1)

        await until(has_broken)
    assert (await owner.ended(workflow, execution))["status"] == "completed"
