"""Each type of node, from a definition to what it comes to: by real servers on loopback, over HTTP, through the engine."""

import re
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest
from aiohttp import web

from hub.integrations.google_consent import CALLBACK
from models.clock import now
from tests.integration.workflows.owner import (
    ALL,
    Owner,
    ai_call,
    at_rest,
    http_request,
    kept,
    manual,
    outputs,
    send_email,
    statuses,
    transform,
)
from tests.patience import until
from tests.site import Site
from tests.stand_ins.google_cloud import GoogleCloud
from tests.stand_ins.smtp_server import Inbox
from tests.stand_ins.telegram_bot_api import TOKEN, TelegramBotApi
from tests.stand_ins.webhook_receiver import WebhookReceiver, answers

Json = dict[str, Any]
OURS = "must be a public address"


def letters_to(inbox: Inbox, to: str) -> list[EmailMessage]:
    return [letter for letter in inbox.letters if letter["To"] == to]


@pytest.mark.gen_test(timeout=60)
async def test_an_answer_is_charged_as_the_execution_says(site: Site) -> None:
    owner = await Owner.at(site)
    before = await owner.balance()
    ended = await owner.executed(manual("t>a a>b", a=ai_call(), b=transform(said="{{a.output}}")))
    used = ended["result"]["credits_used"]
    assert ended["status"] == "completed" and used > 0
    assert ended["result"]["value"] == {"said": outputs(ended)["a"]}
    assert await owner.balance() == pytest.approx(before - used)


@pytest.mark.gen_test(timeout=60)
async def test_what_is_asked_in_a_project_counts_for_it(site: Site) -> None:
    owner = await Owner.at(site)
    project = (await owner.client.post("/api/projects", {"name": "Works"}, status=201)).body
    ended = await owner.executed(manual("t>a", a=ai_call()), {"project_id": project["id"]})
    found = (await owner.client.get(f"/api/projects/{project['id']}")).body
    assert found["stats"]["credits_used"] == ended["result"]["credits_used"] > 0


# --- http_request -------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_a_request_is_sent_and_its_answer_kept(calling_site: Site, receiver: WebhookReceiver) -> None:
    async def told(request: web.Request) -> web.StreamResponse:
        return web.json_response({"made": [1, 2]}, status=201, headers={"X-Made": "yes"})

    receiver.behave("a", told)
    owner = await Owner.at(calling_site)
    sent = http_request(receiver.url("a"), headers={"X-Mine": "{{who}}", "x-hub-hops": "0"}, body={"hello": "{{who}}"})
    ended = await owner.executed(manual("t>a", a=sent), data={"who": "Ada"})
    answer = ended["result"]["value"]
    assert (answer["status"], answer["body"], answer["headers"]["x-made"]) == (201, {"made": [1, 2]}, "yes")
    (got,) = receiver.got["a"]
    assert got.body == b'{"hello":"Ada"}' and got.headers["x-mine"] == "Ada"
    assert got.headers["idempotency-key"] == f"{ended['id']}/a" and got.headers["x-hub-hops"] == "1"


@pytest.mark.gen_test(timeout=60)
async def test_a_value_within_an_address_leads_nowhere_else(calling_site: Site, receiver: WebhookReceiver) -> None:
    owner = await Owner.at(calling_site)
    asked = http_request(receiver.url("user-{{id}}?key=1"))
    ended = await owner.executed(manual("t>a", a=asked), data={"id": "../admin?x=1 y"})
    assert ended["status"] == "completed" and list(receiver.got) == ["user-../admin?x=1 y"]


@pytest.mark.gen_test(timeout=60)
async def test_what_may_succeed_later_is_tried_again_under_the_same_key(
    calling_site: Site, receiver: WebhookReceiver
) -> None:
    owner = await Owner.at(calling_site)
    receiver.behave("a", answers(503))
    retry = {"retry": {"attempts": 3, "backoff_seconds": 0.2}}
    workflow = await owner.make(manual("t>a", a={**http_request(receiver.url("a")), **retry}))
    execution = await owner.begin(workflow)
    await until(lambda: receiver.got["a"])
    receiver.behave("a", answers(200))
    ended = await owner.ended(workflow, execution)
    assert ended["status"] == "completed" and ended["steps"][0]["attempt"] == 2
    assert len({got.headers["idempotency-key"] for got in receiver.got["a"]}) == 1
    warned = [line["message"] for line in ended["logs"] if line["level"] == "warning"]
    assert warned == ["a failed, and is tried again: It answered 503: status 503"]


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize(("status", "times"), [(404, 1), (500, 2), (429, 2)])
async def test_what_stays_refused_fails_in_the_end(
    calling_site: Site, receiver: WebhookReceiver, status: int, times: int
) -> None:
    owner = await Owner.at(calling_site)
    receiver.behave("a", answers(status))
    retry = {"retry": {"attempts": 2, "backoff_seconds": 0}}
    ended = await owner.executed(manual("t>a", a={**http_request(receiver.url("a")), **retry}))
    assert ended["status"] == "failed" and len(receiver.got["a"]) == times
    assert ended["result"]["error"]["node"] == "a" and str(status) in ended["result"]["error"]["message"]


