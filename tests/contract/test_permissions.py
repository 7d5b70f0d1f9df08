"""What API keys may: each method of the route table asks for the permission that stands here, refuses a key that has all
others, and lets one in that has no other.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import pytest
from tornado.ioloop import IOLoop

from config import limits
from handlers.access import Access, access_of, methods_of
from handlers.application import every_route
from hub.api_keys import NewKey
from hub.permissions import SCOPES
from hub.realtime import close_codes
from hub.realtime.broker import user_channel
from hub.realtime.commands import COMMANDS
from tests.contract.matrix import CASES
from tests.http_streams import abort_all
from tests.patience import until
from tests.site import Site
from tests.ws_client import Client

_GROUP: Final = re.compile(r"\([^()]*\)")
_ID: Final = "([A-Za-z0-9_]{1,64})"
_NODE: Final = "([A-Za-z0-9_-]{1,64})"
_HEARS: Final = {"account:read", "credits:read", "ai:read"}
_QUESTION: Final[Mapping[str, Any]] = {
    "model": "minimax",
    "messages": [{"role": "user", "content": "Hello"}],
    "max_tokens": 5,
}
# The permission of every method that asks for one.
PERMISSIONS: Final[Mapping[str, str]] = {
    "account:read": """
        GET /api/auth/me
        GET /api/auth/2fa
        GET /api/users/me
        GET /api/notifications
        GET /api/notifications/settings
        GET /api/notifications/push
        GET /api/integrations
    """,
    "account:write": f"""
        POST /api/auth/resend-verification
        PUT /api/users/me
        PUT /api/credits/auto-recharge
        PUT /api/notifications/{_ID}/read
        PUT /api/notifications/read-all
        PUT /api/notifications/settings
        POST /api/notifications/push/subscriptions
        DELETE /api/notifications/push/subscriptions/{_ID}
        POST /api/projects
        PUT /api/projects/{_ID}
        DELETE /api/projects/{_ID}
        POST /api/projects/{_ID}/restore
        POST /api/workflows
        PUT /api/workflows/{_ID}
        DELETE /api/workflows/{_ID}
        POST /api/workflows/{_ID}/rotate-secret
        POST /api/integrations/connect
        POST /api/integrations/test
        POST /api/integrations/disconnect
        POST /api/doc-analyzer/export/sheets
    """,
    "ai:read": f"""
        GET /api/mcp/models
        GET /v1/models
        GET /v1/models/(.+)
        GET /api/v1/ai/models
        GET /api/models
        GET /api/history
        GET /api/history/{_ID}/export
        GET /api/rankings
        GET /api/streams/{_ID}
        GET /api/streams/{_ID}/events
        GET /api/projects
        GET /api/projects/{_ID}
        GET /api/workflows
        GET /api/workflows/{_ID}
        GET /api/workflows/{_ID}/executions
        GET /api/workflows/{_ID}/executions/{_ID}
        GET /api/doc-analyzer/analyses
        GET /api/doc-analyzer/analyses/{_ID}
        POST /api/doc-analyzer/export/xlsx
    """,
    "ai:write": f"""
        POST /api/mcp/chat/completions
        POST /v1/chat/completions
        POST /v1/messages
        POST /v1/messages/count_tokens
        POST /v1/embeddings
        POST /api/v1/ai/chat
        POST /api/v1/ai/generate
        POST /api/ai/chat
        PATCH /api/history/{_ID}
        DELETE /api/history/{_ID}
        POST /api/history/messages/{_ID}/rating
        DELETE /api/streams/{_ID}
        POST /api/workflows/{_ID}/execute
        POST /api/workflows/{_ID}/executions/{_ID}/cancel
        POST /api/workflows/{_ID}/executions/{_ID}/approvals/{_NODE}
        POST /api/doc-analyzer/analyze
        DELETE /api/doc-analyzer/analyses/{_ID}
    """,
    "credits:read": """
        GET /api/credits/balance
        GET /api/credits/history
        GET /api/credits/auto-recharge
        GET /api/v1/points/balance
        GET /api/v1/points/history
        GET /api/v1/points/daily-reward-status
        GET /api/v1/wallet/balance
        GET /v1/billing/balance
        GET /v1/billing/history
    """,
    "credits:write": """
        POST /api/credits/purchase
        POST /api/credits/gift
        POST /api/v1/points/exchange-from-credits
        POST /api/v1/points/purchase
        POST /api/v1/points/claim-daily-reward
        POST /v1/billing/balance/credit
    """,
    "usage:read": """
        GET /v1/analytics/dashboard
        GET /v1/analytics/events
        GET /api/v1/ai/usage
        GET /api/dashboard/stats
        GET /api/v1/usage
    """,
    "webhooks:read": f"""
        GET /v1/webhooks
        GET /v1/webhooks/{_ID}
        GET /v1/webhooks/{_ID}/deliveries
        GET /v1/webhooks/{_ID}/deliveries/{_ID}
        GET /api/v1/webhooks
        GET /api/v1/webhooks/{_ID}
        GET /api/v1/webhooks/{_ID}/deliveries
        GET /api/v1/webhooks/{_ID}/deliveries/{_ID}
        GET /api/workflows/{_ID}/notify/deliveries
        GET /api/workflows/{_ID}/notify/deliveries/{_ID}
    """,
    "webhooks:write": f"""
        POST /v1/webhooks
        PUT /v1/webhooks/{_ID}
        DELETE /v1/webhooks/{_ID}
        POST /v1/webhooks/{_ID}/rotate-secret
        POST /v1/webhooks/{_ID}/test
        POST /v1/webhooks/{_ID}/replay
        POST /v1/webhooks/{_ID}/deliveries/{_ID}/resend
        POST /api/v1/webhooks
        PUT /api/v1/webhooks/{_ID}
        DELETE /api/v1/webhooks/{_ID}
        POST /api/v1/webhooks/{_ID}/rotate-secret
        POST /api/v1/webhooks/{_ID}/test
        POST /api/v1/webhooks/{_ID}/replay
        POST /api/v1/webhooks/{_ID}/deliveries/{_ID}/resend
        POST /api/workflows/{_ID}/notify/test
        POST /api/workflows/{_ID}/notify/replay
        POST /api/workflows/{_ID}/notify/deliveries/{_ID}/resend
    """,
}
# Any key: they show what everybody is told, and note what the sender says.
ANY_KEY: Final = """
    GET /api/announcements
    POST /v1/analytics/events
