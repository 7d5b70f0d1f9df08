"""The matrix of routes and callers: each method of the route table is tried by everybody, and answers as its mark says."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest
from tornado.httpclient import HTTPResponse

from handlers.access import Access, access_of, methods_of
from handlers.application import every_route
from hub.payments.records import Purchase
from models.conversations import message_of_stream
from tests.contract.matrix import (
    CASES,
    MAKING,
    NEW_ANALYSIS,
    NEW_CONVERSATION,
    NEW_KEY,
    NEW_PROJECT,
    NEW_PUSH_SUBSCRIPTION,
    NEW_USER_WEBHOOK,
    NEW_WORKFLOW,
    TOLD_WORKFLOW,
    Case,
)
from tests.factories import grant_points
from tests.patience import until
from tests.site import Site
from tests.ws_client import Client, Refused

PORTIONS = 4  # of the cases, each tested by itself: together they take too long for one test
CALLERS: Final = ("anonymous", "another user", "administrator", "service", "owner")  # who may end things comes last
STRANGERS: Final = ("anonymous", "another user")
_CHAT: Final = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}], "maxTokens": 5}
# By whom each kind of webhook is had, and where.
_WEBHOOKS: Final = {
    "webhook": ("administrator", "/api/admin/webhooks/{}"),
    "user webhook": ("owner", "/v1/webhooks/{}"),
    "Playground webhook": ("owner", "/api/v1/webhooks/{}"),
    "told workflow": ("owner", "/api/workflows/{}/notify"),
}
_UNKNOWN: Final = "unknown1"
_GROUP: Final = re.compile(r"\([^()]*\)")


def _marks() -> dict[tuple[str, str], Access]:
    """What the route table says of each method but OPTIONS."""
    found = {}
    for route in every_route():
        for method in methods_of(route.handler):
            access = access_of(route.handler, method)
            if method != "OPTIONS" and access is not None:
                found[method, route.pattern] = access
    return found


def expected(access: Access, case: Case, caller: str) -> int:
    """The status that a caller gets."""
    if caller in case.shut_out:
        return 403
    if access.kind == "public":
        return case.status
    if access.kind == "service":
        return {"service": case.status, "anonymous": 401}.get(caller, 403)
    if caller in ("anonymous", "service"):
        return 401
    if access.kind == "admin":
        return case.status if caller == "administrator" else 403
    return 404 if case.owned and caller != "owner" else case.status


@dataclass(frozen=True)
class Cast:
    """New people for each case that may spoil them for another."""

    site: Site
    owner: dict[str, Any]
    headers: dict[str, dict[str, str]]

    @classmethod
    async def of(cls, site: Site) -> "Cast":
        owner, other = await site.register(), await site.register()
        service = {"X-Service-Token": site.services.settings.service_token or "", "X-User-ID": _id(owner)}
        tokens = {
            "owner": owner["access_token"],
            "another user": other["access_token"],
            "administrator": await site.admin_token(),
        }
        bearers = {caller: {"Authorization": f"Bearer {token}"} for caller, token in tokens.items()}
        return cls(site, owner, {"anonymous": {}, "service": service, **bearers})

    async def call(self, caller: str, method: str, path: str, case: Case) -> tuple[int, bytes]:
        """The status and the body. An upgrade that succeeds is hung up at once."""
        if case.status == 101:
            return await self._upgrade(caller, path)
        response = await self.site.client().raw(method, path, case.sent(), self.headers[caller])
        return response.code, response.body or b""

    async def _upgrade(self, caller: str, path: str) -> tuple[int, bytes]:
        try:
            client = await Client.open(self.site.port, path, self.headers[caller])
        except Refused as refused:
            return refused.status, refused.body
        client.abort()
        return 101, b""

    async def made(self, caller: str, path: str, body: Any) -> HTTPResponse:
        response = await self.site.client().raw("POST", path, body, self.headers[caller])
        assert response.code < 300, response.body
        return response

    async def thing(self, name: str) -> str:
        """The id of something that exists, the owner's where it is somebody's; of a delivery after its webhook's."""
        return await _MAKERS[name](self)

    def tells_of_the_owner(self, body: bytes) -> bool:
        return any(fact.encode() in body for fact in (_id(self.owner), self.owner["user"]["email"]))


def _id(registered: dict[str, Any]) -> str:
    return str(registered["data"]["user"]["id"])


# --- what a path's ids are of -------------------------------------------------------------------------------------

Maker = Callable[[Cast], Awaitable[str]]


def _posted(path: str, body: Any, *where: str, caller: str = "owner") -> Maker:
    """What a POST makes; `where` its answer has the id."""

    async def make(cast: Cast) -> str:
        found = json.loads((await cast.made(caller, path, body)).body)
        for name in where:
            found = found[name]
        return str(found)

    return make


def _is(thing: str) -> Maker:
    """What is there already."""
    return lambda cast: asyncio.sleep(0, thing)


def _delivery_of(webhook: str) -> Maker:
    caller, path = _WEBHOOKS[webhook]

    async def make(cast: Cast) -> str:
        webhook_id = await cast.thing(webhook)
        made = json.loads((await cast.made(caller, f"{path.format(webhook_id)}/test", {})).body)
        data = made.get("data", made)
        return f"{webhook_id}/{data.get('delivery', data)['id']}"

    return make


def _addressed(form: str) -> Maker:
    """A workflow's `number` and `secret` in such a form."""

    async def make(cast: Cast) -> str:
        made = json.loads((await cast.made("owner", "/api/workflows", NEW_WORKFLOW)).body)
        return form.format(number=made["id"], secret=made["webhook_secret"])

    return make


