"""Each refusal of `refusals.py` is answered with its status and code, and what is refused once moves nothing."""

import time
from datetime import timedelta
from typing import Any, Final

import pytest

from hub.audit import audit
from hub.webhooks import signatures
from hub.webhooks.receiver import PATH as RECEIVER
from models.clock import now, timestamp
from models.conversations import MESSAGES, message_of_stream
from tests.api_client import Answer
from tests.contract.described import of_answer, operation
from tests.contract.examples import filled, mailed, notification_id
from tests.contract.refusals import NEW_WORKFLOW, REFUSALS, Refusal
from tests.contract.rows import HOSTS
from tests.factories import grant
from tests.site import PASSWORD, Site

EXCHANGE = "/api/v1/points/exchange-from-credits"
_SECRET: Final = "a-secret-of-webhooks"


class Stage:
    """Everybody and everything that a refusal is about."""

    def __init__(self, site: Site, facts: dict[str, str], tokens: dict[str, str]) -> None:
        self.site = site
        self.facts = facts
        self._tokens = tokens

    async def call(self, refusal: Refusal, status: int) -> Answer:
        method, path = self.address(refusal)
        client = self.site.client(refusal.api, token=self._tokens.get(refusal.who))
        headers = {name: value.format(**self.facts) for name, value in refusal.headers}
        if refusal.who == "service":
            service = {
                "X-Service-Token": str(self.site.services.settings.service_token),
                "X-User-ID": self.facts["user"],
            }
            headers = {**service, **headers}
        body = filled(refusal.body, self.facts)
        return await client.request(method, path, body, status=status, headers=headers)

    def address(self, refusal: Refusal) -> tuple[str, str]:
        """Its method, and its path with what stands for its ids."""
        method, path = refusal.call.split(" ")
        return method, path.format(**self.facts)

    async def wallets(self) -> list[Any]:
        found = [await self.site.services.ledger.wallet(self.facts[name]) for name in ("user", "poor")]
        return [(wallet.credits, wallet.points, wallet.seq) for wallet in found]


def _id(registered: dict[str, Any]) -> str:
    return str(registered["data"]["user"]["id"])


async def webhooks(site: Site, user: str, other: str) -> dict[str, str]:
    """Webhooks of the hub and of both users, a delivery of the user's first, and what one may send to the hub's receiver."""
    facts = {"others_hook": await _webhook(site, other, "ai_aggregator")}
    for name, owner, api in (
        *(("hub_hook", None, "smart_ai_hub"), ("user_hook", user, "ai_aggregator")),
        ("user_p_hook", user, "ai_playground"),
    ):
        facts |= {name: await _webhook(site, owner, api), f"{name}_off": await _webhook(site, owner, api, active=False)}
    delivery = await site.services.webhooks.deliveries.test(user, "ai_aggregator", facts["user_hook"], None)
    moments = {"long_ago": timedelta(days=7, minutes=1), "before_yesterday": timedelta(2), "yesterday": timedelta(1)}
    dated = {name: timestamp(now() - age) for name, age in moments.items()}
    return {**facts, **dated, "delivery": delivery["_id"], **_received()}


async def _webhook(site: Site, owner: str | None, api: str, active: bool = True) -> str:
    url = f"http://127.0.0.1:{site.port}{RECEIVER}"
    endpoints = site.services.webhooks.endpoints
    made = await endpoints.create(None, owner, api, url, ["user.updated"], _SECRET, active)
    return str(made["_id"])


def _received() -> dict[str, str]:
    """Signatures of the body `{}` and of another, with the seconds that they are of."""
    seconds = str(int(time.time()))
    old = str(int(time.time()) - 600)
    return {
        "seconds": seconds,
        "old_seconds": old,
        "signed_otherwise": signatures.standard("evt_1", seconds, b'{"a":1}', _SECRET),
        "signed_long_ago": signatures.standard("evt_1", old, b"{}", _SECRET),
        "signed_by_another": signatures.standard("evt_1", seconds, b"{}", f"{_SECRET}s"),
    }


async def stage(site: Site) -> Stage:
    user, poor, other = await site.register(username="taken1"), await site.register(), await site.register()
    admin = await site.register()
    await site.services.identities.change_user(_id(admin), {"role": "admin"})
    await grant(site.services.ledger, _id(poor), -10_000_000)
    tokens = {"user": user["access_token"], "poor": poor["access_token"], "admin": admin["access_token"]}
    key = {"name": "A reader", "permissions": ["usage:read"]}
    client = site.client("ai_aggregator", token=tokens["user"])
    tokens["key"] = (await client.post("/v1/auth/api-keys", key, status=201)).data["key"]
    rates = (await site.client(token=tokens["admin"]).get("/api/admin/exchange-rates")).data
    email = user["user"]["email"]
    facts = {
        "user": _id(user),
        "poor": _id(poor),
        "admin": _id(admin),
        "email": email,
        "EMAIL": email.upper(),
        "other": other["user"]["email"],
        "refresh": other["data"]["tokens"]["refreshToken"],
        "reset": (await mailed(site, other["user"]["email"]))["reset_token"],
        "others_notification": await notification_id(site, _id(other)),
        "active_rate": next(rate["id"] for rate in rates if rate["isActive"]),
        "key": "a-key-that-was-used",
    }
    await site.services.identities.change_user(facts["user"], {"email_verified": True})  # who may give credits
    facts |= await webhooks(site, facts["user"], _id(other))
    facts |= {"answer": await _empty_answer(site, facts["user"]), "others_answer": await _answer(site, other)}
    facts |= await _projects(site, tokens["user"], other["access_token"])
    facts |= await _workflows(site, tokens["user"], other["access_token"])
    begun = await site.client("ai_assistant", token=other["access_token"]).post("/api/ai/chat", {"message": "Hello"})
    facts["others_conversation"] = begun.body["conversation_id"]
    used = {"Idempotency-Key": facts["key"]}
    await site.client(token=tokens["user"]).post(EXCHANGE, {"creditAmount": 1}, headers=used)
    return Stage(site, facts, tokens)


