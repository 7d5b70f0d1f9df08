"""SIGKILL in the middle of executions, again and again: each comes to its end, charged, asked and mailed once."""

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from models.database import Database, Document
from models.executions import EXECUTIONS
from models.users import USERS
from models.workflow_letters import WORKFLOW_LETTERS
from tests.api_client import ApiClient
from tests.conftest import StartHub
from tests.integration.workflows.owner import Owner, ai_call, http_request, manual, send_email, transform
from tests.length import length
from tests.patience import until
from tests.running_hub import RunningHub
from tests.stand_ins.base import Scenario
from tests.stand_ins.openai_server import OpenAIStandIn
from tests.stand_ins.smtp_server import Inbox
from tests.stand_ins.webhook_receiver import WebhookReceiver, hangs, slowly

Json = dict[str, Any]
KILLS: Final = length(2, 20)
BEGUN_AT_ONCE: Final = 2
KILL_SECONDS_MAX: Final = 2.0  # after they were begun; each takes about as long
ITEMS: Final = 2
AI_CALLS: Final = 2 + ITEMS
LETTERS: Final = 2
END_SECONDS_MAX: Final = 90.0
SEED: Final = int(os.environ.get("HUB_SEED", "7"))


@dataclass
class Met:
    """What kills met: those at which executions were under way, and by letter, how often one was on its way."""

    executions: int = 0
    letters: Counter[str] = field(default_factory=Counter)

    async def look(self, database: Database) -> None:
        """The hub is dead by now: what it had claimed is claimed still."""
        at_work = {"status": "running", "claim": {"$ne": None}}
        self.executions += await database[EXECUTIONS].count(at_work) > 0
        on_their_way = {"status": "waiting", "claim": {"$ne": None}}
        claimed = await database[WORKFLOW_LETTERS].find(on_their_way, limit=1_000)
        self.letters.update(letter["_id"] for letter in claimed)


def ten_nodes(receiver: WebhookReceiver) -> Json:
    """Three ways side by side, a condition, items, a pause, and what leaves the hub at the beginning and the end."""
    each = {"id": "said", **ai_call("Say {{item}}")}
    nodes: Json = {
        "ask": ai_call("Say {{word}}"),
        "post": http_request(receiver.url("a"), body={"word": "{{word}}"}),
        "mail": send_email("first@example.com", body="{{word}}"),
        "again": ai_call("Say it again: {{ask.output}}"),
        "is_long": {"type": "condition", "config": {"left": "{{word}}", "operator": "starts_with", "right": "w"}},
        "long": transform(said="{{word}}"),
        "items": {"type": "for_each", "config": {"items": ["a", "b"], "do": each}},
        "pause": {"type": "delay", "config": {"seconds": 0.3}},
        "told": http_request(receiver.url("b"), body={"said": "{{long.output.said}}"}),
        "last": send_email("last@example.com", body="{{again.output}} {{items.output[0]}}"),
    }
    drawn = "t>ask ask>again t>post t>mail post>is_long is_long>long:true long>told"
    return manual(f"{drawn} again>items items>pause pause>last told>last", **nodes)


@pytest.fixture
def provider() -> Iterator[OpenAIStandIn]:
    """From a thread: it answers while a hub is being killed and started."""
    made = OpenAIStandIn(default=Scenario(first_token_seconds=0.2))
    with made.in_thread():
        yield made


@pytest.fixture
def hub(start_hub: StartHub, calling: dict[str, str], provider: OpenAIStandIn) -> RunningHub:
    return start_hub(OPENAI_BASE_URL=provider.base_url, OPENAI_API_KEY="sk-test", **calling)


