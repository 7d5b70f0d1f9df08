"""API keys over HTTP: made, shown once, listed, changed, revoked; what they may do, and what they may not."""

import asyncio
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from config import limits
from hub.api_keys import ApiKeys, NewKey
from hub.identity_cache import IdentityCache
from hub.key_uses import KeyUses
from hub.realtime.broker import REVOCATIONS, Publication
from hub.revocations import Revocations
from models import api_keys
from models.clock import now, timestamp
from models.database import Database
from tests.api_client import ApiClient
from tests.factories import make_wallet
from tests.integration.keys.parts import COMPLETIONS, KEYS, MESSAGES, Key, Owner, owner_of
from tests.ledger_parts import running
from tests.patience import until, within
from tests.site import PASSWORD, Site
from tests.ws_client import Client

REVOKED_SECONDS = 1.0
MODELS = "/v1/models"


# --- made and shown ---------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_key_is_shown_once_and_kept_as_a_digest(site: Site) -> None:
    owner = await owner_of(site)
    made = await owner.key(name="Mine", expiresAt="2099-12-31T23:59:59Z")
    assert re.fullmatch(r"ak_live_[A-Za-z0-9_-]{43}", made.secret)
    shown = {name: value for name, value in made.shown.items() if name != "key"}
    assert (shown["name"], shown["expiresAt"], shown["prefix"]) == (
        "Mine",
        "2099-12-31T23:59:59.000Z",
        made.secret[:12],
    )
    assert (await owner.shown(made)) == shown
    (listed,) = (await owner.client.get(KEYS)).body["apiKeys"]
    assert listed == shown
    documents = [document async for document in site.services.database[api_keys.API_KEYS].scan({})]
    assert len(documents) == 1 and made.secret not in repr(documents)
    for part in (shown["prefix"], documents[0]["digest"], made.id):
        await site.client("ai_aggregator", token=part).get(MODELS, status=401)


@pytest.mark.gen_test
async def test_what_is_not_asked_for_is_not_limited(site: Site) -> None:
    shown = (await (await owner_of(site)).key()).shown
    bounds = (
        "permissions",
        "creditLimit",
        "creditLimitPeriod",
        "allowedModels",
        "requestsPerMinute",
        "tokensPerMinute",
    )
    assert {name: shown[name] for name in (*bounds, "spent", "expiresAt", "lastUsedAt")} == dict.fromkeys(
        (*bounds, "spent", "expiresAt", "lastUsedAt")
    )
    assert shown["usageCount"] == 0


@pytest.mark.gen_test
async def test_lists_are_paged_newest_first_and_ones_own(site: Site) -> None:
    owner, other = await owner_of(site), await owner_of(site)
    for name in ("one", "two", "three"):
        await owner.key(name=name)
    await other.key(name="others")
    first = (await owner.client.get(f"{KEYS}?limit=2")).body
    rest = (await owner.client.get(f"{KEYS}?limit=2&offset=2")).body
    assert [key["name"] for key in first["apiKeys"] + rest["apiKeys"]] == ["three", "two", "one"]
    assert first["pagination"] == {"total": 3, "limit": 2, "offset": 0, "hasMore": True}
    assert rest["pagination"]["hasMore"] is False