async def _projects(site: Site, user: str, other: str) -> dict[str, str]:
    """Projects of two users, whose access tokens these are; one of them was deleted."""
    owners = {"project": user, "deleted_project": user, "others_project": other}
    clients = {name: site.client("ai_assistant", token=token) for name, token in owners.items()}
    facts = {
        name: str((await client.post("/api/projects", {"name": "A project"}, status=201)).body["id"])
        for name, client in clients.items()
    }
    path = f"/api/projects/{facts['deleted_project']}"
    await clients["deleted_project"].request("DELETE", path, status=200)
    return facts


async def _workflows(site: Site, user: str, other: str) -> dict[str, str]:
    """A workflow of each of two users, whose access tokens these are, and one that is off; two addresses' secrets."""
    told = {**NEW_WORKFLOW, "enabled": False, "notify_url": "http://127.0.0.1:9/hook"}
    made = [
        (await site.client("ai_assistant", token=token).post("/api/workflows", body, status=201)).body
        for token, body in ((user, NEW_WORKFLOW), (other, NEW_WORKFLOW), (user, told))
    ]
    names = ("workflow", "others_workflow", "told_workflow")
    numbers = {name: str(each["id"]) for name, each in zip(names, made, strict=True)}
    secrets = {"workflow_secret": str(made[0]["webhook_secret"]), "off_secret": str(made[2]["webhook_secret"])}
    return {**numbers, **secrets}


async def _answer(site: Site, registered: dict[str, Any]) -> str:
    """A finished answer of a user's."""
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}], "maxTokens": 5}
    client = site.client(token=registered["access_token"])
    stream = (await client.post("/api/mcp/chat/completions", body)).headers["X-Hub-Stream-Id"]
    return str((await message_of_stream(site.services.database, stream) or {})["_id"])


async def _empty_answer(site: Site, user: str) -> str:
    """One that failed before its first word."""
    message = {
        "_id": "msg_empty",
        "user": user,
        "conversation": None,
        "role": "assistant",
        "content": "",
        "lengths": [],
    }
    message |= {"model": "gpt-4", "stream": "chat_empty", "status": "failed", "created_at": now()}
    await site.services.database[MESSAGES].insert_one(message)
    return "msg_empty"


@pytest.mark.gen_test
async def test_what_is_refused_is_told_by_its_documented_status_and_code(site: Site) -> None:
    made = await stage(site)
    wrong = []
    for refusal in REFUSALS:
        if refusal.first is not None:
            await made.call(refusal, refusal.first)
        before = await made.wallets()
        status, code = refusal.outcome
        answer = await made.call(refusal, status)
        undescribed = of_answer(operation(*made.address(refusal)), status, answer.headers, answer.body)
        told = answer.code == code and (code != "INVALID_REQUEST" or _reasoned(answer.body["error"]["details"]))
        if not told or undescribed or await made.wallets() != before:
            wrong.append((refusal.call, refusal.reason, answer.body, undescribed))
    assert wrong == []
    assert [difference async for difference in audit(site.services.database)] == []
    await site.client().post("/api/auth/login", {"email": made.facts["email"], "password": PASSWORD})


def _reasoned(details: Any) -> bool:
    """AI Aggregator's form of what is wrong with a request."""
    return all(isinstance(details.get(name), str) and details[name] for name in ("field", "reason"))


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("api", "path", "code"),
    [
        ("smart_ai_hub", "/api/auth/login", "INTERNAL_ERROR"),
        ("ai_aggregator", "/v1/chat/completions", "INTERNAL_ERROR"),
        ("ai_playground", "/api/auth/login", "SERVER_ERROR"),
        ("ai_assistant", "/api/auth/login", "INTERNAL_ERROR"),
    ],
)
async def test_what_nobody_foresaw_is_told_without_its_words(
    site: Site, monkeypatch: pytest.MonkeyPatch, api: str, path: str, code: str
) -> None:
    client = site.client(api, token=await site.token())
    met: list[str] = []

    async def defect(*args: Any) -> Any:
        met.append(api)
        raise RuntimeError("CANARY mongodb://hub:word@10.0.0.1")

    monkeypatch.setattr("hub.identity.Identities.login", defect)
    monkeypatch.setattr("hub.chat.Chat.start", defect)
    bodies = {
        "/api/auth/login": {"email": "user1@example.com", "password": PASSWORD},
        "/v1/chat/completions": {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}]},
    }
    answer = await client.post(path, bodies[path], status=500, headers={"Host": HOSTS[api]})
    assert (answer.code, met) == (code, [api])
    told = f"{answer.body} {list(answer.headers.get_all())}"
    assert "CANARY" not in told and "RuntimeError" not in told and "mongodb" not in told
