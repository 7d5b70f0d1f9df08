"""Answers that belong to a project: by which model, what they are counted for, and that a budget is never exceeded."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from config import limits
from hub.prices import charge_micro
from hub.tokens import count_messages
from models import wallets
from models.database import Document
from models.usage import USAGE
from tests.api_client import ApiClient
from tests.ledger_parts import differences
from tests.patience import until
from tests.site import Site
from tests.ws_client import Client

pytestmark = [pytest.mark.gen_test, pytest.mark.usefixtures("nothing_left_open")]

PROJECTS, CHAT, HISTORY, KEYS = "/api/projects", "/api/ai/chat", "/api/history", "/v1/auth/api-keys"
SOCKETS, EACH, TOKENS = 4, 16, 40
ONE_CREDIT = 1_000_000
QUESTION = "Tell me something"


@dataclass(frozen=True)
class Owner:
    """A signed-in user of a site, with projects."""

    site: Site
    user: str
    token: str

    @property
    def client(self) -> ApiClient:
        return self.site.client("ai_assistant", token=self.token)

    async def project(self, **settings: Any) -> int:
        made = await self.client.post(PROJECTS, {"name": "A project", "settings": settings}, status=201)
        return int(made.body["id"])

    async def change(self, number: int, **settings: Any) -> None:
        await self.client.request("PUT", f"{PROJECTS}/{number}", {"settings": settings}, status=200)

    async def delete(self, number: int) -> None:
        await self.client.request("DELETE", f"{PROJECTS}/{number}", status=200)

    async def stats(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"{PROJECTS}/{number}")).body["stats"]
        return found

    async def socket(self, site: Site | None = None, token: str | None = None) -> Client:
        socket = await Client.open((site or self.site).port)
        await socket.request("connect", token=token or self.token)
        return socket

    async def rows(self, number: int | None) -> list[Document]:
        """The usage rows of a project, or of none."""
        of = {"$exists": False} if number is None else number
        return await self.site.services.database[USAGE].find({"user": self.user, "project": of}, limit=1_000)


async def owner_of(site: Site) -> Owner:
    registered = await site.register()
    return Owner(site, registered["data"]["user"]["id"], registered["access_token"])


async def asked(socket: Client, **fields: Any) -> dict[str, Any]:
    """The last frame of an answer, or the error that there is none."""
    started = await socket.request("chat.start", **{"message": QUESTION, "max_tokens": 5, **fields})
    return started if "error" in started else (await socket.answer_of(started["stream_id"]))[1]


async def refused(socket: Client, **fields: Any) -> dict[str, Any]:
    error: dict[str, Any] = (await asked(socket, **fields))["error"]
    return error


async def assert_counted(owner: Owner, number: int, limit: float) -> int:
    """Nothing is held any more; what is counted is what was charged, and within the limit. In micro-credits."""
    await until(lambda: not len(owner.site.services.streams))
    assert await wallets.holds_open(owner.site.services.database) == 0
    spent = sum(row["charged"] for row in await owner.rows(number))
    stats = await owner.stats(number)
    assert (stats["credits_held"], stats["credits_used"]) == (0, spent / ONE_CREDIT)
    found, _ = await wallets.entries(owner.site.services.database, owner.user, "credit", skip=0, limit=1_000)
    assert -sum(entry["amount"] for entry in found if entry["metadata"].get("project") == number) == spent
    assert 0 < spent <= limit * ONE_CREDIT
    assert await differences(owner.site.services.database) == []
    return spent


async def test_a_conversation_begun_in_a_project_belongs_to_it(site: Site) -> None:
    owner = await owner_of(site)
    number, other = await owner.project(), await owner.project()
    socket = await owner.socket()
    await asked(socket, project_id=number, model="claude-3")
    (conversation,) = (await socket.request("conversations.list"))["conversations"]
    assert conversation["project_id"] == number
    named = {"conversation_id": conversation["id"], "model": "gpt-4"}
    await asked(socket, **named)
    await asked(socket, **named, project_id=number)
    error = await refused(socket, **named, project_id=other)
    assert error["code"] == "VALIDATION_ERROR" and error["details"][0]["field"] == "project_id"
    assert f"project {number}" in error["message"]
    await asked(socket, model="gpt-4")
    assert [len(await owner.rows(of)) for of in (number, other, None)] == [3, 0, 1]
    await assert_counted(owner, number, limit=1)
    assert (await owner.stats(other))["credits_used"] == 0
    listed = {project["id"]: project["credits_used"] for project in (await owner.client.get(PROJECTS)).body["projects"]}
    assert listed == {of: (await owner.stats(of))["credits_used"] for of in (number, other)}


async def test_a_conversation_of_no_project_joins_none(site: Site) -> None:
    owner = await owner_of(site)
    number, socket = await owner.project(), await owner.socket()
    await asked(socket, model="gpt-4")
    (conversation,) = (await socket.request("conversations.list"))["conversations"]
    assert conversation["project_id"] is None
    error = await refused(socket, model="gpt-4", conversation_id=conversation["id"], project_id=number)
    assert error["code"] == "VALIDATION_ERROR" and "no project" in error["message"]


async def test_the_model_is_the_requests_the_projects_or_the_hubs(site: Site) -> None:
    owner = await owner_of(site)
    number, bare, socket = await owner.project(default_model="claude-3"), await owner.project(), await owner.socket()
    await asked(socket, project_id=number)
    await asked(socket, project_id=number, model="minimax")
    await asked(socket, project_id=bare)
    await owner.change(number, default_model=None)
    await asked(socket, project_id=number)
    rows = [*await owner.rows(number), *await owner.rows(bare)]
    assert sorted(row["model"] for row in rows) == ["claude-3", "gpt-4", "gpt-4", "minimax"]
    nameless = await socket.reply(socket.send_unchecked("chat.start", message=QUESTION))
    assert nameless["error"]["details"][0]["field"] == "model"


async def test_a_project_that_is_not_ones_own_or_was_deleted_answers_nothing(site: Site) -> None:
    owner, other = await owner_of(site), await owner_of(site)
    foreign, number = await other.project(), await owner.project()
    socket = await owner.socket()
    await asked(socket, project_id=number)
    (conversation,) = (await socket.request("conversations.list"))["conversations"]
    await owner.delete(number)
    named = {"conversation_id": conversation["id"], "model": "gpt-4"}
    for fields in ({"project_id": foreign}, {"project_id": 10**9}, {"project_id": number}, named):
        assert (await refused(socket, **fields))["code"] == "RESOURCE_NOT_FOUND", fields
    for wrong in ("1", 0, -1, 1.0, True, [1], None, 2**53 + 1):
        reply = await socket.reply(socket.send_unchecked("chat.start", message=QUESTION, project_id=wrong))
        assert (reply["error"]["code"], reply["error"]["details"][0]["field"]) == ("VALIDATION_ERROR", "project_id")
    await owner.client.post(f"{PROJECTS}/{number}/restore")
    await asked(socket, **named)
    assert len(await owner.rows(number)) == 2
    await assert_counted(owner, number, limit=1)


async def test_a_conversation_by_rest_stays_in_its_project_and_the_history_finds_it(site: Site) -> None:
    owner, other = await owner_of(site), await owner_of(site)
    number, foreign = await owner.project(default_model="claude-3", budget_limit=1), await other.project()
    first = (await owner.client.post(CHAT, {"message": QUESTION, "project_id": number, "max_tokens": 5})).body
    assert first["model"] == "claude-3"
    named = {"message": QUESTION, "conversation_id": first["conversation_id"], "max_tokens": 5}
    await owner.client.post(CHAT, named)
    await owner.client.post(CHAT, {**named, "project_id": number})
    await owner.client.post(CHAT, {"message": "Something else", "max_tokens": 5})
    for wrong in (await owner.project(), 0, "1", 1.5, True, 2**53 + 1):
        refusal = (await owner.client.post(CHAT, {**named, "project_id": wrong}, status=400)).body["error"]
        assert (refusal["code"], refusal["details"]["field"]) == ("INVALID_INPUT", "project_id"), wrong
    for nobodys in (foreign, 10**9):
        asking = {"message": QUESTION, "project_id": nobodys}
        assert (await owner.client.post(CHAT, asking, status=404)).code == "RESOURCE_NOT_FOUND"
        await owner.client.get(f"{HISTORY}?project_id={nobodys}", status=404)
    assert [len(await owner.rows(of)) for of in (number, None)] == [3, 1]
    for query, count in (("", 2), (f"?project_id={number}", 1), (f"?project_id={number}&search=else", 0)):
        found = (await owner.client.get(HISTORY + query)).body
        assert (found["total"], len(found["conversations"])) == (count, count), query
    assert (await owner.client.get(f"{HISTORY}?project_id=x", status=400)).code == "INVALID_INPUT"
    await owner.change(number, budget_limit=0.000001)
    refused = (await owner.client.post(CHAT, named, status=402)).body["error"]
    assert refused["code"] == "INSUFFICIENT_CREDITS" and "budget of this project" in refused["message"]
    await owner.change(number, budget_limit=None)
    await owner.delete(number)
    await owner.client.post(CHAT, named, status=404)
    await owner.client.post(f"{PROJECTS}/{number}/restore")
    await owner.client.post(CHAT, named)
    await assert_counted(owner, number, limit=1)


async def everybody(sockets: list[Client], **fields: Any) -> Counter[str]:
    """How as many answers as the sockets carry end, all asked for at once."""

    async def of(socket: Client) -> list[str]:
        sent = [socket.send("chat.start", message=QUESTION, max_tokens=TOKENS, **fields) for _ in range(EACH)]
        replies = [await socket.reply(command) for command in sent]
        said = [reply["error"]["message"] for reply in replies if "error" in reply]
        assert all("budget of this project, 1 credits in all" in message for message in said), said
        ends = [(await socket.answer_of(reply["stream_id"]))[1] for reply in replies if "error" not in reply]
        return ["refused" for _ in said] + [end.get("detail") or end["finish_reason"] for end in ends]

    return Counter(end for ends in await asyncio.gather(*map(of, sockets)) for end in ends)


async def test_two_nodes_share_one_budget_to_its_last_token(
    dear_sites: list[Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 answers would cost more than one and a half credits."""
    monkeypatch.setattr(limits, "STREAMS_PER_USER_MAX", SOCKETS * EACH)
    site = dear_sites[0]
    owner = await owner_of(site)
    number = await owner.project(budget_limit=1, default_model="gpt-4")
    sockets = [await owner.socket(dear_sites[place % 2]) for place in range(SOCKETS)]
    ends = await everybody(sockets, project_id=number)
    assert ends["refused"] + ends["insufficient_credits"] > 0 and ends.total() == SOCKETS * EACH, ends
    await until(lambda: not len(dear_sites[1].services.streams))
    await assert_counted(owner, number, limit=1)
    while "error" not in await asked(sockets[0], project_id=number, max_tokens=TOKENS):
        pass
    spent = await assert_counted(owner, number, limit=1)
    model = site.services.catalogue["gpt-4"]
    prompt = count_messages(model.vocabulary, [{"role": "user", "content": QUESTION}])
    assert ONE_CREDIT - spent < charge_micro(model, prompt, 1)


