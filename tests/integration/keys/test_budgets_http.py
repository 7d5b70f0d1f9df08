"""Budgets of API keys over HTTP: a limit is one limit, whatever comes at once, on one node or two, streamed or not."""

import asyncio
import json
from collections import Counter
from typing import Any, Final

import pytest

from config import limits
from hub.prices import charge_micro
from hub.realtime import close_codes
from hub.tokens import count_messages, count_text
from models import wallets
from tests.anthropic_events import events_of
from tests.factories import grant
from tests.http_streams import Face, ask
from tests.integration.keys.parts import KEYS, MESSAGES, Key, Owner, complete, complete_at_once, owner_of, read
from tests.ledger_parts import differences
from tests.patience import until, within
from tests.site import Site
from tests.ws_client import Client

CALLERS, TOKENS = 64, 40
ONE_CREDIT = 1_000_000
REVOKED_SECONDS = 1.0  # within which a revoked key has ended everywhere
LONG_TEXT = "word " * 1_000


async def spent_by(owner: Owner, key: Key) -> int:
    return -sum(entry["amount"] for entry in await owner.entries(key))


async def assert_kept(owner: Owner, key: Key, limit: int) -> None:
    """Nothing is held any more, and what was spent is something, the entries' sum, and within the limit."""
    await until(lambda: not len(owner.site.services.streams))
    assert await wallets.holds_open(owner.site.services.database) == 0
    counters, spent = await owner.counters(key), await spent_by(owner, key)
    assert counters is not None
    assert (counters["held"], counters["spent"]["amount"]) == (0, spent)
    assert 0 < spent <= limit
    assert (await owner.site.services.ledger.wallet(owner.user)).credits == 10 * ONE_CREDIT - spent
    assert await differences(owner.site.services.database) == []


def assert_the_budget_was_met(answers: list[tuple[int, Any]]) -> None:
    """Some were answered; others were cut short or refused by the budget, for the wallet has ten times as much."""
    statuses = Counter(status for status, _ in answers)
    assert statuses[200] > 0 and set(statuses) <= {200, 402}, statuses
    refused = [body["error"] for status, body in answers if status == 402]
    assert all(error["code"] == "INSUFFICIENT_FUNDS" for error in refused)
    assert all("budget of this API key" in error["message"] for error in refused)
    ends = [body[-2] if isinstance(body, list) else body for status, body in answers if status == 200]
    assert len(refused) + sum(end["hub"]["detail"] == "insufficient_credits" for end in ends) > 0