"""
# No key, whatever it was given: who signs in, and what is a credential.
NO_KEY: Final = f"""
    POST /api/auth/logout
    GET /api/integrations/google/authorize
    POST /api/auth/2fa/setup
    POST /api/auth/2fa/verify
    POST /api/auth/2fa/disable
    POST /api/auth/2fa/recovery-codes
    PUT /api/auth/profile
    PUT /api/auth/password
    PUT /api/users/me/password
    GET /v1/auth/api-keys
    POST /v1/auth/api-keys
    GET /v1/auth/api-keys/{_ID}
    PUT /v1/auth/api-keys/{_ID}
    DELETE /v1/auth/api-keys/{_ID}
    GET /api/v1/api-keys
    POST /api/v1/api-keys
    GET /api/v1/api-keys/{_ID}
    PUT /api/v1/api-keys/{_ID}
    DELETE /api/v1/api-keys/{_ID}
"""


@pytest.fixture
def nothing_left_open(io_loop: IOLoop) -> Iterator[None]:
    yield
    io_loop.run_sync(abort_all)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


def _marks() -> dict[str, Access]:
    """What the route table says of each method but OPTIONS, by `GET /path`."""
    found = {}
    for route in every_route():
        for method in methods_of(route.handler):
            access = access_of(route.handler, method)
            if method != "OPTIONS" and access is not None:
                found[f"{method} {route.pattern}"] = access
    return found


def _of(*kinds: str) -> list[str]:
    return [call for call, access in _marks().items() if access.kind in kinds]


class Keys:
    """Keys of one owner, by what they may."""

    def __init__(self, site: Site, owner: str) -> None:
        self._site = site
        self._owner = owner

    async def secret(self, permissions: Iterable[str]) -> str:
        wanted = NewKey("sk_live_", "A key", sorted(permissions))
        return (await self._site.services.api_keys.create(self._owner, wanted))[1]

    async def statuses(self, permissions: Iterable[str], calls: Iterable[str]) -> dict[str, int]:
        """What a key with exactly these gets, where the id in a path is nobody's."""
        client = self._site.client(token=await self.secret(permissions))
        found = {}
        for call in calls:
            method, pattern = call.split(" ")
            body = CASES[method, pattern].sent()
            found[call] = (await client.raw(method, _GROUP.sub("unknown1", pattern), body)).code
        return found