@pytest.fixture
def two_hosts_site(serve: Callable[..., Site], calling: dict[str, str], receiver: WebhookReceiver) -> Site:
    """To which the receiver is two hosts."""
    both = f"127.0.0.1:{receiver.port},localhost:{receiver.port}"
    return serve(**calling | {"HUB_OUTBOUND_READ": both})


@pytest.mark.gen_test(timeout=60)
async def test_redirects_are_followed_and_carry_nothing_to_another_host(
    two_hosts_site: Site, receiver: WebhookReceiver
) -> None:
    owner = await Owner.at(two_hosts_site)
    receiver.behave("a", answers(302, Location="/b"))
    receiver.behave("b", answers(307, Location=f"http://localhost:{receiver.port}/c"))
    receiver.behave("c", answers(301, Location="d"))
    mine = {"Authorization": "Bearer mine", "X-Mine": "yes"}
    ended = await owner.executed(manual("t>a", a=http_request(receiver.url("a"), "GET", headers=mine, body="mine")))
    assert ended["result"]["value"]["status"] == 200 and ended["result"]["value"]["body"] == "thank you"
    assert {"authorization", "x-mine", "idempotency-key"} <= receiver.got["b"][0].headers.keys()
    for path in "cd":
        (got,) = receiver.got[path]
        assert not {"authorization", "x-mine", "idempotency-key"} & got.headers.keys() and got.body == b""
        assert got.headers["x-hub-hops"] == "1"


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize(
    ("method", "location", "reason", "times"),
    [
        ("GET", "/a", "http_status", 4),
        ("GET", "", "http_status", 1),
        ("GET", "http://[", "http_status", 1),
        ("GET", "http://169.254.169.254/latest", "invalid", 1),
        ("POST", "/b", "http_status", 1),
    ],
)
async def test_a_redirect_that_is_not_followed_is_a_failure(
    calling_site: Site, receiver: WebhookReceiver, method: str, location: str, reason: str, times: int
) -> None:
    receiver.behave("a", answers(301, Location=location))
    owner = await Owner.at(calling_site)
    ended = await owner.executed(manual("t>a", a=http_request(receiver.url("a"), method)))
    assert ended["status"] == "failed" and ended["result"]["error"]["reason"] == reason
    assert len(receiver.got["a"]) == times and receiver.got["b"] == []


@pytest.mark.gen_test(timeout=60)
async def test_a_header_that_is_no_utf_8_is_shown_as_far_as_it_can_be(
    calling_site: Site, receiver: WebhookReceiver
) -> None:
    async def told(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(
            b"HTTP/1.1 200 OK\r\nX-Drink: caf\xe9\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        request.transport.close()
        return web.Response()

    receiver.behave("a", told)
    owner = await Owner.at(calling_site)
    ended = await owner.executed(manual("t>a", a=http_request(receiver.url("a"))))
    assert ended["status"] == "completed" and ended["result"]["value"]["headers"]["x-drink"] == "caf\ufffd"


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9/", "must have the port 80 (http) or 443 (https)"),
        ("http://localhost/", OURS),
        ("http://169.254.169.254/latest", OURS),
        ("ftp://a.b/", "must be an absolute http or https address without a fragment"),
    ],
)
async def test_no_address_of_ours_is_asked(site: Site, url: str, said: str) -> None:
    owner = await Owner.at(site)
    error = (await owner.executed(manual("t>a", a=http_request("{{url}}")), data={"url": url}))["result"]["error"]
    assert error["reason"] == "invalid" and error["message"].endswith(said)


@pytest.mark.gen_test(timeout=60)
async def test_an_edge_leads_on_from_a_failure(calling_site: Site, receiver: WebhookReceiver) -> None:
    owner = await Owner.at(calling_site)
    receiver.behave("a", answers(410))
    told = transform(why="{{a.error.message}}")
    ended = await owner.executed(manual("t>a a>b:error a>c", a=http_request(receiver.url("a")), b=told))
    assert ended["status"] == "completed" and statuses(ended) == {"a": "failed", "b": "completed", "c": "skipped"}
    assert ended["result"]["value"]["why"].startswith("It answered 410")