async def test_a_key_in_a_project_is_held_to_the_tighter_of_both_budgets(site: Site) -> None:
    owner = await owner_of(site)
    body = {"name": "A key", "creditLimit": 0.02}
    key = (await site.client("ai_aggregator", token=owner.token).post(KEYS, body, status=201)).data
    number = await owner.project(budget_limit=0.01)
    socket = await owner.socket(token=key["key"])
    end = await asked(socket, project_id=number, max_tokens=400)
    assert (end["finish_reason"], end["detail"]) == ("length", "insufficient_credits")
    assert end["receipt"]["charged"] == 0.01, "the delta that crosses the limit is charged what is left"
    error = await refused(socket, project_id=number)
    assert error["code"] == "INSUFFICIENT_CREDITS"
    assert "The budget of this project, 0.01 credits in all, does not suffice" in error["message"]
    await owner.change(number, budget_limit=5)
    end = await asked(socket, project_id=number, max_tokens=400)
    assert end["detail"] == "insufficient_credits" and end["receipt"]["charged"] == 0.01
    error = await refused(socket, project_id=number)
    assert "The budget of this API key, 0.02 credits in all, does not suffice" in error["message"]
    assert "error" not in await asked(await owner.socket(), project_id=number), (
        "its owner is held to the project's alone"
    )
    wallet = await wallets.wallet(site.services.database, owner.user)
    assert wallet is not None and wallet["budgets"][key["id"]]["spent"]["amount"] == 20_000
    await assert_counted(owner, number, limit=5)