async def _keys(site: Site, role: str = "user") -> Keys:
    owner = str((await site.register())["data"]["user"]["id"])
    await site.services.identities.change_user(owner, {"role": role})
    return Keys(site, owner)


def _let_in(calls: Iterable[str]) -> dict[str, int]:
    """What whoever may do something gets: nothing is found by an id that is nobody's."""
    cases = {call: CASES[call.split(" ")[0], call.split(" ")[1]] for call in calls}
    return {call: 404 if case.thing else case.status for call, case in cases.items()}


def test_each_method_asks_for_its_permission() -> None:
    expected = {call: name for name, calls in PERMISSIONS.items() for call in _lines(calls)}
    found = {call: access.permission for call, access in _marks().items() if access.kind == "scope"}
    assert found == expected and set(PERMISSIONS) == SCOPES


def test_what_asks_for_none_is_the_declared_list() -> None:
    assert sorted(_of("user")) == sorted(_lines(ANY_KEY))
    assert sorted(_of("login")) == sorted(_lines(NO_KEY))


@pytest.mark.gen_test
@pytest.mark.parametrize("permission", sorted(SCOPES))
async def test_a_key_needs_the_permission_and_no_other(site: Site, permission: str) -> None:
    calls = [call for call, access in _marks().items() if access.permission == permission]
    keys = await _keys(site)
    assert calls and await keys.statuses(SCOPES - {permission}, calls) == dict.fromkeys(calls, 403)
    assert await keys.statuses({permission}, calls) == _let_in(calls)


@pytest.mark.gen_test
async def test_what_asks_for_none_lets_every_key_in(site: Site) -> None:
    for permission in sorted(SCOPES):
        assert await (await _keys(site)).statuses({permission}, _of("user")) == _let_in(_of("user")), permission


@pytest.mark.gen_test
async def test_no_key_signs_in_or_administrates_or_serves(site: Site) -> None:
    """Not even an administrator's with every permission."""
    calls = _of("login", "admin", "service")
    assert len(calls) > len(_lines(NO_KEY))
    assert await (await _keys(site, "admin")).statuses(SCOPES, calls) == dict.fromkeys(calls, 403)


@pytest.mark.gen_test
@pytest.mark.usefixtures("nothing_left_open")
async def test_each_command_of_the_socket_needs_its_permission_too(site: Site) -> None:
    keys = await _keys(site)
    asking = {name: spec.permission for name, spec in COMMANDS.items() if spec.permission is not None}
    assert len(asking) == len([name for name in COMMANDS if name.partition(".")[2]]) + 1, "and the history"
    for permission in set(asking.values()):
        refused, let_in = await Client.open(site.port), await Client.open(site.port)
        await refused.request("connect", token=await keys.secret(SCOPES - {permission}))
        await let_in.request("connect", token=await keys.secret({permission}))
        for name in [name for name, needed in asking.items() if needed == permission]:
            error = (await refused.request(name, **_COMMANDS[name]))["error"]
            assert error["code"] == "AUTHORIZATION_FAILED" and permission in error["message"], name
            answer = await let_in.request(name, **_COMMANDS[name])
            assert answer.get("error", {}).get("code") in (None, "RESOURCE_NOT_FOUND"), (name, answer)


