"""The matrix of routes and callers: each method of the route table is tried by everybody, and answers as its mark says."""

import json
import re
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
    """New people for one case, so that none of them is spoiled by another case."""

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
        webhook, _, delivery = name.partition("'s ")
        if delivery:
            caller, path = _WEBHOOKS[webhook]
            webhook_id = await self.thing(webhook)
            made = json.loads((await self.made(caller, f"{path.format(webhook_id)}/test", {})).body)
            data = made.get("data", made)
            return f"{webhook_id}/{data.get('delivery', data)['id']}"
        if name in MAKING:
            return str(json.loads((await self.made("administrator", *MAKING[name])).body)["data"]["id"])
        if name == "API key":
            return str(json.loads((await self.made("owner", "/v1/auth/api-keys", NEW_KEY)).body)["data"]["id"])
        if name == "project":
            return str(json.loads((await self.made("owner", "/api/projects", NEW_PROJECT)).body)["id"])
        if name == "told workflow":
            return str(json.loads((await self.made("owner", "/api/workflows", TOLD_WORKFLOW)).body)["id"])
        if name in ("workflow", "execution", "approval", "workflow address", "workflow and its address"):
            return await self._workflow(name)
        if name == "analysis":
            return str(
                json.loads((await self.made("owner", "/api/doc-analyzer/analyze", NEW_ANALYSIS)).body)["analysis_id"]
            )
        if name == "conversation":
            return str(json.loads((await self.made("owner", "/api/ai/chat", NEW_CONVERSATION)).body)["conversation_id"])
        if name == "user webhook":
            return str(json.loads((await self.made("owner", "/v1/webhooks", NEW_USER_WEBHOOK)).body)["data"]["id"])
        if name == "push subscription":
            made = await self.made("owner", "/api/notifications/push/subscriptions", NEW_PUSH_SUBSCRIPTION)
            return str(json.loads(made.body)["data"]["id"])
        if name == "Playground webhook":
            made = json.loads((await self.made("owner", "/api/v1/webhooks", NEW_USER_WEBHOOK)).body)
            return str(made["data"]["webhook"]["id"])
        if name == "checkout":
            order = Purchase(_id(self.owner), "credit", 1_000_000, 100, "stripe", "A package")
            opened = await self.site.services.credits.checkouts.open(order, "https://hub/", "https://your-app.com/")
            return str(opened["session"])
        if name == "stream":
            return str((await self.made("owner", "/api/mcp/chat/completions", _CHAT)).headers["X-Hub-Stream-Id"])
        if name == "answer":
            stream = await self.thing("stream")
            return str((await message_of_stream(self.site.services.database, stream) or {})["_id"])
        if name == "notification":
            (welcome,), _ = await self.site.services.notifications.page(_id(self.owner), 1, None)
            return str(welcome["_id"])
        return {"user": _id(self.owner), "model": "gpt-4", "file": "icon.svg", "bot of nobody": "hook_of_nobody"}[name]

    async def _workflow(self, name: str) -> str:
        """Of one that waits for its owner's answer, once it was executed."""
        made = json.loads((await self.made("owner", "/api/workflows", NEW_WORKFLOW)).body)
        number, secret = str(made["id"]), str(made["webhook_secret"])
        if "address" in name:
            return {"workflow address": secret}.get(name, f"{number}/{secret}")
        if name == "workflow":
            return number
        path = f"/api/workflows/{number}"
        execution = str(json.loads((await self.made("owner", f"{path}/execute", {})).body)["execution_id"])
        where = f"{path}/executions/{execution}"

        async def waits() -> bool:
            seen = await self.site.client().raw("GET", where, headers=self.headers["owner"])
            return bool(json.loads(seen.body)["approvals"])

        await until(waits)
        return f"{number}/{execution}" if name == "execution" else f"{number}/{execution}/ask"

    def tells_of_the_owner(self, body: bytes) -> bool:
        return any(fact.encode() in body for fact in (_id(self.owner), self.owner["user"]["email"]))


def _id(registered: dict[str, Any]) -> str:
    return str(registered["data"]["user"]["id"])


def _with_ids(pattern: str, thing: str) -> str:
    ids = iter(thing.split("/"))
    return _GROUP.sub(lambda _: next(ids), pattern)


async def _faults(site: Site, method: str, pattern: str, access: Access, case: Case) -> list[str]:
    """Where a method does not answer as its mark says; no stranger, and nobody who is refused, is told of the owner."""
    cast = await Cast.of(site)
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


@pytest.mark.gen_test
@pytest.mark.parametrize("portion", range(PORTIONS))
async def test_everybody_gets_what_the_mark_says(site: Site, portion: int) -> None:
    marks = _marks()
    keys = [key for key in CASES if key in marks][portion::PORTIONS]
    found = [await _faults(site, *key, marks[key], CASES[key]) for key in keys]
    assert [fault for faults in found for fault in faults] == []


@pytest.mark.gen_test
async def test_what_does_not_exist_is_not_found(site: Site) -> None:
    cast = await Cast.of(site)
    paths = {key: _GROUP.sub(_UNKNOWN, key[1]) for key, case in CASES.items() if case.thing}
    answers = {key: (await cast.call("administrator", key[0], path, CASES[key]))[0] for key, path in paths.items()}
    assert answers == dict.fromkeys(paths, 404)