@pytest.mark.faults
@pytest.mark.gen_test(timeout=400)
@pytest.mark.timeout(420)
async def test_what_a_killed_hub_was_at_comes_to_its_end_once(
    mongod_uri: str, hub: RunningHub, receiver: WebhookReceiver, inbox: Inbox
) -> None:
    sys.stdout.write(f"SEED={SEED}\n")
    chance, met = random.Random(SEED), Met()
    receiver.behave("a", slowly(0.2))
    owner = Owner(ApiClient(hub.port, "ai_assistant", token=await asyncio.to_thread(hub.register)))
    workflow = await owner.make(ten_nodes(receiver))
    begun: list[str] = []
    database = Database(mongod_uri, hub.database)
    await database[USERS].update_many({}, {"$set": {"email_verified": True}})  # who has not writes fewer letters
    try:
        for number in range(KILLS):
            begun += [await owner.begin(workflow, data={"word": f"w{number}"}) for _ in range(BEGUN_AT_ONCE)]
            await asyncio.sleep(chance.uniform(0, KILL_SECONDS_MAX))
            await asyncio.to_thread(hub.kill)
            await met.look(database)
            await asyncio.to_thread(hub.start)
        await until(lambda: _all_ended(database), END_SECONDS_MAX)
        await _check_once(database, begun, receiver)
        await until(lambda: _all_sent(database), END_SECONDS_MAX)
    finally:
        await database.close()
    assert met.executions >= KILLS / 2
    assert len(_mailed(inbox)) == LETTERS * len(begun)
    again = {letter: count - 1 for letter, count in _mailed(inbox).items() if count > 1}
    assert {letter: times for letter, times in again.items() if times > met.letters[letter]} == {}


async def _all_ended(database: Database) -> bool:
    return await database[EXECUTIONS].count({"status": "running"}) == 0


async def _all_sent(database: Database) -> bool:
    return await database[WORKFLOW_LETTERS].count({"status": {"$ne": "sent"}}) == 0


async def _check_once(database: Database, begun: list[str], receiver: WebhookReceiver) -> None:
    found = await database[EXECUTIONS].find({}, limit=1_000)
    assert sorted(each["_id"] for each in found) == sorted(begun)
    assert {each["status"] for each in found} == {"completed"}, [each.get("error") for each in found]
    entries = await database["entries"].find({"kind": "usage"}, limit=10_000)
    assert len({entry["metadata"]["stream"] for entry in entries}) == len(entries) == AI_CALLS * len(begun)
    assert -sum(entry["amount"] for entry in entries) == sum(each["spent_micro"] for each in found)
    assert await database["holds"].count({}) == 0
    letters = await database["workflow_letters"].find({}, limit=1_000)
    assert Counter(letter["execution"] for letter in letters) == Counter(dict.fromkeys(begun, LETTERS))
    keys = {got.headers["idempotency-key"] for path in ("a", "b") for got in receiver.got[path]}
    assert keys == {f"{execution}/{node}" for execution in begun for node in ("post", "told")}


def _mailed(inbox: Inbox) -> Counter[str]:
    """How often each letter came, by its id, which its Message-ID begins with."""
    ours = ("first@example.com", "last@example.com")
    ids = (str(letter["Message-ID"]) for letter in inbox.letters if letter["To"] in ours)
    return Counter(each.removeprefix("<").partition("@")[0] for each in ids)


@pytest.mark.gen_test(timeout=100)
async def test_a_hub_that_ends_in_order_leaves_what_it_was_at(
    mongod_uri: str, hub: RunningHub, receiver: WebhookReceiver, provider: OpenAIStandIn
) -> None:
    receiver.behave("a", hangs)
    provider.script(Scenario("hang_first"))
    owner = Owner(ApiClient(hub.port, "ai_assistant", token=await asyncio.to_thread(hub.register)))
    nodes = {"a": http_request(receiver.url("a"), timeout_seconds=15), "b": ai_call()}
    workflow = await owner.make(manual("t>a t>b a>c b>c", **nodes))
    execution = await owner.begin(workflow)
    await until(lambda: receiver.got["a"] and provider.requests)
    assert await asyncio.to_thread(hub.stop) == 0
    database = Database(mongod_uri, hub.database)
    left: Document | None = await database[EXECUTIONS].find_one({"_id": execution})
    await database.close()
    assert left is not None and (left["status"], left["claim"]) == ("running", None)
    receiver.behave("a", slowly(0))
    await asyncio.to_thread(hub.start)
    ended = await owner.ended(workflow, execution)
    assert ended["status"] == "completed" and ended["result"]["credits_used"] > 0
    assert {got.headers["idempotency-key"] for got in receiver.got["a"]} == {f"{execution}/a"}
