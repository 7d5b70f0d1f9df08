"""What breaks an answer off at an awkward moment: nothing is charged that was not relayed, nothing is given away."""

import asyncio
from typing import Any

import pytest

from config import limits
from hub.errors import Code, HubError
from hub.idempotency import IdempotencyKey
from hub.ledger import Hold, Ledger
from hub.operations import Applied, Operation, SettleHold
from hub.prices import charge_micro
from models import idempotency, wallets
from tests.factories import ask, grant
from tests.integration.chat.parts import Scene
from tests.stand_ins.base import Scenario

pytestmark = pytest.mark.gen_test


async def test_deltas_that_wait_for_credits_are_not_charged(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, stopped = asyncio.Event(), asyncio.Event()

    async def slow(*args: Any) -> int:
        asked.set()
        await stopped.wait()
        raise HubError(Code.UNAVAILABLE, "too late")

    monkeypatch.setattr(Hold, "extend", slow)
    scene.provider.default = Scenario(chunks=2_000)  # one burst, far beyond the first lease
    stream = (await scene.services.chat.start(scene.user, ask())).stream
    await asyncio.wait_for(asked.wait(), 5)
    monkeypatch.undo()
    await scene.services.chat.stop(scene.user, stream.id)
    await asyncio.sleep(0)
    stopped.set()
    outcome = await asyncio.wait_for(scene.finished(stream), 5)

    assert outcome.usage.completion_tokens == stream.offset
    assert (outcome.usage.prompt_tokens > 0) == (stream.offset > 0)
    await scene.assert_sound()


@pytest.mark.parametrize("broken", ["stopped", "away"])
async def test_an_answer_that_came_whole_and_was_relayed_in_part_is_charged_in_part(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """One read brings more than the first lease, the finish, and a usage that is of all of it."""
    asked, going_on = asyncio.Event(), asyncio.Event()

    async def slow(*args: Any) -> int:
        asked.set()
        await going_on.wait()
        raise HubError(Code.INTERNAL, "the hold cannot grow")

    monkeypatch.setattr(Hold, "extend", slow)
    scene.provider.default = Scenario(chunks=300)
    stream = (await scene.services.chat.start(scene.user, ask())).stream
    await asyncio.wait_for(asked.wait(), 5)
    monkeypatch.undo()
    if broken == "stopped":
        await scene.services.chat.stop(scene.user, stream.id)
        await asyncio.sleep(0)
    going_on.set()
    outcome = await asyncio.wait_for(scene.finished(stream), 5)

    assert stream.offset < 300
    assert outcome.usage.completion_tokens == stream.offset and outcome.usage_source == "counted"
    assert outcome.finish_reason == ("cancelled" if broken == "stopped" else None)
    await scene.assert_sound()


async def test_credits_that_end_in_the_middle_of_a_read_pay_for_what_was_relayed(scene: Scene) -> None:
    await grant(scene.services.ledger, scene.user.user_id, -10_000_000 + 5_000)
    scene.provider.default = Scenario(chunks=300)
    stream = (await scene.services.chat.start(scene.user, ask())).stream
    outcome = await asyncio.wait_for(scene.finished(stream), 5)

    assert outcome.detail == "insufficient_credits"
    assert outcome.usage.completion_tokens == stream.offset < 300
    await scene.assert_sound()


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_provider_that_never_ends_is_ended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    """Its comments keep the connection from looking idle."""
    monkeypatch.setattr(limits, "GENERATION_SECONDS_MAX", 0.3)
    kind = "comments" if streamed else "hang_mid"
    scene.provider.default = Scenario(kind, interval_seconds=0.02)
    stream = (await scene.services.chat.start(scene.user, ask(streamed=streamed))).stream
    outcome = await asyncio.wait_for(scene.finished(stream), 5)

    assert outcome.error is not None and outcome.error.message == "The answer took too long"
    assert outcome.receipt is not None and outcome.receipt.charged == 0
    await scene.provider.wait_cancelled()
    await scene.assert_sound()


async def test_a_settlement_that_fails_leaves_the_hold_to_the_sweeper(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Ledger.commit

    async def failing(self: Ledger, operation: Operation) -> Applied:
        if any(isinstance(change, SettleHold) and change.charge for change in operation.holds):
            raise HubError(Code.INTERNAL, "it cannot be written")
        return await commit(self, operation)

    monkeypatch.setattr(Ledger, "commit", failing)
    scene.provider.default = Scenario(chunks=5)
    stream = (await scene.services.chat.start(scene.user, ask())).stream
    outcome = await asyncio.wait_for(scene.finished(stream), 5)

    assert outcome.error is not None
    assert await wallets.holds_open(scene.services.database) == 1
    monkeypatch.undo()
    assert await scene.services.sweeper.sweep() == 1
    assert (await scene.message(stream))["status"] == "interrupted"
    assert not scene.services.ledger.unsettled
    await scene.assert_sound()


async def test_an_answer_that_our_own_code_breaks_is_taken_back(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("a defect of ours")

    monkeypatch.setattr(scene.services.metrics, "generation_began", broken)
    key = IdempotencyKey.of(scene.user.user_id, "key", "POST", "/", {})
    stream = (await scene.services.chat.start(scene.user, ask(idempotency=key))).stream
    outcome = await asyncio.wait_for(scene.finished(stream), 5)

    assert outcome.error is not None
    assert (await scene.message(stream))["status"] == "failed"
    assert await idempotency.record(scene.services.database, key.id) is None
    await scene.assert_sound()


async def test_a_key_whose_answer_never_began_may_try_again(scene: Scene) -> None:
    scene.provider.script(Scenario("hang_first"))
    key = IdempotencyKey.of(scene.user.user_id, "key", "POST", "/", {})
    stream = (await scene.services.chat.start(scene.user, ask(idempotency=key, streamed=False))).stream
    while not scene.provider.requests:
        await asyncio.sleep(0.01)
    await scene.services.chat.stop(scene.user, stream.id)
    outcome = await asyncio.wait_for(scene.finished(stream), 5)
    assert outcome.finish_reason == "cancelled" and outcome.usage.prompt_tokens == 0

    again = (await scene.services.chat.start(scene.user, ask(idempotency=key, streamed=False))).stream
    assert again.id != stream.id
    assert (await scene.finished(again)).finish_reason == "stop"
    await scene.assert_sound()


async def test_a_user_has_no_more_answers_at_once_than_allowed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many requests pass the first look together, while their prompts are counted."""
    monkeypatch.setattr(limits, "STREAMS_PER_USER_MAX", 3)
    scene.provider.default = Scenario("hang_mid", chunks=2)
    prompt = "word " * 14_000  # long enough to be counted in pieces
    begun = await asyncio.gather(
        *(scene.services.chat.start(scene.user, ask(prompt, model="gpt-3.5-turbo")) for _ in range(8)),
        return_exceptions=True,
    )
    refused = [error for error in begun if isinstance(error, HubError)]
    assert [error.code for error in refused] == [Code.RATE_LIMITED] * 5
    await scene.services.chat.drain(0)
    await scene.assert_sound()


async def test_an_almost_empty_wallet_is_not_asked_for_each_delta(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await grant(scene.services.ledger, scene.user.user_id, -10_000_000 + 9_000)  # 150 tokens of answer
    extend, extensions = Hold.extend, 0

    async def counted(self: Hold, *args: Any) -> int:
        nonlocal extensions
        extensions += 1
        return await extend(self, *args)

    monkeypatch.setattr(Hold, "extend", counted)
    scene.provider.default = Scenario(chunks=400, interval_seconds=0.005)
    stream = (await scene.services.chat.start(scene.user, ask())).stream
    outcome = await asyncio.wait_for(scene.finished(stream), 20)

    assert outcome.detail == "insufficient_credits"
    assert extensions <= 4
    assert (await scene.services.ledger.wallet(scene.user.user_id)).credits == 0
    await scene.assert_sound()


async def test_a_lease_that_could_not_be_had_is_not_doubled(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database is away one renewal after the other fails."""
    monkeypatch.setattr(limits, "RENEWAL_PAUSE_SECONDS", 0.02)
    extend, wanted = Hold.extend, list[int]()

    async def away_at_first(self: Hold, want: int, *rest: Any) -> int:
        wanted.append(want)
        if len(wanted) <= 6:
            raise HubError(Code.UNAVAILABLE, "away")
        return await extend(self, want, *rest)

    monkeypatch.setattr(Hold, "extend", away_at_first)
    scene.provider.default = Scenario(chunks=300, interval_seconds=0.005)
    stream = (await scene.services.chat.start(scene.user, ask())).stream
    outcome = await asyncio.wait_for(scene.finished(stream), 20)

    assert (outcome.finish_reason, len(wanted)) == ("stop", 7)
    lease = charge_micro(scene.services.catalogue["gpt-4"], 0, 2 * limits.FIRST_LEASE_TOKENS)
    assert 0 < min(wanted) <= max(wanted) <= lease
    await scene.assert_sound()