@pytest.mark.gen_test
async def test_what_is_changed_is_what_was_named(site: Site) -> None:
    owner = await owner_of(site)
    key = await owner.key(name="Old", allowedModels=["gpt-4", "gpt-4"], tokensPerMinute=5, creditLimit=2)
    assert (key.shown["allowedModels"], key.shown["creditLimitPeriod"]) == (["gpt-4"], "total")
    changed = (await owner.change(key, name="New", tokensPerMinute=None, requestsPerMinute=7)).data
    assert (changed["name"], changed["tokensPerMinute"], changed["requestsPerMinute"]) == ("New", None, 7)
    assert (changed["allowedModels"], changed["creditLimit"]) == (["gpt-4"], 2)
    assert await owner.shown(key) == changed
    assert (await owner.change(key, allowedModels=None)).data["allowedModels"] is None


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("name", {}),
        ("name", {"name": ""}),
        ("name", {"name": " "}),
        ("name", {"name": "two\nlines"}),
        ("name", {"name": "x" * 101}),
        ("expiresAt", {"name": "x", "expiresAt": "2020-01-01T00:00:00Z"}),
        ("expiresAt", {"name": "x", "expiresAt": "soon"}),
        ("permissions", {"name": "x", "permissions": []}),
        ("permissions", {"name": "x", "permissions": ["ai:rite"]}),
        ("creditLimit", {"name": "x", "creditLimit": 0}),
        ("creditLimit", {"name": "x", "creditLimit": -1}),
        ("creditLimit", {"name": "x", "creditLimit": "1"}),
        ("creditLimit", {"name": "x", "creditLimit": True}),
        ("creditLimit", {"name": "x", "creditLimit": 0.0000001}),
        ("creditLimitPeriod", {"name": "x", "creditLimit": 1, "creditLimitPeriod": "hour"}),
        ("creditLimitPeriod", {"name": "x", "creditLimitPeriod": "day"}),
        ("creditLimitPeriod", {"name": "x", "creditLimit": None, "creditLimitPeriod": "day"}),
        ("allowedModels", {"name": "x", "allowedModels": ["gpt-99"]}),
        ("allowedModels", {"name": "x", "allowedModels": []}),
        ("requestsPerMinute", {"name": "x", "requestsPerMinute": 0}),
        ("tokensPerMinute", {"name": "x", "tokensPerMinute": 1.5}),
        ("role", {"name": "x", "role": "admin"}),
    ],
)
async def test_a_wrong_field_is_named(site: Site, field: str, body: dict[str, Any]) -> None:
    owner = await owner_of(site)
    error = (await owner.client.post(KEYS, body, status=400)).body["error"]
    assert (error["code"], error["details"]["field"], error["param"]) == ("INVALID_REQUEST", field, field)
    assert (await owner.client.get(KEYS)).body["apiKeys"] == []


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("body", {}),
        ("name", {"name": None}),
        ("expiresAt", {"expiresAt": "2099-01-01T00:00:00Z"}),
        ("permissions", {"permissions": ["ai:read"]}),
        ("creditLimitPeriod", {"creditLimitPeriod": "day"}),
        ("allowedModels", {"allowedModels": ["gpt-99"]}),
    ],
)
async def test_a_wrong_change_is_named_and_changes_nothing(site: Site, field: str, body: dict[str, Any]) -> None:
    owner = await owner_of(site)
    key = await owner.key()
    before = await owner.shown(key)
    error = (await owner.change(key, status=400, **body)).body["error"]
    assert error["details"]["field"] == field
    assert await owner.shown(key) == before