_COMMANDS: Final[Mapping[str, Mapping[str, object]]] = {
    "history": {"after": 0},
    "chat.start": {"model": "gpt-4", "message": "Hello"},
    "chat.stop": {"stream_id": "unknown1"},
    "chat.resume": {"stream_id": "unknown1", "epoch": "x", "after": 0},
    "chat.rate": {"stream_id": "unknown1", "rating": "up"},
    "conversations.list": {},
    "conversations.messages": {"conversation_id": "unknown1"},
    "conversations.delete": {"conversation_id": "unknown1"},
    "notifications.list": {},
    "notifications.read": {"ids": ["unknown1"]},
    "notifications.read_all": {},
    "workflow.approve": {"execution_id": "unknown1", "node": "ask", "approved": True},
}


@pytest.mark.gen_test
@pytest.mark.usefixtures("nothing_left_open")
@pytest.mark.parametrize("missing", ["account:read", "credits:read"])
async def test_a_socket_tells_nothing_of_the_account_to_a_key_that_may_not_read_it(site: Site, missing: str) -> None:
    """Its own answers it gets, with what they cost."""
    keys = await _keys(site)
    reader, writer = await Client.open(site.port), await Client.open(site.port)
    whole = await reader.request("connect", token=await keys.secret(SCOPES))
    told = await writer.request("connect", token=await keys.secret(SCOPES - {missing}))
    assert told["user"] == {"id": whole["user"]["id"]} and whole["user"]["email"]
    assert (told["balance"], told["position"], told["recovered"]) == (None, None, False)
    end = (await writer.answer_of((await writer.request("chat.start", **_QUESTION))["stream_id"]))[1]
    assert end["receipt"]["charged"] > 0
    await reader.push("balance")
    await writer.request("ping")
    assert {frame["type"] for frame in writer.frames} == {
        "connected",
        "chat.started",
        "chat.delta",
        "chat.completed",
        "ok",
    }
    channel = f"user:{whole['user']['id']}"
    assert (await writer.request("subscribe", channel=channel))["error"]["code"] == "AUTHORIZATION_FAILED"
    assert (await writer.request("connect"))["error"]["code"] == "RESOURCE_CONFLICT"


@pytest.mark.gen_test
@pytest.mark.usefixtures("nothing_left_open")
@pytest.mark.parametrize(("before", "after"), [(_HEARS, {"ai:read"}), ({"ai:read"}, _HEARS)])
async def test_a_key_that_may_hear_more_or_less_has_to_connect_anew(
    site: Site, before: set[str], after: set[str]
) -> None:
    keys = await _keys(site)
    socket = await Client.open(site.port)
    await socket.request("connect", token=await keys.secret(before))
    await _change(site, after)
    assert await socket.close_code() == close_codes.PERMISSIONS_CHANGED


@pytest.mark.gen_test
@pytest.mark.usefixtures("nothing_left_open")
async def test_what_changes_while_a_key_connects_counts_too(site: Site) -> None:
    """It waits for its turn to read what it missed."""
    secret, recoveries = await (await _keys(site)).secret(_HEARS), site.services.recoveries
    socket = await Client.open(site.port, f"/ws?api_key={secret}")
    for _ in range(limits.RECOVERIES_AT_ONCE):
        await recoveries.acquire()
    (key,) = await site.services.database["api_keys"].find({}, limit=2)
    socket.send("connect")
    await until(lambda: site.services.broker.hears(user_channel(key["user"])))
    await _change(site, {"ai:read"})
    for _ in range(limits.RECOVERIES_AT_ONCE):
        recoveries.release()
    assert await socket.close_code() == close_codes.PERMISSIONS_CHANGED


async def _change(site: Site, permissions: set[str]) -> None:
    """Give the one key other permissions, and wait until the hub knows."""
    (key,) = await site.services.database["api_keys"].find({}, limit=2)
    await site.services.api_keys.change(key["user"], key["_id"], permissions=sorted(permissions))


@pytest.mark.gen_test
@pytest.mark.usefixtures("nothing_left_open")
async def test_another_credential_does_not_go_on_with_what_the_first_may_hear(site: Site) -> None:
    keys = await _keys(site)
    socket = await Client.open(site.port)
    await socket.request("connect", token=await keys.secret(_HEARS))
    socket.send("refresh", token=await keys.secret({"ai:read"}))
    assert await socket.close_code() == close_codes.PERMISSIONS_CHANGED