async def test_a_budget_that_is_lowered_raised_or_lifted_holds_from_the_next_request_on(site: Site) -> None:
    owner = await owner_of(site)
    number, socket = await owner.project(), await owner.socket()
    await asked(socket, project_id=number, max_tokens=100)
    used = (await owner.stats(number))["credits_used"]
    assert used > 0.002, "what is spent without a limit counts as soon as there is one"
    await owner.change(number, budget_limit=0.002)
    assert (await refused(socket, project_id=number))["code"] == "INSUFFICIENT_CREDITS"
    await owner.change(number, budget_limit=used + 0.001)
    assert (await asked(socket, project_id=number, max_tokens=400))["detail"] == "insufficient_credits"
    await assert_counted(owner, number, limit=used + 0.001)
    await owner.change(number, budget_limit=None)
    assert (await asked(socket, project_id=number))["receipt"]["charged"] > 0


@pytest.fixture
def slow_site(serve: Callable[..., Site]) -> Site:
    """An answer of 400 tokens takes it eight seconds."""
    return serve(HUB_RATE_LIMITS="off", HUB_SANDBOX_TOKENS_PER_SECOND="50")


async def test_what_runs_while_its_project_is_deleted_is_counted_all_the_same(slow_site: Site) -> None:
    owner = await owner_of(slow_site)
    number, socket = await owner.project(), await owner.socket()
    started = await socket.request("chat.start", message=QUESTION, project_id=number, max_tokens=400)
    await socket.push("chat.delta", stream_id=started["stream_id"])
    assert (await owner.stats(number))["credits_held"] > 0
    await owner.delete(number)
    await socket.request("chat.stop", stream_id=started["stream_id"])
    end = (await socket.answer_of(started["stream_id"]))[1]
    assert end["receipt"]["charged"] > 0
    await owner.client.post(f"{PROJECTS}/{number}/restore")
    assert await assert_counted(owner, number, limit=1) == round(end["receipt"]["charged"] * ONE_CREDIT)