async def _execution(cast: Cast) -> str:
    """One that waits for its owner's answer."""
    number = await cast.thing("workflow")
    path = f"/api/workflows/{number}"
    execution = str(json.loads((await cast.made("owner", f"{path}/execute", {})).body)["execution_id"])

    async def waits() -> bool:
        seen = await cast.site.client().raw("GET", f"{path}/executions/{execution}", headers=cast.headers["owner"])
        return bool(json.loads(seen.body)["approvals"])

    await until(waits)
    return f"{number}/{execution}"


async def _approval(cast: Cast) -> str:
    return f"{await _execution(cast)}/ask"


async def _checkout(cast: Cast) -> str:
    order = Purchase(_id(cast.owner), "credit", 1_000_000, 100, "stripe", "A package")
    opened = await cast.site.services.credits.checkouts.open(order, "https://hub/", "https://your-app.com/")
    return str(opened["session"])


async def _stream(cast: Cast) -> str:
    return str((await cast.made("owner", "/api/mcp/chat/completions", _CHAT)).headers["X-Hub-Stream-Id"])


async def _answer(cast: Cast) -> str:
    return str((await message_of_stream(cast.site.services.database, await _stream(cast)) or {})["_id"])


async def _notification(cast: Cast) -> str:
    (welcome,), _ = await cast.site.services.notifications.page(_id(cast.owner), 1, None)
    return str(welcome["_id"])


async def _user(cast: Cast) -> str:
    return _id(cast.owner)


_MAKERS: Final[dict[str, Maker]] = {
    **{name: _posted(*made, "data", "id", caller="administrator") for name, made in MAKING.items()},
    **{f"{webhook}'s delivery": _delivery_of(webhook) for webhook in _WEBHOOKS},
    "API key": _posted("/v1/auth/api-keys", NEW_KEY, "data", "id"),
    "Playground webhook": _posted("/api/v1/webhooks", NEW_USER_WEBHOOK, "data", "webhook", "id"),
    "analysis": _posted("/api/doc-analyzer/analyze", NEW_ANALYSIS, "analysis_id"),
    "answer": _answer,
    "approval": _approval,
    "bot of nobody": _is("hook_of_nobody"),
    "checkout": _checkout,
    "conversation": _posted("/api/ai/chat", NEW_CONVERSATION, "conversation_id"),
    "execution": _execution,
    "file": _is("icon.svg"),
    "model": _is("gpt-4"),
    "notification": _notification,
    "project": _posted("/api/projects", NEW_PROJECT, "id"),
    "push subscription": _posted("/api/notifications/push/subscriptions", NEW_PUSH_SUBSCRIPTION, "data", "id"),
    "stream": _stream,
    "told workflow": _posted("/api/workflows", TOLD_WORKFLOW, "id"),
    "user": _user,
    "user webhook": _posted("/v1/webhooks", NEW_USER_WEBHOOK, "data", "id"),
    "workflow": _addressed("{number}"),
    "workflow address": _addressed("{secret}"),
    "workflow and its address": _addressed("{number}/{secret}"),
}


# --- the matrix -----------------------------------------------------------------------------------------------------


def _with_ids(pattern: str, thing: str) -> str:
    ids = iter(thing.split("/"))
    return _GROUP.sub(lambda _: next(ids), pattern)


async def _faults(site: Site, cast: Cast, method: str, pattern: str, access: Access, case: Case) -> list[str]:
    """Where a method does not answer as its mark says; no stranger, and nobody who is refused, is told of the owner."""
    if access.kind == "service":
        await grant_points(site.services.ledger, _id(cast.owner), 10)
    path = _with_ids(pattern, await cast.thing(case.thing)) if case.thing else pattern
    faults = []
    for caller in CALLERS:
        status, answer = await cast.call(caller, method, path, case)
        wanted = expected(access, case, caller)
        if status != wanted:
            faults.append(f"{method} {pattern} by {caller}: {status}, not {wanted}: {answer[:200]!r}")
        if (caller in STRANGERS or wanted in (401, 403, 404)) and cast.tells_of_the_owner(answer):
            faults.append(f"{method} {pattern} tells {caller} of the owner")
    return faults


def test_every_method_of_every_route_has_its_case() -> None:
    assert set(CASES) == set(_marks())


def test_a_case_has_a_thing_where_its_path_has_an_id() -> None:
    assert {key for key, case in CASES.items() if case.thing} == {key for key in CASES if "(" in key[1]}
    assert {case.thing for case in CASES.values() if case.thing} <= _MAKERS.keys()


@pytest.mark.gen_test
@pytest.mark.parametrize("portion", range(PORTIONS))
async def test_everybody_gets_what_the_mark_says(site: Site, portion: int) -> None:
    marks = _marks()
    keys = [key for key in CASES if key in marks][portion::PORTIONS]
    readers = await Cast.of(site)  # who reads spoils nothing
    casts = [readers if method == "GET" else await Cast.of(site) for method, _ in keys]
    found = [await _faults(site, cast, *key, marks[key], CASES[key]) for cast, key in zip(casts, keys, strict=True)]
    assert [fault for faults in found for fault in faults] == []


@pytest.mark.gen_test
async def test_what_does_not_exist_is_not_found(site: Site) -> None:
    cast = await Cast.of(site)
    paths = {key: _GROUP.sub(_UNKNOWN, key[1]) for key, case in CASES.items() if case.thing}
    answers = {key: (await cast.call("administrator", key[0], path, CASES[key]))[0] for key, path in paths.items()}
    assert answers == dict.fromkeys(paths, 404)
