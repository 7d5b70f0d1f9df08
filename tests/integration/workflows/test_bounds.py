"""Bounds of executions: what they spend, how long they work, how many there are, whom they set off, what they mail."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from aiohttp import ClientSession, web

from config import limits as hub_limits
from config import workflows as limits
from models.database import Database
from models.executions import EXECUTIONS
from tests.executions import for_each
from tests.integration.workflows.owner import (
    ALL,
    Owner,
    ai_call,
    database_of,
    http_request,
    manual,
    send_email,
    statuses,
)
from tests.patience import until
from tests.site import Site
from tests.stand_ins.base import Scenario
from tests.stand_ins.openai_server import OpenAIStandIn
from tests.stand_ins.smtp_server import Inbox
from tests.stand_ins.webhook_receiver import WebhookReceiver, hangs

Json = dict[str, Any]
HOUR = {"type": "delay", "config": {"seconds": 3_600}}


# --- bounds -------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_an_execution_spends_no_more_than_its_cap(site: Site) -> None:
    owner = await Owner.at(site)
    side_by_side = {name: ai_call("Tell me a long story", max_tokens=400) for name in "abcd"}
    cap = 0.05
    ended = await owner.executed(manual("t>a t>b t>c t>d", **side_by_side), {"spend_cap": cap})
    assert ended["status"] == "failed" and ended["result"]["error"]["reason"] == "spend_cap"
    assert 0 < ended["result"]["credits_used"] <= cap
    assert await owner.balance() == pytest.approx(10 - ended["result"]["credits_used"])


@pytest.mark.gen_test(timeout=60)
async def test_an_execution_is_at_work_for_so_long(
    calling_site: Site, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ACTIVE_SECONDS_MAX", 0.5)
    receiver.behave("a", hangs)
    owner = await Owner.at(calling_site)
    ended = await owner.executed(manual("t>a a>b", a=http_request(receiver.url("a"))))
    assert ended["status"] == "failed" and ended["result"]["error"]["reason"] == "active_seconds"


@pytest.mark.gen_test(timeout=60)
async def test_a_user_has_so_many_that_have_not_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EXECUTIONS_RUNNING_MAX", 2)
    owner = await Owner.at(site)
    workflow = await owner.make(manual("t>a", a=HOUR))
    for _ in range(2):
        await owner.begin(workflow)
    await owner.client.post(f"{ALL}/{workflow['id']}/execute", {"input": {}}, status=429)


@pytest.mark.gen_test(timeout=60)
async def test_a_user_sends_so_many_mails_a_day(calling_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LETTERS_PER_DAY_MAX", 1)
    owner = await Owner.at(calling_site)
    ended = await owner.executed(manual("t>a a>b", a=send_email(), b=send_email()))
    assert statuses(ended) == {"a": "completed", "b": "failed"}
    assert ended["result"]["error"]["reason"] == "letters"


@pytest.mark.gen_test(timeout=60)
async def test_what_is_too_large_is_no_output(calling_site: Site, receiver: WebhookReceiver) -> None:
    async def floods(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x01" * 100_000)

    receiver.behave("a", floods)
    owner = await Owner.at(calling_site)
    ended = await owner.executed(manual("t>a", a=http_request(receiver.url("a"))))
    assert ended["status"] == "failed" and ended["result"]["error"]["reason"] == "too_large"


@pytest.mark.gen_test(timeout=60)
async def test_an_answer_for_which_there_is_no_room_is_put_off(
    provided_site: Site, provider: OpenAIStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_limits, "STREAMS_PER_USER_MAX", 1)
    monkeypatch.setattr(limits, "PUT_OFF_SECONDS", 0.1)
    provider.default = Scenario(first_token_seconds=0.5)
    owner = await Owner.at(provided_site)
    ended = await owner.executed(manual("t>a t>b t>c", a=ai_call(), b=ai_call(), c=ai_call()))
    assert ended["status"] == "completed" and {step["attempt"] for step in ended["steps"]} == {1}
    assert len(provider.requests) == 3
    assert any("waits: At most 1 answers at once" in line["message"] for line in ended["logs"])


# --- circles ------------------------------------------------------------------------------------------------------


def passes_on(port: int, path: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """What leads back to the hub: another name of it, or somebody who forwards what comes."""

    async def behave(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "application/json", "X-Hub-Hops": request.headers["X-Hub-Hops"]}
        url, body = f"http://127.0.0.1:{port}{path}", await request.read()
        async with ClientSession() as session, session.post(url, data=body, headers=headers) as sent:
            return web.Response(status=sent.status, body=await sent.read())

    return behave


@pytest.mark.gen_test(timeout=90)
@pytest.mark.parametrize("names", ["a", "ab"])
async def test_workflows_that_set_each_other_off_come_to_an_end(
    calling_site: Site, receiver: WebhookReceiver, names: str
) -> None:
    """To itself, and to another that leads back."""
    owner = await Owner.at(calling_site)
    made = []
    for name in names:
        given = manual("t>n", n=http_request(receiver.url(name), body={})) | {"trigger": {"type": "webhook"}}
        made.append(await owner.make(given))
    following = [*made[1:], made[0]]
    for name, workflow in zip(names, following, strict=True):
        receiver.behave(
            name, passes_on(calling_site.port, "/webhooks/" + workflow["webhook_url"].split("/webhooks/")[1])
        )
    await owner.begin(made[0])
    executions = database_of(calling_site)[EXECUTIONS]

    async def has_come_to_an_end() -> bool:
        return await executions.count({"status": "failed"}) == 1 and await executions.count({"status": "running"}) == 0

    await until(has_come_to_an_end, 60)
    found = await executions.find({}, limit=20, sort=[("hops", 1)])
    assert [each["hops"] for each in found] == list(range(limits.HOPS_MAX + 1))
    assert [each["status"] for each in found] == ["completed"] * limits.HOPS_MAX + ["failed"]
    assert "set each other off" in found[-1]["error"]["message"]


@pytest.mark.gen_test(timeout=60)
async def test_it_does_not_fan_out_without_end(site: Site) -> None:
    owner = await Owner.at(site)
    ended = await owner.executed(manual("t>a", a=for_each("i")), data={"rows": list(range(limits.ITEMS_MAX + 1))})
    assert ended["status"] == "failed" and "items" in ended["result"]["error"]["message"]
    three = {name: for_each("i" + name) for name in "abc"}
    ended = await owner.executed(manual("t>a a>b b>c", **three), data={"rows": list(range(limits.ITEMS_MAX))})
    assert ended["status"] == "failed" and ended["result"]["error"]["reason"] == "steps"


# --- letters ------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_a_letter_that_is_not_taken_goes_again_under_its_own_id(
    calling_site: Site, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LETTER_RETRY_SECONDS", (0.1, 0.1))
    owner = await Owner.at(calling_site)
    await until(lambda: inbox.mails)  # that which confirms the address
    inbox.answers += ["451 later", "451 later"]
    ended = await owner.executed(manual("t>a", a=send_email(body="Hello")))
    await until(lambda: len(inbox.mails) == 2)
    assert inbox.letters[1]["Message-ID"] == ended["result"]["output"]["message_id"] and not inbox.answers
    letter = await database_of(calling_site)["workflow_letters"].find_one({})
    assert letter is not None and letter["attempts"] == 3
    await until(partial(_is_sent, database_of(calling_site)))


async def _is_sent(database: Database) -> bool:
    return await database["workflow_letters"].count({"status": "sent", "claim": None, "body": {"$exists": False}}) == 1


@pytest.mark.gen_test(timeout=60)
async def test_a_letter_that_is_refused_is_given_up(calling_site: Site) -> None:
    owner = await Owner.at(calling_site)
    ended = await owner.executed(manual("t>a", a=send_email("gone@example.com")))
    assert ended["status"] == "completed"  # it was written; what becomes of it is the post's matter
    letters = database_of(calling_site)["workflow_letters"]

    async def is_given_up() -> bool:
        return await letters.count({"status": "given_up", "body": {"$exists": False}}) == 1

    await until(is_given_up)