# --- what asks nobody ---------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize(("amount", "taken"), [(7, "big"), (3, "small")])
async def test_a_condition_decides_which_way_it_goes(site: Site, amount: int, taken: str) -> None:
    owner = await Owner.at(site)
    ask = {"type": "condition", "config": {"left": "{{amount}}", "operator": "greater_than", "right": 5}}
    ways = {name: transform(way=name) for name in ("big", "small")}
    ended = await owner.executed(manual("t>a a>big:true a>small:false", a=ask, **ways), data={"amount": amount})
    assert ended["result"]["value"] == {"way": taken}
    assert sorted(statuses(ended).values()) == ["completed", "completed", "skipped"]


@pytest.mark.gen_test(timeout=60)
async def test_a_delay_passes_before_what_comes_after_it(site: Site) -> None:
    owner = await Owner.at(site)
    delay = {"type": "delay", "config": {"seconds": 0.2}}
    began = now()
    ended = await owner.executed(manual("t>a a>b", a=delay))
    assert ended["status"] == "completed" and (now() - began).total_seconds() >= 0.2
    (told,) = [line["message"] for line in ended["logs"] if "waits" in line["message"]]
    assert re.fullmatch(r"a waits until [-0-9]{10}T[:0-9]{8}\.[0-9]{3}Z", told)


@pytest.mark.gen_test(timeout=60)
async def test_a_delay_that_is_too_long_is_refused(site: Site) -> None:
    owner = await Owner.at(site)
    late = {"type": "delay", "config": {"until": "9999-12-31T00:00:00Z"}}
    ended = await owner.executed(manual("t>a", a=late))
    assert ended["status"] == "failed"
    assert "config.until: must be at most 30 days" in ended["result"]["error"]["message"]


@pytest.mark.gen_test(timeout=60)
async def test_each_item_is_done_for(calling_site: Site, receiver: WebhookReceiver) -> None:
    owner = await Owner.at(calling_site)
    inner = [
        {"id": "said", **transform(name="{{item.name}}", at="{{index}}")},
        {"id": "sent", **http_request(receiver.url("a"), body="{{said.output.name}}")},
    ]
    each = {"type": "for_each", "config": {"items": "{{rows}}", "do": inner}}
    rows = [{"name": "Ada"}, {"name": "Bob"}, {"name": "Cy"}]
    ended = await owner.executed(
        manual("t>a a>b", a=each, b=transform(count="{{a.output[2].status}}")), data={"rows": rows}
    )
    assert ended["result"]["value"] == {"count": 200}
    assert sorted(got.body for got in receiver.got["a"]) == [b"Ada", b"Bob", b"Cy"]
    assert len({got.headers["idempotency-key"] for got in receiver.got["a"]}) == 3


# --- other companies ----------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_a_message_goes_by_the_owners_bot(telegram_site: Site, telegram: TelegramBotApi) -> None:
    owner = await Owner.at(telegram_site)
    bot = {"integration_type": "telegram", "bot_token": TOKEN, "chat_id": "123456789"}
    await owner.client.post("/api/integrations/connect", bot)
    say = {"type": "telegram_message", "config": {"text": "Hello {{who}}"}}
    ended = await owner.executed(manual("t>a", a=say), data={"who": "Ada"})
    assert ended["status"] == "completed" and ended["result"]["value"]["chat_id"] == "123456789"
    assert [sent["text"] for sent in telegram.sent] == ["Hello Ada"]


@pytest.fixture
def both_site(serve: Callable[..., Site], calling: dict[str, str], telegram: TelegramBotApi) -> Site:
    return serve(**calling | telegram.settings)


@pytest.mark.gen_test(timeout=60)
async def test_who_asks_to_be_left_alone_is_not_asked_sooner(
    both_site: Site, telegram: TelegramBotApi, receiver: WebhookReceiver
) -> None:
    owner = await Owner.at(both_site)
    await owner.client.post("/api/integrations/connect", {"integration_type": "telegram", "bot_token": TOKEN})
    telegram.faults["sendMessage"] = [429]
    receiver.behave("b", answers(503, **{"Retry-After": "40"}))
    retry = {"retry": {"attempts": 2, "backoff_seconds": 0}}
    say = {"type": "telegram_message", "config": {"text": "Hello", "chat_id": "123456789"}, **retry}
    drawn = manual("t>a t>b", a=say, b={**http_request(receiver.url("b")), **retry})
    began = now()
    execution = await owner.begin(await owner.make(drawn))
    await at_rest(both_site, execution)
    steps = (await kept(both_site, execution))["steps"]
    pauses = {name: (steps[name]["due_at"] - began).total_seconds() for name in "ab"}
    assert pauses == {"a": pytest.approx(7, abs=5), "b": pytest.approx(40, abs=5)}
    assert telegram.sent == [] and len(receiver.got["b"]) == 1


