"""The engine over what goes wrong: cancelled, its owner shut out, its claim lost, answered twice."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from config import limits as hub_limits
from config import workflows as limits
from hub.errors import Code, HubError
from hub.services import Services
from hub.workflows.workflows import NewWorkflow
from models import executions
from models.clock import now
from models.executions import EXECUTIONS
from tests.factories import make_user
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
    send_email,
    stands,
    statuses,
    stolen,
    transform,
)
from tests.patience import until
from tests.site import Site
from tests.stand_ins.base import Scenario
from tests.stand_ins.openai_server import OpenAIStandIn
from tests.stand_ins.telegram_bot_api import TOKEN, TelegramBotApi
from tests.stand_ins.webhook_receiver import WebhookReceiver, hangs, slowly

Json = dict[str, Any]
HOUR = {"type": "delay", "config": {"seconds": 3_600}}
ASK = {"type": "approval", "config": {"message": "Well?"}}


# --- ends before the end ------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_one_that_waits_is_cancelled(site: Site) -> None:
    owner = await Owner.at(site)
    workflow = await owner.make(manual("t>a a>b", a=HOUR))
    execution = await owner.begin(workflow)
    await at_rest(site, execution)
    path = f"{ALL}/{workflow['id']}/executions/{execution}/cancel"
    await owner.client.post(path)
    ended = await owner.ended(workflow, execution)
    assert ended["status"] == "cancelled" and set(statuses(ended).values()) == {"skipped"}
    await owner.client.post(path, status=409)


@pytest.mark.gen_test(timeout=60)
async def test_a_wish_to_cancel_is_seen_whenever_it_comes(site: Site) -> None:
    """Between any two writes of a turn, too."""
    owner = await Owner.at(site)
    workflow = await owner.make(manual("t>a a>b b>c c>d", d=HOUR))
    user = (await kept(site, await owner.begin(workflow)))["user"]
    executions = site.services.automation.executions
    found = await site.services.automation.workflows.find(user, workflow["id"])

    async def begun_and_cancelled(number: int) -> None:
        begun = await executions.begin(found, {}, "manual")
        await asyncio.sleep(number / 1_000)
        await executions.cancel(user, workflow["id"], begun["_id"])
        await until(partial(stands, database_of(site), begun["_id"], "status", "cancelled"), 10)

    for number in range(40):
        await begun_and_cancelled(number)


@pytest.mark.gen_test(timeout=60)
async def test_what_is_under_way_is_broken_off(calling_site: Site, receiver: WebhookReceiver) -> None:
    receiver.behave("a", hangs)
    owner = await Owner.at(calling_site)
    workflow = await owner.make(manual("t>a a>b", a=http_request(receiver.url("a"))))
    execution = await owner.begin(workflow)
    await until(lambda: receiver.got["a"])
    await owner.client.post(f"{ALL}/{workflow['id']}/executions/{execution}/cancel")
    ended = await owner.ended(workflow, execution, seconds=5)
    assert ended["status"] == "cancelled" and "b" not in statuses(ended)


@pytest.mark.gen_test(timeout=60)
async def test_a_hub_that_drains_ends_the_step_that_is_under_way_and_begins_no_other(
    calling_site: Site, receiver: WebhookReceiver
) -> None:
    owner, may_answer = await Owner.at(calling_site), asyncio.Event()

    async def answers_then(request: web.Request) -> web.StreamResponse:
        await may_answer.wait()
        return web.Response()

    receiver.behave("a", answers_then)
    execution = await owner.begin(await owner.make(manual("t>a a>b", a=http_request(receiver.url("a")))))
    await until(lambda: receiver.got["a"])
    calling_site.services.automation.stop()
    may_answer.set()
    await at_rest(calling_site, execution)
    found = await kept(calling_site, execution)
    assert {name: step["status"] for name, step in found["steps"].items()} == {"a": "completed"}
    assert found["status"] == "running" and not calling_site.services.automation.engine.at_work


@pytest.mark.gen_test(timeout=60)
async def test_an_answer_that_nobody_wants_any_more_is_not_made(provided_site: Site, provider: OpenAIStandIn) -> None:
    site = provided_site
    provider.script(Scenario("hang_first"))
    owner = await Owner.at(site)
    workflow = await owner.make(manual("t>a", a=ai_call()))
    execution = await owner.begin(workflow)
    await until(lambda: provider.requests)
    await owner.client.post(f"{ALL}/{workflow['id']}/executions/{execution}/cancel")
    await owner.ended(workflow, execution, seconds=5)
    await provider.wait_cancelled()
    await until(lambda: not len(site.services.streams))
    assert await owner.balance() == 10


@pytest.mark.gen_test(timeout=60)
async def test_a_deleted_workflow_ends_what_it_began(site: Site) -> None:
    owner = await Owner.at(site)
    workflow = await owner.make(manual("t>a", a=HOUR))
    execution = await owner.begin(workflow)
    await at_rest(site, execution)
    await owner.client.request("DELETE", f"{ALL}/{workflow['id']}", status=200)

    async def is_cancelled() -> bool:
        return bool((await kept(site, execution))["status"] == "cancelled")

    await until(is_cancelled)


@pytest.mark.gen_test(timeout=60)
async def test_nothing_is_done_for_who_was_shut_out(site: Site) -> None:
    owner = await Owner.at(site)
    workflow = await owner.make(manual("t>a a>b", a={"type": "delay", "config": {"seconds": 1}}, b=ai_call()))
    execution = await owner.begin(workflow)
    await at_rest(site, execution)
    user = (await kept(site, execution))["user"]
    await database_of(site)["users"].update_one({"_id": user}, {"$set": {"status": "suspended"}})

    async def has_failed() -> bool:
        return bool((await kept(site, execution))["status"] == "failed")

    await until(has_failed)
    found = await kept(site, execution)
    assert found["error"]["code"] == "owner" and found["spent_micro"] == 0


@pytest.mark.gen_test(timeout=60)
async def test_a_change_is_for_the_next_execution(site: Site) -> None:
    owner = await Owner.at(site)
    given = manual("t>a a>b", a={"type": "delay", "config": {"seconds": 0.3}}, b=transform(version=1))
    workflow = await owner.make(given)
    execution = await owner.begin(workflow)
    changed = manual("t>b", b=transform(version=2))
    await owner.client.request("PUT", f"{ALL}/{workflow['id']}", {"definition": changed}, status=200)
    second = await owner.ended(workflow, await owner.begin(workflow))
    first = await owner.ended(workflow, execution)
    assert (first["result"]["value"], second["result"]["value"]) == ({"version": 1}, {"version": 2})


# --- claims -------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_who_has_lost_the_claim_writes_nothing_more(calling_site: Site, receiver: WebhookReceiver) -> None:
    receiver.behave("a", slowly(0.5))
    owner = await Owner.at(calling_site)
    workflow = await owner.make(manual("t>a a>b", a=http_request(receiver.url("a"))))
    execution = await owner.begin(workflow)
    await until(lambda: receiver.got["a"])
    await stolen(calling_site, execution)
    await until(lambda: not calling_site.services.automation.engine.at_work)
    assert (await kept(calling_site, execution))["steps"]["a"]["status"] == "running"
    await given_back(calling_site, execution)
    ended = await owner.ended(workflow, execution)
    assert ended["status"] == "completed"
    assert {got.headers["idempotency-key"] for got in receiver.got["a"]} == {f"{execution}/a"}


@pytest.mark.gen_test(timeout=60)
async def test_an_answer_is_charged_once_whoever_has_the_claim(provided_site: Site, provider: OpenAIStandIn) -> None:
    site = provided_site
    provider.script(Scenario(first_token_seconds=1.5))
    owner = await Owner.at(site)
    workflow = await owner.make(manual("t>a a>b", a=ai_call(), b=transform(said="{{a.output}}")))
    execution = await owner.begin(workflow)
    await until(lambda: provider.requests)
    await stolen(site, execution)
    await until(lambda: not site.services.automation.engine.at_work)
    await given_back(site, execution)  # the answer is still being made: it is waited for
    ended = await owner.ended(workflow, execution)
    assert ended["status"] == "completed" and ended["result"]["value"]["said"]
    assert ended["result"]["credits_used"] > 0
    assert await owner.balance() == pytest.approx(10 - ended["result"]["credits_used"])
    assert len(provider.requests) == 1


@pytest.mark.gen_test(timeout=60)
async def test_an_answer_that_failed_is_tried_again_and_charged_once(
    provided_site: Site, provider: OpenAIStandIn
) -> None:
    provider.script(*[Scenario("error", status=500)] * (hub_limits.PROVIDER_TRIES + 1), Scenario())
    owner = await Owner.at(provided_site)
    ask = {**ai_call(), "retry": {"attempts": 5, "backoff_seconds": 0.1}}
    ended = await owner.executed(manual("t>a", a=ask))
    assert ended["status"] == "completed" and ended["steps"][0]["attempt"] > 1
    assert await owner.balance() == pytest.approx(10 - ended["result"]["credits_used"])
    entries = await database_of(provided_site)["entries"].find({"kind": "usage"}, limit=5)
    assert len(entries) == 1


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize(("attempts", "status"), [(1, "failed"), (2, "completed")])
async def test_a_message_whose_outcome_is_unknown_is_sent_again_only_where_its_author_wants(
    telegram_site: Site, telegram: TelegramBotApi, attempts: int, status: str
) -> None:
    owner = await Owner.at(telegram_site)
    bot = {"integration_type": "telegram", "bot_token": TOKEN, "chat_id": "123456789"}
    await owner.client.post("/api/integrations/connect", bot)
    retry = {"attempts": attempts, "backoff_seconds": 0}
    say = {"type": "telegram_message", "config": {"text": "Hello"}, "retry": retry}
    workflow = await owner.make(manual("t>w w>a", w=HOUR, a=say))
    execution = await owner.begin(workflow)
    await at_rest(telegram_site, execution)
    begun = {"steps.a": {"status": "running", "attempt": 1}, "steps.w": {"status": "completed", "attempt": 1}}
    died = {"$set": {**begun, "due_at": now()}}
    await database_of(telegram_site)[EXECUTIONS].update_one({"_id": execution}, died)
    ended = await owner.ended(workflow, execution)
    assert ended["status"] == status and len(telegram.sent) == attempts - 1


# --- answers ------------------------------------------------------------------------------------------------------


@pytest.fixture
def nodes(open_hub: Callable[..., Services]) -> list[Services]:
    """Two on one database."""
    return [open_hub(HUB_RATE_LIMITS="off") for _ in range(2)]


@pytest.mark.gen_test(timeout=60)
async def test_of_two_answers_at_once_one_counts(nodes: list[Services]) -> None:
    user = (await make_user(nodes[0])).user_id
    given = manual("t>a a>b", a=ASK, b=transform(comment="{{a.output.comment}}"))
    workflow = await nodes[0].automation.workflows.create(user, NewWorkflow("Ask", given))
    for _ in range(5):
        execution = (await nodes[0].automation.executions.begin(workflow, {}, "manual"))["_id"]
        await until(partial(stands, nodes[0].database, execution, "steps.a.status", "waiting"))
        answering = [
            node.automation.executions.answer_approval(user, execution, "a", True, str(number))
            for number, node in enumerate(nodes)
        ]
        came = await asyncio.gather(*answering, return_exceptions=True)
        (refused,) = [one for one in came if isinstance(one, BaseException)]
        assert isinstance(refused, HubError) and refused.code is Code.CONFLICT
        await until(partial(stands, nodes[0].database, execution, "status", "completed"))


@pytest.mark.gen_test(timeout=60)
async def test_what_happened_once_is_executed_once(nodes: list[Services]) -> None:
    user = (await make_user(nodes[0])).user_id
    workflow = await nodes[0].automation.workflows.create(user, NewWorkflow("Once", manual("t>a")))
    beginning = [
        node.automation.executions.begin(workflow, {}, "webhook", twin="id-1") for node in nodes for _ in range(4)
    ]
    begun = await asyncio.gather(*beginning)
    assert len({each["_id"] for each in begun}) == 1
    assert await nodes[0].database[EXECUTIONS].count({}) == 1
    other = await nodes[1].automation.executions.begin(workflow, {}, "webhook", twin="id-2")
    assert other["_id"] != begun[0]["_id"]


@pytest.mark.gen_test(timeout=60)
async def test_an_execution_is_told_of_when_it_has_ended(site: Site) -> None:
    owner = await Owner.at(site)
    ended = await owner.executed(manual("t>a", a=transform(done=True)))
    failed = await owner.executed(manual("t>a", a=transform(done="{{nothing.there}}")))
    tested = await owner.executed(manual("t>a", a=transform(done=True)), test_mode=True)
    assert tested["status"] == "completed"
    events = await database_of(site)["events"].find({"type": "workflow.executed"}, limit=5, sort=[("offset", 1)])
    good, bad = (event["data"] for event in events)
    assert good == {
        "workflow_id": ended["workflow_id"],
        "execution_id": ended["id"],
        "status": "completed",
        "result": {"output": '{"done":true}', "value": {"done": True}, "credits_used": 0},
    }
    assert bad["execution_id"] == failed["id"] and bad["status"] == "failed"
    assert bad["result"]["error"]["node"] == "a"


@pytest.mark.gen_test(timeout=60)
async def test_what_nobody_foresaw_ends_it_after_some_turns(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EXECUTION_BROKEN_MAX", 2)
    monkeypatch.setattr(limits, "EXECUTION_BROKEN_SECONDS", 0)
    owner = await Owner.at(site)
    workflow = await owner.make(manual("t>a a>b", a=HOUR))
    execution = await owner.begin(workflow)
    await at_rest(site, execution)
    senseless = {"$set": {"steps.a": {"status": "running"}, "due_at": now()}}
    await database_of(site)[EXECUTIONS].update_one({"_id": execution}, senseless)
    await until(partial(stands, database_of(site), execution, "status", "failed"))
    found = await kept(site, execution)
    assert (found["error"]["code"], found["broken"], found["claim"]) == ("internal", 1, None)


@pytest.mark.gen_test(timeout=60)
async def test_executions_steps_and_letters_are_in_the_metrics(calling_site: Site) -> None:
    owner = await Owner.at(calling_site)
    await owner.executed(manual("t>a a>b", a=transform(a=1), b=send_email()))
    await owner.executed(manual("t>a", a=transform(a="{{nothing.there}}")))
    metrics = calling_site.services.metrics
    await until(lambda: b'hub_workflow_letters_total{outcome="sent"} 1.0' in metrics.exposition())
    told = metrics.exposition().decode()
    assert 'hub_executions_total{status="completed"} 1.0' in told
    assert 'hub_executions_total{status="failed"} 1.0' in told
    assert 'hub_steps_total{status="completed",type="send_email"} 1.0' in told
    assert "hub_executions_at_work 0.0" in told


@pytest.mark.gen_test(timeout=60)
async def test_no_turn_writes_over_an_answer_that_it_has_not_seen(site: Site) -> None:
    owner = await Owner.at(site)
    workflow = await owner.make(manual("t>a", a=ASK))
    execution = await owner.begin(workflow)
    await at_rest(site, execution)
    claimed = {**await kept(site, execution), "claim": "claim_other"}
    await database_of(site)[EXECUTIONS].update_one({"_id": execution}, {"$set": {"claim": "claim_other"}})
    await site.services.automation.executions.answer_approval(claimed["user"], execution, "a", True, "yes")
    expired = {"$set": {"steps.a": {"status": "failed", "attempt": 1}}}
    assert not await executions.write(database_of(site), claimed, expired, claimed["asked"])
    assert not await executions.release(database_of(site), claimed, {"due_at": None}, claimed["asked"])
    await given_back(site, execution)
    assert (await owner.ended(workflow, execution))["status"] == "completed"