@pytest.mark.gen_test
async def test_there_are_so_many_keys_and_no_more(two_sites: list[Site], monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are asked for at once, of whichever node, and in one millisecond."""
    assert limits.KEYS_PER_USER_MAX == 100
    monkeypatch.setattr(limits, "KEYS_PER_USER_MAX", 3)
    moment = now()
    monkeypatch.setattr("hub.api_keys.now", lambda: moment)
    owner = await owner_of(two_sites[0])
    clients = [site.client("ai_aggregator", token=owner.token) for site in two_sites]
    asked = [clients[number % 2].raw("POST", KEYS, {"name": str(number)}) for number in range(10)]
    statuses = sorted([response.code for response in await asyncio.gather(*asked)])
    assert statuses == [201] * 3 + [409] * 7
    (first, *_) = (await owner.client.get(KEYS)).body["apiKeys"]
    await owner.revoke(Key(first["id"], "", first))
    await owner.key()


# --- used -------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_each_documented_way_takes_a_key(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    key = await (await owner_of(site)).key()
    stranger = site.client("ai_aggregator")
    for headers in ({"Authorization": f"Bearer {key.secret}"}, {"X-API-Key": key.secret}):
        await stranger.get(MODELS, headers=headers)
    for name in ("api_key", "token"):
        await stranger.get(f"{MODELS}?{name}={key.secret}")
        await site.client().get(f"/api/users/me?{name}={key.secret}", status=401)
    body = {"model": "gpt-4", "messages": MESSAGES, "max_tokens": 5}
    await stranger.post(f"{COMPLETIONS}?api_key={key.secret}", body, plain=True)
    written = capsys.readouterr()
    assert MODELS in written.err + written.out and key.secret not in written.err + written.out


@pytest.mark.gen_test
async def test_a_key_works_on_every_api_and_on_the_socket(site: Site) -> None:
    owner = await owner_of(site)
    key = await owner.key()
    assert (await owner.by(key, "smart_ai_hub").get("/api/users/me")).data["id"] == owner.user
    await owner.by(key, "smart_ai_hub").get("/api/credits/balance")
    socket = await Client.open(site.port)
    assert (await socket.request("connect", token=key.secret))["type"] == "connected"
    started = await socket.request("chat.start", model="gpt-4", message="Hello")
    assert started["type"] == "chat.started"
    await socket.push("chat.completed")


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "secret",
    [
        "ak_live_" + "x" * 43,
        "ak_live_",
        "ak_live_" + "x" * 31,
        "ak_live_" + "x" * 65,
        "ak_live_" + "$" * 43,
        "sk-proj-1",
    ],
)
async def test_what_is_no_key_is_refused(site: Site, secret: str) -> None:
    """One that lost its end or is another company's is not called an access token."""
    refused = await site.client("ai_aggregator", token=secret).get(MODELS, status=401)
    assert (refused.code, refused.body["error"]["message"]) == ("UNAUTHORIZED", "Invalid or expired credentials")


@pytest.mark.gen_test
async def test_a_key_ends_at_its_expiry(site: Site) -> None:
    """Although it was used, and so is cached, a moment before."""
    owner = await owner_of(site)
    key = await owner.key(expiresAt=timestamp(now() + timedelta(seconds=1.5)))
    await owner.by(key).get(MODELS)

    async def is_refused() -> bool:
        return (await owner.by(key).raw("GET", MODELS)).code == 401

    async with within(1.5):
        await until(is_refused)
    assert (await owner.client.get(KEYS)).body["pagination"]["total"] == 1, "its owner still sees why"


@pytest.mark.gen_test
async def test_a_suspended_users_key_is_refused(site: Site) -> None:
    owner = await owner_of(site)
    key = await owner.key()
    await owner.by(key).get(MODELS)
    await site.services.identities.change_user(owner.user, {"status": "suspended"})
    await owner.by(key).get(MODELS, status=401)
    await site.services.identities.change_user(owner.user, {"status": "active"})
    await owner.by(key).get(MODELS)


@pytest.mark.gen_test
async def test_a_revoked_key_is_refused_on_every_node(two_sites: list[Site]) -> None:
    owner = await owner_of(two_sites[0])
    key, other = await owner.key(), await owner.key()
    for site in two_sites:
        await site.client("ai_aggregator", token=key.secret).get(MODELS)

    async def is_refused() -> bool:
        return (await two_sites[1].client("ai_aggregator", token=key.secret).raw("GET", MODELS)).code == 401

    await owner.revoke(key)
    await owner.by(key).get(MODELS, status=401)
    async with within(REVOKED_SECONDS):
        await until(is_refused)
    await owner.by(other).get(MODELS)
    await owner.revoke(key, status=404)
    assert [shown["id"] for shown in (await owner.client.get(KEYS)).body["apiKeys"]] == [other.id]


@pytest.mark.gen_test
async def test_nodes_are_told_at_once_and_not_only_by_the_database(database: Database) -> None:
    async with running(database) as process:
        user = await make_wallet(process.ledger)
        revocations = Revocations(database, process.broker, IdentityCache())
        keys = ApiKeys(database, process.ledger, revocations)
        heard: list[Publication] = []
        process.broker.subscribe(REVOCATIONS, lambda _, publication: heard.append(publication))
        made, _ = await keys.create(user, NewKey("ak_live_", "A key"))
        key_id = made.document["_id"]
        await keys.change(user, key_id, changes={"tokens_per_minute": 5})
        await keys.revoke(user, key_id)
        assert [(signal.type, signal.data["user"], signal.data.get("key")) for signal in heard] == [
            ("changed", user, None),
            ("revoked", user, key_id),
        ]
        revocations.close()


@pytest.mark.gen_test
async def test_a_changed_limit_counts_on_every_node(two_sites: list[Site]) -> None:
    owner = await owner_of(two_sites[0])
    key = await owner.key()
    body = {"model": "gpt-4", "messages": MESSAGES, "max_tokens": 5}
    other = two_sites[1].client("ai_aggregator", token=key.secret)
    await other.post(COMPLETIONS, body, plain=True)
    await owner.change(key, allowedModels=["gpt-4o"])

    async def is_refused() -> bool:
        return (await other.raw("POST", COMPLETIONS, body)).code == 403

    async with within(REVOKED_SECONDS):
        await until(is_refused)


# --- what keys may not -------------------------------------------------------------------------------------------


async def _administrating(owner: Owner, client: ApiClient) -> dict[str, int]:
    """The status of each call by which an account is administrated."""
    calls: dict[str, Any] = {
        f"GET {KEYS}": None,
        f"POST {KEYS}": {"name": "Another"},
        f"PUT {KEYS}/{(await owner.key()).id}": {"creditLimit": None},
        f"DELETE {KEYS}/{(await owner.key()).id}": None,
        "PUT /api/users/me": {"firstName": "Grace"},
        "PUT /api/users/me/password": {"currentPassword": PASSWORD, "newPassword": "AnotherHorse8"},
    }
    return {call: (await client.raw(*call.split(" "), body)).code for call, body in calls.items()}


@pytest.mark.gen_test
async def test_a_key_administrates_no_account(site: Site) -> None:
    owner = await owner_of(site)
    plain = await _administrating(owner, owner.by(await owner.key()))
    assert set(plain.values()) == {403}, plain
    allowed = await _administrating(owner, owner.by(await owner.key(permissions=["account:write"])))
    assert {call for call, status in allowed.items() if status != 403} == {"PUT /api/users/me"}, allowed


@pytest.mark.gen_test
async def test_a_key_may_what_it_was_given(site: Site) -> None:
    owner = await owner_of(site)
    reads = await owner.key(permissions=["ai:read", "ai:read"])
    assert reads.shown["permissions"] == ["ai:read"]
    await owner.by(reads).get(MODELS)
    body = {"model": "gpt-4", "messages": MESSAGES}
    error = (await owner.by(reads).post(COMPLETIONS, body, status=403)).body["error"]
    assert error["code"] == "FORBIDDEN" and "ai:write" in error["message"]
    socket = await Client.open(site.port)
    await socket.request("connect", token=reads.secret)
    refused = await socket.request("chat.start", model="gpt-4", message="Hello")
    assert refused["error"]["code"] == "AUTHORIZATION_FAILED"
    assert (await site.services.ledger.wallet(owner.user)).seq == 1, "nothing was charged"


@pytest.mark.gen_test
async def test_an_administrators_key_is_no_administrator(site: Site) -> None:
    admin = Owner(site, "", await site.admin_token())
    await admin.by(await admin.key(), "smart_ai_hub").get("/api/admin/users", status=403)


# --- how often it was used ---------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_first_use_is_noted_soon(site: Site) -> None:
    owner = await owner_of(site)
    key = await owner.key()
    began = timestamp(now())
    await owner.by(key).get(MODELS)

    async def is_noted() -> bool:
        return bool((await owner.shown(key))["usageCount"] == 1)

    await until(is_noted)
    assert (await owner.shown(key))["lastUsedAt"] >= began


async def _stored_key(database: Database, key_id: str) -> None:
    made = api_keys.new_key(key_id, "user_1", f"digest of {key_id}", "ak_live_abcd", "A key", None, {}, None, now())
    await database[api_keys.API_KEYS].insert_one(made)


async def _counted(database: Database, key_id: str) -> int:
    found = await api_keys.by_id(database, "user_1", key_id)
    assert found is not None
    return int(found["usage_count"])


@pytest.mark.gen_test
async def test_uses_are_written_at_most_once_a_minute_and_none_is_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert limits.KEY_USE_SECONDS == 60
    await _stored_key(database, "key_1")
    uses = KeyUses(database)
    counts = []
    for times in (1, 5, 5):
        for _ in range(times):
            uses.note("key_1")
        await uses.write_due()
        counts.append(await _counted(database, "key_1"))
    assert counts == [1, 1, 1]
    await uses.close()
    assert await _counted(database, "key_1") == 11
    monkeypatch.setattr(limits, "KEY_USE_SECONDS", 0)
    again = KeyUses(database)
    for expected in (12, 13):
        again.note("key_1")
        await again.write_due()
        assert await _counted(database, "key_1") == expected


@pytest.mark.gen_test
async def test_so_many_keys_are_counted_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEY_USES_NOTED_MAX", 2)
    monkeypatch.setattr(limits, "KEY_USE_SECONDS", 0)
    for key_id in ("key_1", "key_2", "key_3"):
        await _stored_key(database, key_id)
    uses = KeyUses(database)
    for key_id in ("key_1", "key_2", "key_3"):
        uses.note(key_id)
    await uses.write_due()
    assert [await _counted(database, key_id) for key_id in ("key_1", "key_2", "key_3")] == [1, 1, 0]
    await uses.write_due()  # those that were not used since make room
    uses.note("key_3")
    await uses.write_due()
    assert await _counted(database, "key_3") == 1


# --- signing up and in ---------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_who_signs_up_can_sign_in_and_make_a_key(site: Site) -> None:
    stranger = site.client("ai_aggregator")
    body = {"email": "new@example.com", "password": "securePassword123", "firstName": "John", "lastName": "Doe"}
    user = (await stranger.post("/v1/auth/register", body, status=201)).data
    assert json.dumps(user).count("securePassword123") == 0
    data = (await stranger.post("/v1/auth/login", {"email": body["email"], "password": body["password"]})).data
    assert {name: user[name] for name in data["user"]} == data["user"]
    await Owner(site, user["id"], data["accessToken"]).key()
    assert (await stranger.post("/v1/auth/register", body, status=409)).code == "CONFLICT"
    wrong = {"email": body["email"], "password": "wrong"}
    assert (await stranger.post("/v1/auth/login", wrong, status=401)).code == "UNAUTHORIZED"