@pytest.mark.gen_test(timeout=60)
async def test_rows_are_added_to_the_owners_sheet_as_they_are(google_site: Site, google: GoogleCloud) -> None:
    owner = await Owner.at(google_site)
    code = {"integration_type": "google", "oauth_code": google.code(f"http://localhost:3001{CALLBACK}")}
    await owner.client.post("/api/integrations/connect", code)
    google.sheets["book"] = {"Log": [["name", "said"]]}
    where = {"spreadsheet_id": "book", "range": "Log!A1"}
    add = {"type": "google_sheets_append", "config": {**where, "values": ["{{who}}", "=1+1"]}}
    ended = await owner.executed(manual("t>a", a=add), data={"who": "Ada"})
    assert ended["result"]["value"] == {"range": "Log!A2:A2", "rows": 1}
    assert google.sheets["book"]["Log"][1] == ["Ada", "=1+1"]
    for status, reason in ((429, "unavailable"), (500, "outcome_unknown")):
        google.faults["append"] = [status]
        ended = await owner.executed(manual("t>a", a=add), data={"who": "Ada"})
        assert ended["result"]["error"]["reason"] == reason


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("kind", ["telegram_message", "google_sheets_append"])
async def test_who_has_connected_nothing_is_told_how(site: Site, kind: str) -> None:
    owner = await Owner.at(site)
    configs: Json = {
        "telegram_message": {"text": "Hello"},
        "google_sheets_append": {"spreadsheet_id": "book", "range": "A1", "values": ["a"]},
    }
    ended = await owner.executed(manual("t>a", a={"type": kind, "config": configs[kind]}))
    assert ended["status"] == "failed" and "connect" in ended["result"]["error"]["message"]


# --- somebody is asked --------------------------------------------------------------------------------------------

ASK = {"type": "approval", "config": {"message": "Pay {{amount}}?", "to": "boss@example.com"}}


@pytest.mark.gen_test(timeout=60)
async def test_who_is_asked_is_written_to(calling_site: Site, inbox: Inbox) -> None:
    owner = await Owner.at(calling_site)
    workflow = await owner.make(manual("t>a", a=ASK))
    execution = await owner.begin(workflow, data={"amount": 5})
    await until(lambda: letters_to(inbox, "boss@example.com"))
    text = letters_to(inbox, "boss@example.com")[0].get_content()
    assert "Pay 5?" in text and f"{ALL}/{workflow['id']}/executions/{execution}/approvals/a" in text


@pytest.mark.gen_test(timeout=60)
async def test_an_approval_that_nobody_gives_is_a_refusal(site: Site) -> None:
    owner = await Owner.at(site)
    ask = {"type": "approval", "config": {"message": "Well?", "timeout_seconds": 1}}
    ended = await owner.executed(manual("t>a", a=ask))
    assert ended["status"] == "failed" and ended["result"]["error"]["reason"] == "expired"


# --- test mode ----------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_in_test_mode_nothing_leaves_and_nothing_is_charged(
    calling_site: Site, receiver: WebhookReceiver, inbox: Inbox
) -> None:
    owner = await Owner.at(calling_site)
    before = await owner.balance()
    nodes = {
        "a": ai_call("Say {{word}}"),
        "b": send_email("bob@example.com", body="{{a.output}}"),
        "c": http_request(receiver.url("a"), body={"said": "{{a.output}}"}),
        "d": {"type": "delay", "config": {"seconds": 3_600}},
        "e": ASK,
        "f": {"type": "telegram_message", "config": {"text": "{{word}}"}},
        "g": {"type": "google_sheets_append", "config": {"spreadsheet_id": "b", "range": "A1", "values": ["{{word}}"]}},
    }
    data = {"word": "hello", "amount": 5}
    ended = await owner.executed(manual("t>a a>b b>c c>d d>e e>f f>g", **nodes), test_mode=True, data=data)
    assert ended["status"] == "completed" and ended["result"]["credits_used"] == 0
    assert outputs(ended)["c"]["url"] == receiver.url("a") and outputs(ended)["b"]["test"] is True
    assert not receiver.got["a"] and not letters_to(inbox, "bob@example.com")
    assert not await calling_site.services.database["workflow_letters"].count({})
    assert await owner.balance() == before
