"""Bounds of executions: what they spend, how long they work, how many there are, whom they set off, what they mail."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from aiohttp import ClientSession, web

from config import limits as hub_limits
from config import workflows as limits
from models import workflow_letters
from models.clock import now
from models.database import Database
from models.executions import EXECUTIONS
from tests.executions import for_each
from tests.integration.workflows.author import Author, chain, note
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
async def test_a_projects_budget_is_not_gone_beyond(site: Site) -> None:
    owner = await Owner.at(site)
    settings = {"name": "P", "settings": {"budget_limit": 0.000001}}
    project = (await owner.client.post("/api/projects", settings, status=201)).body["id"]
    ended = await owner.executed(manual("t>a", a=ai_call()), {"project_id": project})
    assert ended["status"] == "failed" and ended["result"]["error"]["reason"] == "insufficient_credits"
    assert ended["result"]["credits_used"] == 0 and await owner.balance() == 10
    assert (await owner.client.get(f"/api/projects/{project}")).body["stats"]["credits_used"] == 0


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
    owner = await Author.of(calling_site)
    await calling_site.services.identities.change_user(owner.user, {"email_verified": True})
    ended = await owner.executed(manual("t>a a>b", a=send_email(), b=send_email()))
    assert statuses(ended) == {"a": "completed", "b": "failed"}
    assert ended["result"]["error"]["reason"] == "letters"


@pytest.mark.gen_test(timeout=60)
async def test_letters_that_are_written_side_by_side_and_those_of_approvals_are_counted_too(
    calling_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LETTERS_PER_DAY_MAX", 2)
    owner = await Author.of(calling_site)
    await calling_site.services.identities.change_user(owner.user, {"email_verified": True})
    asking = {"type": "approval", "config": {"message": "Go on?", "to": "bob@example.com"}}
    mails = {key: {**send_email(body="Hello"), "on_error": "continue"} for key in "abcd"}
    ended = await owner.executed(manual("t>a t>b t>c t>d", **mails))
    assert sorted(statuses(ended).values()) == ["completed"] * 2 + ["failed"] * 2
    assert await database_of(calling_site)["workflow_letters"].count({}) == 2
    ended = await owner.executed(manual("t>a", a=asking))
    assert ended["result"]["error"]["reason"] == "letters" and ended["approvals"] == []
    assert await database_of(calling_site)["workflow_letters"].count({}) == 2


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
    provider.default = Scenario(first_token_seconds=0.2)
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
async def test_requests_that_lead_back_to_the_hub_come_to_an_end(
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
        return await executions.count({"status": "completed"}) == limits.HOPS_MAX + 1

    await until(has_come_to_an_end, 60)
    found = await executions.find({}, limit=20, sort=[("hops", 1)])
    assert [each["hops"] for each in found] == list(range(limits.HOPS_MAX + 1))


async def come_to_an_end(site: Site, times: int) -> None:
    """The executions that set each other off by the hub's own webhooks: a delivery began nothing, and all have ended."""
    database = database_of(site)

    async def has_come_to_an_end() -> bool:
        ignored = await database["deliveries"].count({"attempts.answer": {"$regex": "ignored"}}) > 0
        return ignored and await database[EXECUTIONS].count({"status": "running"}) == 0

    await until(has_come_to_an_end, 60)
    found = await database[EXECUTIONS].find({}, limit=50, sort=[("hops", 1)])
    assert [each["hops"] for each in found] == list(range(times))


@pytest.mark.gen_test(timeout=90)
async def test_a_webhook_that_leads_back_to_what_caused_its_event_comes_to_an_end(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(manual("t>a", a=ai_call()) | {"trigger": {"type": "webhook"}})
    hooks = who.hooks()
    own = f"http://127.0.0.1:{site.port}/webhooks/{made['webhook_secret']}"
    await hooks.hook(own, "chat.completion", secret=made["webhook_secret"])
    await who.begin(made)
    await come_to_an_end(site, limits.HOPS_MAX + 1)


@pytest.mark.gen_test(timeout=90)
async def test_two_users_whose_workflows_are_told_of_each_other_come_to_an_end(
    calling_site: Site, receiver: WebhookReceiver
) -> None:
    one, two = await Author.of(calling_site), await Author.of(calling_site)
    given = chain(note(said="x"), trigger="webhook")
    first, second = [await who.make(given, notify_url=receiver.url(path)) for who, path in ((one, "a"), (two, "b"))]
    for path, other in (("a", second), ("b", first)):
        receiver.behave(path, passes_on(calling_site.port, f"/webhooks/{other['webhook_secret']}"))
    await one.begin(first)
    await come_to_an_end(calling_site, limits.HOPS_MAX + 1)


@pytest.mark.gen_test(timeout=90)
async def test_two_workflows_whose_notify_urls_are_each_other_come_to_an_end(site: Site) -> None:
    who = await Author.of(site)
    given = chain(note(said="x"), trigger="webhook")
    first, second = await who.make(given), await who.make(given)
    for workflow, other in ((first, second), (second, first)):
        told = f"http://127.0.0.1:{site.port}/webhooks/{other['webhook_secret']}"
        body = {"notify_url": told, "notify_secret": other["webhook_secret"]}
        await who.client.request("PUT", f"{ALL}/{workflow['id']}", body, status=200)
    await who.begin(first)
    await come_to_an_end(site, limits.HOPS_MAX + 1)


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
    assert inbox.letters[1]["Message-ID"] == ended["result"]["value"]["message_id"] and not inbox.answers
    letter = await database_of(calling_site)["workflow_letters"].find_one({})
    assert letter is not None and letter["attempts"] == 3
    await until(partial(_is_sent, database_of(calling_site)))


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize(("status", "unset"), [("suspended", []), ("active", ["subject"])])
async def test_a_letter_is_given_up_whose_user_is_suspended_or_that_cannot_be_composed(
    site: Site, status: str, unset: list[str]
) -> None:
    who, letters = await Author.of(site), database_of(site)["workflow_letters"]
    await site.services.identities.change_user(who.user, {"status": status})
    moment = now()
    what = ("bob@example.com", "News", "Hello", moment, moment + timedelta(days=1))
    letter = workflow_letters.new_letter("letter_1", who.user, "exec_1", *what)
    await letters.insert_one({name: value for name, value in letter.items() if name not in unset})

    async def is_given_up() -> bool:
        return await letters.count({"status": "given_up", "attempts": 1}) == 1

    site.services.automation.post.wake()
    await until(is_given_up)


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
