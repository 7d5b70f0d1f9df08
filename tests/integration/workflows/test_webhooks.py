"""The addresses of workflows: what comes there begins executions, once for a webhook-id, and only by the secret."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import pytest
from standardwebhooks import Webhook

from config import workflows as limits
from hub.webhooks import signatures
from hub.workflows.executions import TooManyHops
from models.clock import now
from tests.api_client import ApiClient
from tests.integration.workflows.author import Author, chain, note
from tests.integration.workflows.owner import ALL, Json
from tests.site import Site

BODY: Final = b'{"said": "hello"}'
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


def listener(said: str = "{{said}}") -> Json:
    return chain(note(said=said), trigger="webhook")


def signed(secret: str, body: bytes = BODY, webhook_id: str = "msg_1", at: datetime | None = None) -> dict[str, str]:
    return signatures.headers(webhook_id, at or now(), body, [secret])


async def outputs(who: Author, workflow: Json) -> list[Any]:
    """Of all executions, once they have ended; the newest first."""
    ended = [await who.ended(workflow, each["id"]) for each in await who.begun(workflow)]
    return [each["result"]["value"] for each in ended]


# --- what comes -----------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_both_addresses_begin_an_execution(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(listener())
    secret = made["webhook_secret"]
    assert urlsplit(made["webhook_url"]).path == f"/webhooks/{secret}"
    for path in (f"/webhooks/{secret}", f"/webhooks/{made['id']}/{secret}"):
        begun = (await site.client("ai_assistant").post(path, BODY)).body
        assert begun.keys() == {"execution_id", "status", "started_at"}
        assert (await who.ended(made, begun["execution_id"]))["trigger"] == "webhook"
    assert await outputs(who, made) == [{"said": "hello"}] * 2


@pytest.mark.parametrize(
    ("body", "media", "template", "said"),
    [
        (b'{"a": {"b": [1, 2.5, null]}}', "application/json", "{{a.b}}", [1, 2.5, None]),
        (b'{"$x": 1, "a": {"b.c": {"$gt": ""}}}', "application/json; charset=utf-8", "{{a}}", {"b.c": {"$gt": ""}}),
        (b"[1, 2]", "application/json", "{{body[1]}}", 2),
        (b'"text"', "application/cloudevents+json", "{{body}}", "text"),
        (urlencode({"name": "Ada L", "é": "ü&="}).encode(), FORM["Content-Type"], "{{name}}", "Ada L"),
        (b"tag=a&tag=b&empty=", FORM["Content-Type"], "{{tag}}", ["a", "b"]),
        (b"", "text/plain", "nothing", "nothing"),
    ],
)
@pytest.mark.gen_test
async def test_json_and_forms_are_what_templates_see(
    site: Site, body: bytes, media: str, template: str, said: Any
) -> None:
    who = await Author.of(site)
    made = await who.make(listener(template))
    await who.posts(made, body, headers={"Content-Type": media})
    assert await outputs(who, made) == [{"said": said}]


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"a": 1, "a": 2}', "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b'{"a": "\\ud800"}', "application/json", 400),
        (b"[" * 40, "application/json", 400),
        (b'{"a": 99999999999999999999}', "application/json", 400),
        (b"<a/>", "application/xml", 400),
        (b"{}", "", 400),
        (b"a=%ff", FORM["Content-Type"], 400),
        (b"a=%00", FORM["Content-Type"], 400),
        (b"&".join(b"a=1" for _ in range(501)), FORM["Content-Type"], 400),
        ("é".encode(), FORM["Content-Type"], 400),
        (b'"' + b"x" * limits.PAYLOAD_BYTES_MAX + b'"', "application/json", 413),
        (b"a=" + b"x" * limits.PAYLOAD_BYTES_MAX, FORM["Content-Type"], 413),
    ],
)
@pytest.mark.gen_test
async def test_what_cannot_be_read_begins_nothing(site: Site, body: bytes, media: str, status: int) -> None:
    who = await Author.of(site)
    made = await who.make(listener())
    await who.posts(made, body, status, headers={"Content-Type": media})
    assert await who.begun(made) == []


# --- by whom --------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_wrong_address_is_one_404_whatever_is_wrong_with_it(site: Site) -> None:
    who, other = await Author.of(site), await Author.of(site)
    made, theirs, gone = await who.make(listener()), await other.make(listener()), await who.make(listener())
    await who.client.request("DELETE", f"{ALL}/{gone['id']}", status=200)
    secret, stranger = made["webhook_secret"], site.client("ai_assistant")
    paths = (
        f"/webhooks/{secret[:-1]}x",
        f"/webhooks/{gone['webhook_secret']}",
        f"/webhooks/{theirs['id']}/{secret}",
        f"/webhooks/{made['id']}/{theirs['webhook_secret']}",
        f"/webhooks/{made['id'] + 99}/{secret}",
        f"/webhooks/{'9' * 16}/{secret}",
    )
    told = {json.dumps((await stranger.post(path, BODY, status=404)).body["error"]) for path in paths}
    assert len(told) == 1
    assert await who.begun(made) == [] and await other.begun(theirs) == []


@pytest.mark.gen_test
async def test_a_signature_that_is_there_must_be_right(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(listener())
    secret, old = made["webhook_secret"], now() - timedelta(minutes=6)
    plain = signatures.plain(BODY, secret)
    wrong = (
        {"X-Webhook-Signature": plain[:-1] + ("0" if plain[-1] != "0" else "1")},
        {"X-Webhook-Signature": plain.removeprefix("sha256=")},
        {"X-Webhook-Signature": ""},
        {"X-Webhook-Signature": signatures.plain(BODY + b" ", secret)},
        {"X-Webhook-Signature": signatures.plain(BODY, "another secret")},
        signed("another secret"),
        signed(secret, BODY + b" "),
        signed(secret, at=old),
        {**signed(secret), "webhook-id": "msg_2"},
        {**signed(secret), "X-Webhook-Signature": "sha256=00"},
        {**signed("another secret"), "X-Webhook-Signature": plain},
        {"webhook-signature": signed(secret)["webhook-signature"]},
    )
    for headers in wrong:
        assert (await who.posts(made, BODY, 401, headers=headers)).code == "AUTHENTICATION_REQUIRED", headers
    assert await who.begun(made) == []
    for headers in ({"X-Webhook-Signature": plain}, signed(secret), {**signed(secret), "X-Webhook-Signature": plain}):
        await who.posts(made, BODY, headers=headers)


@pytest.mark.gen_test
async def test_libraries_of_standard_webhooks_sign_by_the_signing_secret(site: Site) -> None:
    who = await Author.of(site)
    made, moment = await who.make(listener()), datetime.now(UTC)
    signature = Webhook(made["signing_secret"]).sign("msg_1", moment, BODY.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(moment.timestamp())), "webhook-signature": signature}
    await who.posts(made, BODY, headers=headers)
    assert len(await who.begun(made)) == 1


# --- once -----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_a_second_one_of_an_id_is_answered_with_the_first_ones_execution(site: Site) -> None:
    who = await Author.of(site)
    made, other = await who.make(listener()), await who.make(listener())
    same = {"webhook-id": "msg_1"}
    answers = await asyncio.gather(*(who.posts(made, BODY, headers=same) for _ in range(10)))
    (execution,) = {answer.body["execution_id"] for answer in answers}
    ended = await who.ended(made, execution)
    again = (
        await who.posts(
            made, b'{"said": "something else"}', headers=signed(made["webhook_secret"], b'{"said": "something else"}')
        )
    ).body
    assert (again["execution_id"], again["status"]) == (execution, ended["status"])
    assert (await who.posts(other, BODY, headers=same)).body["execution_id"] != execution
    assert (await who.posts(made, BODY, headers={"webhook-id": "msg_2"})).body["execution_id"] != execution
    assert len(await who.begun(made)) == 2
    for wrong in ("", "x" * 257):
        await who.posts(made, BODY, 400, headers={"webhook-id": wrong})


@pytest.fixture
def two_nodes(serve: Callable[..., Site]) -> tuple[Site, Site]:
    return serve(HUB_RATE_LIMITS="off"), serve(HUB_RATE_LIMITS="off")


@pytest.mark.gen_test(timeout=60)
async def test_an_id_that_comes_to_two_nodes_at_once_is_one_execution(two_nodes: tuple[Site, Site]) -> None:
    who = await Author.of(two_nodes[0])
    made = await who.make(listener())
    path = urlsplit(made["webhook_url"]).path
    for number in range(5):
        clients = [each.client("ai_assistant") for each in two_nodes for _ in range(3)]
        told = await asyncio.gather(*(_posted(client, path, f"msg_{number}") for client in clients))
        assert len(set(told)) == 1
    assert len(await who.begun(made)) == 5


async def _posted(client: ApiClient, path: str, webhook_id: str) -> str:
    answer = await client.post(path, BODY, headers={"webhook-id": webhook_id})
    return str(answer.body["execution_id"])


# --- within bounds --------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_one_that_is_switched_off_or_begins_otherwise_begins_nothing(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(listener())
    await who.client.request("PUT", f"{ALL}/{made['id']}", {"enabled": False}, status=200)
    assert "switched off" in (await who.posts(made, BODY, 409)).body["error"]["message"]
    by_hand = await who.make(chain(note()))
    assert "manual" in (await who.posts(by_hand, BODY, 409)).body["error"]["message"]
    assert await who.begun(made) == [] and await who.begun(by_hand) == []


@pytest.mark.gen_test
async def test_a_suspended_owners_begins_nothing(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(listener())
    await site.services.identities.change_user(who.user, {"status": "suspended"})
    assert "owner" in (await who.posts(made, BODY, 409)).body["error"]["message"]
    await site.services.identities.change_user(who.user, {"status": "active"})
    await who.posts(made, BODY)


@pytest.mark.gen_test
async def test_one_of_a_deleted_project_begins_nothing_until_that_is_restored(site: Site) -> None:
    who = await Author.of(site)
    project = (await who.client.post("/api/projects", {"name": "P"}, status=201)).body["id"]
    made = await who.make(listener(), project_id=project)
    await who.client.request("DELETE", f"/api/projects/{project}", status=200)
    assert (await who.posts(made, BODY, 409)).body["error"]["message"] == "Its project is deleted"
    await who.client.post(f"{ALL}/{made['id']}/execute", {}, status=409)
    await who.client.post(f"/api/projects/{project}/restore")
    await who.posts(made, BODY)


@pytest.mark.gen_test
async def test_workflows_that_set_each_other_off_come_to_an_end(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(listener())
    for hops in range(limits.HOPS_MAX + 1):
        await who.posts(made, BODY, headers={"X-Hub-Hops": str(hops)})
    beyond = (await who.posts(made, BODY, headers={"X-Hub-Hops": "4"})).body
    assert (beyond["status"], beyond["reason"]) == ("ignored", "hops") and "set each other off" in beyond["message"]
    assert len(await who.begun(made)) == limits.HOPS_MAX + 1
    await who.client.post(f"{ALL}/{made['id']}/execute", {}, status=409, headers={"X-Hub-Hops": "4"})


@pytest.mark.gen_test
async def test_one_that_is_told_of_an_execution_comes_after_it(site: Site) -> None:
    who, other = await Author.of(site), await Author.of(site)
    made = await who.make(listener("{{execution_id}}"))
    execution = (await who.posts(made, {"execution_id": "exec_0"})).body["execution_id"]
    for _ in range(limits.HOPS_MAX):
        told = {"event": "workflow.executed", "execution_id": execution}
        execution = (await who.posts(made, told)).body["execution_id"]
    last = {"event": "workflow.executed", "execution_id": execution}
    assert (await who.posts(made, last)).body["status"] == "ignored"
    theirs = await other.make(listener("{{execution_id}}"))
    await other.posts(theirs, last)
    for odd in (None, 5, {"$gt": ""}, ["a"], "exec_unknown"):
        await other.posts(theirs, {"event": "workflow.executed", "execution_id": odd})


@pytest.mark.gen_test(timeout=60)
async def test_so_many_in_a_minute_and_no_more(limited_site: Site) -> None:
    who = await Author.of(limited_site)
    made, other = await who.make(listener()), await who.make(listener())
    automation = limited_site.services.automation
    found = await automation.workflows.find(who.user, made["id"])
    for _ in range(limits.TRIGGERED_PER_MINUTE_MAX - 1):
        with pytest.raises(TooManyHops):  # what begins nothing counts too
            await automation.incoming.triggered(found, {"said": "x"}, None, limits.HOPS_MAX + 1)
    await who.posts(made, BODY)
    full = await who.posts(made, BODY, 429)
    assert full.code == "RATE_LIMIT_EXCEEDED" and 0 < int(full.headers["Retry-After"]) <= 60
    await who.posts(other, BODY)


@pytest.mark.gen_test
async def test_addresses_are_in_no_log(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    who = await Author.of(site)
    made = await who.make(listener())
    secret = made["webhook_secret"]
    await who.posts(made, BODY)
    await site.client("ai_assistant").post(f"/webhooks/{made['id']}/{secret}", b"{", status=400)
    await site.client("ai_assistant").raw("POST", f"/webhooks/{made['id']}/{secret}/more", BODY)
    logged = capfd.readouterr()
    assert "/webhooks/***" in logged.err and f"/webhooks/{made['id']}/***" in logged.err
    assert secret not in logged.err + logged.out


@pytest.mark.gen_test(timeout=60)
async def test_who_tries_addresses_is_held_to_a_bound(limited_site: Site) -> None:
    who, stranger = await Author.of(limited_site), limited_site.client("ai_assistant")
    made = await who.make(listener())
    for _ in range(limits.WEBHOOK_MISSES_PER_ADDRESS):
        await stranger.post("/webhooks/wf_of_nobody_at_all", BODY, status=404)
    assert int((await stranger.post("/webhooks/wf_of_nobody_at_all", BODY, status=429)).headers["Retry-After"]) > 0
    await who.posts(made, BODY)