@pytest.mark.gen_test
@pytest.mark.parametrize("stream", [False, True])
async def test_a_budget_of_one_credit_is_never_exceeded(
    dear_sites: list[Site], stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 answers would cost more than one and a half."""
    monkeypatch.setattr(limits, "STREAMS_PER_USER_MAX", CALLERS)
    site = dear_sites[0]
    owner = await owner_of(site)
    key = await owner.key(creditLimit=1)
    assert_the_budget_was_met(await complete_at_once([site], key, CALLERS, stream=stream, max_tokens=TOKENS))
    await assert_kept(owner, key, ONE_CREDIT)
    for _ in range(CALLERS):  # one after the other, until it is used up to the last token
        if (await complete(site, key, max_tokens=TOKENS)).status == 402:
            break
    await assert_kept(owner, key, ONE_CREDIT)
    model = site.services.catalogue["gpt-4"]
    prompt = count_messages(model.vocabulary, MESSAGES)
    assert ONE_CREDIT - await spent_by(owner, key) < charge_micro(model, prompt, 1)
    assert (await complete(site, key, max_tokens=1)).status == 402


# What many ask for at once, and a budget in micro-credits that pays for a part of it.
_MESSAGE: Final = {"model": "gpt-4", "max_tokens": TOKENS, "messages": MESSAGES}
_VECTORS: Final = {"model": "text-embedding-3-large", "input": LONG_TEXT}
OTHER_PATHS: Final = {
    "message": ("/v1/messages", _MESSAGE, ONE_CREDIT),
    "streamed message": ("/v1/messages", {**_MESSAGE, "stream": True}, ONE_CREDIT),
    "vectors": ("/v1/embeddings", _VECTORS, 2_000),
}


def least_price(site: Site, body: dict[str, Any]) -> int:
    """Of a whole prompt with one token of answer, or of all vectors."""
    model = site.services.catalogue[body["model"]]
    if "input" in body:
        return charge_micro(model, count_text(model.vocabulary, body["input"]), 0)
    return charge_micro(model, count_messages(model.vocabulary, MESSAGES), 1)


@pytest.mark.gen_test
@pytest.mark.parametrize(("path", "body", "limit"), OTHER_PATHS.values(), ids=OTHER_PATHS.keys())
async def test_the_budget_is_the_same_limit_on_other_paths(
    dear_sites: list[Site], path: str, body: dict[str, Any], limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAMS_PER_USER_MAX", CALLERS)
    monkeypatch.setattr(limits, "EMBEDDINGS_PER_USER_MAX", CALLERS)
    site = dear_sites[0]
    owner = await owner_of(site)
    key = await owner.key(creditLimit=limit / ONE_CREDIT)

    async def asked() -> int:
        """The status; a refusal says that it is the budget's."""
        answer = await ask(site.port, "POST", path, token=key.secret, body=body)
        text = await answer.text()
        if answer.status == 402:
            assert "budget of this API key" in json.loads(text)["error"]["message"]
        elif body.get("stream"):
            assert "error" not in {event["type"] for event in events_of(text.encode())}
        return answer.status

    statuses = Counter(await asyncio.gather(*(asked() for _ in range(CALLERS))))
    assert statuses[200] > 0 and set(statuses) <= {200, 402}, statuses
    await assert_kept(owner, key, limit)
    for _ in range(CALLERS):  # one after the other, until it is used up
        if await asked() == 402:
            break
    await assert_kept(owner, key, limit)
    assert limit - await spent_by(owner, key) < least_price(site, body)
    assert await asked() == 402


@pytest.mark.gen_test
@pytest.mark.parametrize("stream", [False, True])
async def test_two_nodes_share_one_budget(
    dear_sites: list[Site], stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAMS_PER_USER_MAX", CALLERS)
    owner = await owner_of(dear_sites[0])
    key = await owner.key(creditLimit=1, creditLimitPeriod="month")
    assert_the_budget_was_met(await complete_at_once(dear_sites, key, CALLERS, stream=stream, max_tokens=TOKENS))
    await until(lambda: not len(dear_sites[1].services.streams))
    await assert_kept(owner, key, ONE_CREDIT)


@pytest.mark.gen_test
async def test_a_budget_that_ends_in_mid_stream_ends_the_answer(site: Site) -> None:
    owner = await owner_of(site)
    key = await owner.key(creditLimit=0.02)
    events = await read(await complete(site, key, stream=True, max_tokens=400))
    last = events[-2]
    assert last["choices"][0]["finish_reason"] == "length"
    assert last["hub"]["detail"] == "insufficient_credits"
    assert last["hub"]["receipt"]["charged"] == 0.02, "the delta that crosses the limit is charged what is left"
    await assert_kept(owner, key, 20_000)
    assert (await owner.shown(key))["spent"] == {"period": "total", "of": "total", "credits": 0.02, "held": 0}
    refused = await read(await complete(site, key, stream=True))
    assert "The budget of this API key, 0.02 credits in all," in refused["error"]["message"]


@pytest.mark.gen_test
async def test_an_unstreamed_answer_is_as_long_as_the_budget_pays_for(site: Site) -> None:
    owner = await owner_of(site)
    key = await owner.key(creditLimit=0.02)
    answer = await read(await complete(site, key, max_tokens=400))
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["hub"]["detail"] == "insufficient_credits"
    assert 0 < answer["usage"]["completion_tokens"] < 400
    await assert_kept(owner, key, 20_000)


@pytest.mark.gen_test
async def test_a_limit_may_be_raised_and_another_period_begins_at_zero(site: Site) -> None:
    owner = await owner_of(site)
    key = await owner.key(creditLimit=0.02, creditLimitPeriod="week")
    await read(await complete(site, key, max_tokens=400))
    assert (await complete(site, key, max_tokens=400)).status == 402
    before = (await owner.shown(key))["spent"]
    changed = (await owner.change(key, creditLimit=5)).data
    assert (changed["creditLimit"], changed["creditLimitPeriod"], changed["spent"]) == (5, "week", before)
    assert before["period"] == "week" and before["credits"] > 0.01
    assert (await complete(site, key, max_tokens=5)).status == 200
    assert (await owner.change(key, creditLimitPeriod="month")).data["spent"]["credits"] == 0
    free = (await owner.change(key, creditLimit=None)).data
    assert (free["creditLimit"], free["creditLimitPeriod"], free["spent"]) == (None, None, None)
    assert (await complete(site, key, max_tokens=5)).status == 200


@pytest.mark.gen_test
async def test_other_keys_and_the_owner_are_not_held_to_it(site: Site) -> None:
    owner = await owner_of(site)
    used_up, other = await owner.key(creditLimit=0.000001), await owner.key()
    assert (await complete(site, used_up)).status == 402
    assert (await complete(site, other, max_tokens=5)).status == 200
    owners = Key("", owner.token, {})
    assert (await complete(site, owners, max_tokens=5)).status == 200


@pytest.mark.gen_test
async def test_no_credits_leave_the_wallet_beside_the_budget(site: Site) -> None:
    owner = await owner_of(site)
    limited, free = await owner.key(creditLimit=1), await owner.key()
    path, body = "/api/v1/points/exchange-from-credits", {"creditAmount": 2}
    refused = await owner.by(limited, "smart_ai_hub").post(path, body, status=403)
    assert refused.code == "AUTHORIZATION_FAILED" and "credit limit" in refused.body["error"]["message"]
    assert (await site.services.ledger.wallet(owner.user)).credits == 10 * ONE_CREDIT
    await owner.by(free, "smart_ai_hub").post(path, body)


@pytest.mark.gen_test
async def test_a_key_revoked_in_mid_stream_ends_its_answer_and_settles_it(slow_site: Site) -> None:
    owner = await owner_of(slow_site)
    key = await owner.key(creditLimit=5)
    socket = await Client.open(slow_site.port, headers={"Authorization": f"Bearer {key.secret}"})
    await socket.request("connect")
    answer = await complete(slow_site, key, stream=True, max_tokens=400)
    while not (event := await answer.event()) or not event.content:
        assert event is not None, "it ended before it began"
    counters = await owner.counters(key)
    assert counters is not None and counters["held"] > 0
    async with within(REVOKED_SECONDS):
        await owner.revoke(key)
        events = await answer.events()
        assert await socket.close_code() == close_codes.CREDENTIAL_REVOKED
    assert events[-2].data["error"]["code"] == "UNAUTHORIZED" and events[-1].data == "[DONE]"
    await until(lambda: not len(slow_site.services.streams))
    assert await wallets.holds_open(slow_site.services.database) == 0
    assert await owner.counters(key) is None
    (entry,) = await owner.entries(key)
    assert -20_000 < entry["amount"] < 0, "what had come is paid, and no more"
    assert await differences(slow_site.services.database) == []
    assert (await complete(slow_site, key)).status == 401
    await owner.client.get(f"{KEYS}/{key.id}", status=404)


@pytest.mark.gen_test
@pytest.mark.parametrize("limit", ["wallet", "budget"])
async def test_who_cannot_pay_has_no_company_asked(face: Face, limit: str) -> None:
    """A call that has begun when its hold is refused is one that nobody pays for."""
    login, new = face.token, {"name": "A key", "creditLimit": 5}
    made = await (await ask(face.port, "POST", KEYS, token=login, body=new)).json()
    face.token = made["data"]["key"]
    model = face.services.catalogue["gpt-4"]
    price = charge_micro(model, count_messages(model.vocabulary, MESSAGES), 1)
    if limit == "wallet":
        await grant(face.services.ledger, face.user.user_id, price - 1 - 10 * ONE_CREDIT)
    else:
        left = {"creditLimit": (price - 1) / ONE_CREDIT}
        assert (await ask(face.port, "PUT", f"{KEYS}/{made['data']['id']}", token=login, body=left)).status == 200
    for _ in range(3):
        refused = await face.complete(stream=True)
        assert refused.status == 402
    assert face.provider.requests == []


@pytest.mark.gen_test
async def test_a_file_that_cannot_be_paid_is_not_shown_to_a_company(face: Face) -> None:
    """A page takes 0.09 credits; what the company then counts is what is charged."""
    login, new = face.token, {"name": "A key", "creditLimit": 0.08}
    made = await (await ask(face.port, "POST", KEYS, token=login, body=new)).json()
    face.token = made["data"]["key"]
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}}
    fields: dict[str, Any] = {"messages": [{"role": "user", "content": [file]}]}
    assert (await face.complete(**fields)).status == 402
    assert face.provider.requests == []
    path, more = f"{KEYS}/{made['data']['id']}", {"creditLimit": 1}
    assert (await ask(face.port, "PUT", path, token=login, body=more)).status == 200
    assert (await face.complete(**fields)).status == 200
    assert await face.charged() == 9 * 30 + 8 * 60
