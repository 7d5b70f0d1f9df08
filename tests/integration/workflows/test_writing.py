"""What a turn writes and is not told of, what it puts off, and what it leaves when it breaks."""

from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from config import workflows as limits
from models.clock import now
from models.executions import EXECUTIONS
from tests.integration.workflows.owner import (
    Owner,
    ai_call,
    at_rest,
    database_of,
    given_back,
    kept,
    manual,
    stands,
    stolen,
    transform,
)
from tests.ledger_parts import fail_point
from tests.patience import until
from tests.site import Site
from tests.stand_ins.base import Scenario
from tests.stand_ins.openai_server import OpenAIStandIn
from tests.stand_ins.telegram_bot_api import TOKEN, TelegramBotApi

Json = dict[str, Any]
SECOND = {"type": "delay", "config": {"seconds": 1}}
HOUR = {"type": "delay", "config": {"seconds": 3_600}}
LOST: Json = {"writeConcernError": {"code": 100, "errmsg": "gone"}}  # it is written, and whoever wrote is not told


# --- answers that are lost ----------------------------------------------------------------------------------------


def claims_lost(site: Site) -> bool:
    return b"hub_claims_lost_total 0.0" not in site.services.metrics.exposition()


@pytest.mark.gen_test(timeout=60)
async def test_an_end_whose_answer_is_lost_is_no_lost_claim(site: Site, mongod_uri: str) -> None:
    owner = await Owner.at(site)
    workflow = await owner.make(manual("t>w w>a", w=SECOND, a=transform(a=1)))
    execution = await owner.begin(workflow)
    await at_rest(site, execution)
    async with fail_point(mongod_uri, {"times": 1}, ["commitTransaction"], **LOST):
        ended = await owner.ended(workflow, execution)
        await until(lambda: not site.services.automation.engine.at_work)
    assert ended["status"] == "completed" and not claims_lost(site)
    assert b'hub_executions_total{status="completed"} 1.0' in site.services.metrics.exposition()
    assert await database_of(site)["events"].count({"type": "workflow.executed"}) == 1


@pytest.mark.gen_test(timeout=60)
async def test_a_release_whose_answer_is_lost_is_no_lost_claim(site: Site, mongod_uri: str) -> None:
    """The first write is the step's, the second one frees the claim."""
    owner = await Owner.at(site)
    workflow = await owner.make(manual("t>a", a=HOUR))
    where = {"namespace": f"{database_of(site).name}.{EXECUTIONS}"}
    async with fail_point(mongod_uri, {"skip": 1}, ["update"], **LOST, **where):
        await at_rest(site, await owner.begin(workflow))
    await until(lambda: not site.services.automation.engine.at_work)
    assert not claims_lost(site)


# --- what is put off ----------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_a_message_that_was_put_off_is_sent(telegram_site: Site, telegram: TelegramBotApi) -> None:
    """Nobody was asked before: that is known."""
    owner = await Owner.at(telegram_site)
    bot = {"integration_type": "telegram", "bot_token": TOKEN, "chat_id": "123456789"}
    await owner.client.post("/api/integrations/connect", bot)
    say = {"type": "telegram_message", "config": {"text": "Hello"}}
    workflow = await owner.make(manual("t>w w>a", w=SECOND, a=say))
    execution = await owner.begin(workflow)
    await at_rest(telegram_site, execution)
    put_off = {"status": "waiting", "attempt": 1, "put_off": 1, "due_at": now()}
    known = {"steps.a": put_off, "steps.w": {"status": "completed", "attempt": 1}}
    await database_of(telegram_site)[EXECUTIONS].update_one({"_id": execution}, {"$set": known})
    ended = await owner.ended(workflow, execution)
    assert ended["status"] == "completed" and len(telegram.sent) == 1


# --- what cannot go on --------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_what_broke_leaves_no_answer_that_is_still_made(
    provided_site: Site, provider: OpenAIStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EXECUTION_BROKEN_MAX", 1)
    site = provided_site
    provider.script(Scenario("hang_first"))
    owner = await Owner.at(site)
    execution = await owner.begin(await owner.make(manual("t>a t>b", a=ai_call(), b=HOUR)))
    await until(lambda: provider.requests)
    await stolen(site, execution)
    await until(lambda: not site.services.automation.engine.at_work)
    senseless = {"$set": {"steps.b": {"status": "running"}, "spent_micro": 5}}
    await database_of(site)[EXECUTIONS].update_one({"_id": execution}, senseless)
    await given_back(site, execution)
    await until(partial(stands, database_of(site), execution, "status", "failed"))
    await provider.wait_cancelled()
    found = await kept(site, execution)
    assert (found["error"]["code"], found["spent_micro"]) == ("internal", 5)
    assert not len(site.services.streams) and await owner.balance() == 10


@pytest.mark.gen_test(timeout=60)
async def test_what_is_nested_too_deeply_is_no_output(site: Site) -> None:
    """Each wraps what the one before gave: all it takes is a chain."""
    owner, names = await Owner.at(site), "abcdefghijkl"
    nodes = {name: transform(v=wrapped(f"{{{{{before}.output}}}}")) for before, name in pairwise(names)}
    drawn = " ".join(f"{before}>{name}" for before, name in pairwise("t" + names))
    ended = await owner.executed(manual(drawn, **nodes))
    assert ended["status"] == "failed" and ended["result"]["error"]["reason"] == "too_large"
    assert "nested deeper than 64" in ended["result"]["error"]["message"]


def wrapped(value: Any) -> Any:
    for _ in range(6):
        value = [value]
    return value
