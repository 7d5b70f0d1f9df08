"""API keys by `/api/v1/api-keys`: made, shown once, listed beside those of other APIs, changed, withdrawn."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from config import limits
from hub.permissions import SCOPES
from models import api_keys
from models.clock import now
from tests.api_client import Answer, ApiClient
from tests.patience import until, within
from tests.site import Site
from tests.ws_client import Client

KEYS, AGGREGATOR_KEYS = "/api/v1/api-keys", "/v1/auth/api-keys"
KEY: dict[str, Any] = {"name": "My Application", "permissions": ["ai:read", "usage:read"]}
CHANGED_SECONDS = 1.0


class Owner:
    """A signed-in user and the API that makes their keys."""

    def __init__(self, site: Site, token: str) -> None:
        self.site = site
        self.token = token

    @property
    def client(self) -> ApiClient:
        return self.site.client("ai_playground", token=self.token)

    @property
    def aggregator(self) -> ApiClient:
        return self.site.client("ai_aggregator", token=self.token)

    async def key(self, **fields: Any) -> dict[str, Any]:
        made: dict[str, Any] = (await self.client.post(KEYS, {**KEY, **fields}, status=201)).data["api_key"]
        return made

    async def shown(self, key_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"{KEYS}/{key_id}")).data["api_key"]
        return found

    async def change(self, key_id: str, body: Any, status: int = 200) -> Answer:
        return await self.client.request("PUT", f"{KEYS}/{key_id}", body, status=status)


async def owner_of(site: Site) -> Owner:
    return Owner(site, await site.token())


def _fields(answer: Answer) -> set[str]:
    return {failure["field"] for failure in answer.body["error"]["details"]["errors"]}


def _days(key: dict[str, Any]) -> timedelta:
    return datetime.fromisoformat(key["expires_at"]) - datetime.fromisoformat(key["created_at"])


@pytest.mark.gen_test
async def test_a_key_is_shown_once_and_kept_as_a_digest(site: Site) -> None:
    owner = await owner_of(site)
    answer = await owner.client.post(KEYS, KEY, status=201)
    made = answer.data["api_key"]
    secret = made.pop("key")
    assert answer.body["message"] == "API key created successfully"
    assert answer.headers["X-RateLimit-Endpoint"] == "api-keys"
    assert re.fullmatch(r"sk_live_[A-Za-z0-9_-]{43}", secret) and made["prefix"] == secret[:12]
    assert (made["name"], made["permissions"]) == (KEY["name"], KEY["permissions"])
    assert (made["last_used"], made["usage_count"]) == (None, 0)
    assert await owner.shown(made["id"]) == made
    listed = (await owner.client.get(KEYS)).data
    assert listed["api_keys"] == [made] and listed["pagination"]["total"] == 1
    documents = [document async for document in site.services.database[api_keys.API_KEYS].scan({})]
    assert len(documents) == 1 and secret not in repr(documents)


@pytest.mark.gen_test
@pytest.mark.parametrize(("asked", "days"), [(None, 90), (1, 1), (30, 30), (3_650, 3_650)])
async def test_a_key_ends_in_so_many_days(site: Site, asked: int | None, days: int) -> None:
    owner = await owner_of(site)
    made = await owner.key(**({} if asked is None else {"expires_in": asked}))
    assert abs(_days(made) - timedelta(days=days)) < timedelta(seconds=5)
    client = site.client("ai_playground", token=made["key"])
    await client.get("/api/v1/ai/models")
    past = {"$set": {"expires_at": now() - timedelta(seconds=1)}}
    await site.services.database[api_keys.API_KEYS].update_one({"_id": made["id"]}, past)
    await owner.change(made["id"], {"name": "Read anew"})
    assert (await client.get("/api/v1/ai/models", status=401)).code == "AUTHENTICATION_ERROR"


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("fields", "named"),
    [
        *(({"name": name}, {"name"}) for name in ("", "x" * 101, None, 5)),
        *(
            ({"permissions": given}, {"permissions"})
            for given in ([], ["ai:rite"], ["*"], "ai:read", None, [5], ["ai:read"] * 10)
        ),
        *(({"expires_in": days}, {"expires_in"}) for days in (0, -1, 3_651, 1.5, "30", True, None)),
        ({"role": "admin"}, {"role"}),
        ({"name": "", "permissions": [], "expires_in": 0}, {"name", "permissions", "expires_in"}),
    ],
)
async def test_bad_keys_are_refused(site: Site, fields: dict[str, Any], named: set[str]) -> None:
    owner = await owner_of(site)
    refused = await owner.client.post(KEYS, {**KEY, **fields}, status=400)
    assert (refused.code, _fields(refused)) == ("VALIDATION_ERROR", named)
    for missing in KEY:
        body = {name: value for name, value in KEY.items() if name != missing}
        assert _fields(await owner.client.post(KEYS, body, status=400)) == {missing}
    assert (await owner.client.get(KEYS)).data["api_keys"] == []


@pytest.mark.gen_test
async def test_what_is_changed_is_what_was_named(site: Site) -> None:
    owner = await owner_of(site)
    made = await owner.key()
    made.pop("key")
    answer = await owner.change(made["id"], {"name": "Updated"})
    changed = answer.data["api_key"]
    assert answer.body["message"] == "API key updated successfully"
    assert changed == {**made, "name": "Updated", "updated_at": changed["updated_at"]}
    changed = (await owner.change(made["id"], {"permissions": ["webhooks:write"]})).data["api_key"]
    assert (changed["name"], changed["permissions"]) == ("Updated", ["webhooks:write"])
    assert await owner.shown(made["id"]) == changed and changed["expires_at"] == made["expires_at"]
    for body, named in (({}, "body"), ({"permissions": []}, "permissions"), ({"expires_in": 5}, "expires_in")):
        assert _fields(await owner.change(made["id"], body, 400)) == {named}
    assert await owner.shown(made["id"]) == changed


@pytest.mark.gen_test
@pytest.mark.usefixtures("nothing_left_open")
async def test_changed_permissions_hold_at_once_on_open_sockets_too(site: Site) -> None:
    owner = await owner_of(site)
    made = await owner.key(permissions=["ai:write"])
    socket = await Client.open(site.port)
    await socket.request("connect", token=made["key"])
    client = site.client("ai_playground", token=made["key"])
    await client.get("/api/v1/usage", status=403)
    await owner.change(made["id"], {"permissions": ["usage:read"]})
    await client.get("/api/v1/usage")

    async def is_refused() -> bool:
        answer = await socket.request("chat.start", model="gpt-4", message="Hello")
        return answer.get("error", {}).get("code") == "AUTHORIZATION_FAILED"

    async with within(CHANGED_SECONDS):
        await until(is_refused)


@pytest.mark.gen_test
async def test_no_key_makes_or_changes_keys(site: Site) -> None:
    """Least of all itself: it would give itself more."""
    owner = await owner_of(site)
    made = await owner.key(permissions=sorted(SCOPES))
    client = site.client("ai_playground", token=made["key"])
    for method, path, body in (
        *(("GET", KEYS, None), ("POST", KEYS, KEY), ("GET", f"{KEYS}/{made['id']}", None)),
        *(("PUT", f"{KEYS}/{made['id']}", {"permissions": sorted(SCOPES)}), ("DELETE", f"{KEYS}/{made['id']}", None)),
    ):
        refused = await client.request(method, path, body, status=403)
        assert refused.code == "AUTHORIZATION_ERROR", (method, path)
    assert (await owner.client.get(KEYS)).data["pagination"]["total"] == 1


@pytest.mark.gen_test
async def test_a_deleted_key_is_worth_nothing(site: Site) -> None:
    owner = await owner_of(site)
    made = await owner.key()
    client = site.client("ai_playground", token=made["key"])
    await client.get("/api/v1/ai/models")
    answer = await owner.client.request("DELETE", f"{KEYS}/{made['id']}", status=200)
    assert answer.body["message"] == "API key deleted successfully"
    await client.get("/api/v1/ai/models", status=401)
    for method, body in (("GET", None), ("PUT", {"name": "B"}), ("DELETE", None)):
        refused = await owner.client.request(method, f"{KEYS}/{made['id']}", body, status=404)
        assert refused.code == "NOT_FOUND"


@pytest.mark.gen_test
async def test_anothers_key_does_not_exist(site: Site) -> None:
    owner, other = await owner_of(site), await owner_of(site)
    made = await owner.key()
    for method, body in (("GET", None), ("PUT", {"name": "B"}), ("DELETE", None)):
        await other.client.request(method, f"{KEYS}/{made['id']}", body, status=404)
    assert (await other.client.get(KEYS)).data["api_keys"] == []
    assert (await owner.shown(made["id"]))["name"] == KEY["name"]


@pytest.mark.gen_test
async def test_each_api_lists_the_keys_of_the_other_in_its_own_form(site: Site) -> None:
    owner = await owner_of(site)
    ours = await owner.key()
    theirs = (await owner.aggregator.post(AGGREGATOR_KEYS, {"name": "Theirs", "creditLimit": 5}, status=201)).data
    listed = (await owner.client.get(KEYS)).data["api_keys"]
    assert [(key["id"], key["name"]) for key in listed] == [(theirs["id"], "Theirs"), (ours["id"], KEY["name"])]
    assert listed[0]["permissions"] == sorted(SCOPES - {"account:write"}) and listed[0]["expires_at"] is None
    there = (await owner.aggregator.get(AGGREGATOR_KEYS)).body["apiKeys"]
    assert [(key["id"], key["permissions"]) for key in there] == [
        (theirs["id"], None),
        (ours["id"], KEY["permissions"]),
    ]
    assert there[1]["expiresAt"] == ours["expires_at"] and there[1]["prefix"] == ours["prefix"]
    await owner.change(theirs["id"], {"name": "Renamed"})
    there = (await owner.aggregator.get(f"{AGGREGATOR_KEYS}/{theirs['id']}")).data
    assert (there["name"], there["permissions"], there["creditLimit"]) == ("Renamed", None, 5)
    await owner.aggregator.request("DELETE", f"{AGGREGATOR_KEYS}/{ours['id']}", status=200)
    await owner.client.get(f"{KEYS}/{ours['id']}", status=404)


@pytest.mark.gen_test
async def test_both_kinds_of_keys_work_on_every_api_and_their_uses_are_counted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "KEY_USE_SECONDS", 0)  # else the second write comes a minute after the first
    owner = await owner_of(site)
    ours = await owner.key(permissions=sorted(SCOPES))
    theirs = (await owner.aggregator.post(AGGREGATOR_KEYS, {"name": "Theirs"}, status=201)).data
    paths = {
        "smart_ai_hub": "/api/mcp/models",
        "ai_aggregator": "/v1/models",
        "ai_playground": "/api/v1/ai/models",
        "ai_assistant": "/api/auth/me",
    }
    hosts = {"ai_assistant": "localhost:8000"}
    for made in (ours, theirs):
        for headers in ({"X-API-Key": made["key"]}, {"Authorization": f"Bearer {made['key']}"}):
            for api, path in paths.items():
                at = {"Host": hosts[api]} if api in hosts else {}
                await site.client(api).get(path, headers={**headers, **at})

        async def counted(key_id: str = made["id"]) -> bool:
            shown = await owner.shown(key_id)
            return bool(shown["usage_count"] == 2 * len(paths) and shown["last_used"] is not None)

        await until(counted)


@pytest.mark.gen_test
async def test_lists_are_paged_newest_first(site: Site) -> None:
    owner = await owner_of(site)
    for name in ("one", "two", "three"):
        await owner.key(name=name)
    first = (await owner.client.get(f"{KEYS}?limit=2")).data
    rest = (await owner.client.get(f"{KEYS}?limit=2&page=2")).data
    assert [key["name"] for key in first["api_keys"] + rest["api_keys"]] == ["three", "two", "one"]
    assert first["pagination"] == {
        "page": 1,
        "limit": 2,
        "total": 3,
        "pages": 2,
        "has_next": True,
        "has_prev": False,
    }
    for direction, names in (("desc", ["three", "two"]), ("asc", ["one", "two"])):
        page = (await owner.client.get(f"{KEYS}?limit=2&sort={direction}")).data
        assert [key["name"] for key in page["api_keys"]] == names
    refused = await owner.client.get(f"{KEYS}?limit=0&page=x&sort=ASC", status=400)
    assert _fields(refused) == {"limit", "page", "sort"}
