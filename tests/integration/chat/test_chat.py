"""The completion path on real parts: what is relayed, stored and charged, whatever the provider or the user does."""

import asyncio

import pytest

from config import limits
from hub.chat_records import outcome_of
from hub.errors import Code, HubError
from hub.idempotency import IdempotencyKey
from hub.ledger import Ledger
from hub.operations import Applied, Operation
from hub.prices import charge_micro
from hub.providers.base import Usage
from hub.streams import Stream, replayed
from models import conversations
from tests.factories import ask, grant, make_user
from tests.integration.chat.parts import Scene, words
from tests.ledger_parts import debit
from tests.stand_ins.base import Scenario


@pytest.mark.gen_test
async def test_a_streamed_answer_is_stored_and_charged_as_the_provider_counted(scene: Scene) -> None:
    scene.provider.script(Scenario(chunks=20))
    started = await scene.services.chat.start(scene.user, ask(keep_conversation=True))
    outcome = await scene.finished(started.stream)
    message = await scene.message(started.stream)
    model = scene.services.catalogue["gpt-4"]

    assert outcome.finish_reason == "stop"
    assert outcome.usage_source == "provider"
    assert outcome.receipt is not None
    assert outcome.receipt.charged == charge_micro(model, outcome.usage.prompt_tokens, outcome.usage.completion_tokens)
    assert message["status"] == "complete"
    assert message["content"] == started.stream.text() == words(20)
    assert message["receipt"]["charged"] == outcome.receipt.charged
    entries = await scene.entries()
    assert [entry["amount"] for entry in entries] == [-outcome.receipt.charged, 10_000_000]
    await scene.assert_sound()


@pytest.mark.gen_test
async def test_a_finished_stream_is_rebuilt_delta_by_delta_from_its_message(scene: Scene) -> None:
    scene.provider.script(Scenario(chunks=7))
    stream = (await scene.services.chat.start(scene.user, ask())).stream
    outcome = await scene.finished(stream)
    message = await scene.message(stream)
    again = replayed(message, outcome_of(message))

    assert [delta.content for delta in again.deltas] == [delta.content for delta in stream.deltas]
    assert (again.id, again.epoch, again.offset) == (stream.id, stream.epoch, stream.offset)
    assert again.outcome == outcome


@pytest.mark.gen_test
async def test_credits_end_a_stream_at_exactly_zero(scene: Scene) -> None:
    await grant(scene.services.ledger, scene.user.user_id, -10_000_000 + 5_000)
    scene.provider.script(Scenario(chunks=400, interval_seconds=0.001))
    stream = (await scene.services.chat.start(scene.user, ask())).stream
    outcome = await scene.finished(stream)
    wallet = await scene.services.ledger.wallet(scene.user.user_id)

    assert (outcome.finish_reason, outcome.detail) == ("length", "insufficient_credits")
    assert wallet.credits == 0
    assert 0 < stream.offset < 400
    await asyncio.wait_for(scene.provider.wait_cancelled(), 5)
    await scene.assert_sound()


@pytest.mark.gen_test
async def test_a_long_stream_extends_its_hold(scene: Scene) -> None:
    scene.provider.script(Scenario(chunks=3000))
    stream = (await scene.services.chat.start(scene.user, ask())).stream
    outcome = await scene.finished(stream)

    assert stream.offset == 3000
    assert outcome.finish_reason == "stop"
    assert outcome.receipt is not None
    assert outcome.receipt.hold >= outcome.receipt.charged > 256 * 60
    await scene.assert_sound()


@pytest.mark.gen_test
async def test_no_credits_no_call(scene: Scene) -> None:
    await grant(scene.services.ledger, scene.user.user_id, -10_000_000)
    with pytest.raises(HubError) as refused:
        await scene.services.chat.start(scene.user, ask())
    assert refused.value.code is Code.INSUFFICIENT_CREDITS
    assert scene.provider.requests == []
    assert len(scene.services.streams) == 0


@pytest.mark.gen_test
async def test_a_hold_that_is_refused_cancels_the_call(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider speaks already when the refusal comes, and nobody hears a word of it."""
    commit, began = Ledger.commit, list[Stream]()

    async def late(self: Ledger, operation: Operation) -> Applied:
        async with asyncio.timeout(5):
            while not scene.provider.requests:
                await asyncio.sleep(0.01)
        began.extend(scene.services.streams.running)
        await asyncio.sleep(0.2)  # for four words, which must not get through
        await commit(self, debit(scene.user.user_id, 10_000_000 - 20))  # the credits go meanwhile
        return await commit(self, operation)

    scene.provider.default = Scenario(chunks=400, interval_seconds=0.05)
    monkeypatch.setattr(Ledger, "commit", late)
    with pytest.raises(HubError) as refused:
        await scene.services.chat.start(scene.user, ask("so many words " * 20))
    assert refused.value.code is Code.INSUFFICIENT_CREDITS
    await scene.provider.wait_cancelled()
    assert [request.cancelled for request in scene.provider.requests] == [True]
    assert [stream.offset for stream in began] == [0] and len(scene.services.streams) == 0
    assert await scene.services.database["messages"].count({}) == 0
    await scene.assert_sound()
    assert (await scene.services.ledger.wallet(scene.user.user_id)).credits == 20


@pytest.mark.gen_test
async def test_stopping_charges_what_was_produced(scene: Scene) -> None:
    scene.provider.script(Scenario(chunks=400, interval_seconds=0.005))
    stream = (await scene.services.chat.start(scene.user, ask())).stream
    while stream.offset < 10:
        await stream.reached(stream.offset + 1)
    await scene.services.chat.stop(scene.user, stream.id)
    outcome = await scene.finished(stream)
    message = await scene.message(stream)

    assert outcome.finish_reason == "cancelled"
    assert message["status"] == "stopped"
    assert outcome.usage.completion_tokens == stream.offset == message["content"].count("word")
    await asyncio.wait_for(scene.provider.wait_cancelled(), 5)
    await scene.assert_sound()


@pytest.mark.gen_test
async def test_an_abandoned_stream_ends_after_its_grace(scene: Scene) -> None:
    scene.services.chat._grace_seconds = 0.05
    scene.provider.script(Scenario(chunks=400, interval_seconds=0.01))
    stream = (await scene.services.chat.start(scene.user, ask(on_disconnect="cancel"))).stream
    scene.services.chat.left(stream)
    assert stream.task is not None
    await asyncio.wait_for(stream.task, 5)
    assert stream.outcome is not None
    assert stream.outcome.finish_reason == "cancelled"
    await scene.assert_sound()


@pytest.mark.parametrize("kind", ["error_first", "empty", "reset", "half_json", "error_chunk", "reset_mid"])
@pytest.mark.gen_test
async def test_a_provider_that_fails_is_told_and_only_what_came_is_charged(scene: Scene, kind: str) -> None:
    scene.provider.default = Scenario(kind=kind, chunks=20)
    stream = (await scene.services.chat.start(scene.user, ask())).stream
    outcome = await scene.finished(stream)
    message = await scene.message(stream)

    assert outcome.error is not None
    assert outcome.error.code is Code.PROVIDER_FAILED
    assert outcome.finish_reason is None
    assert message["status"] == "failed"
    assert outcome.receipt is not None
    assert outcome.usage.completion_tokens == stream.offset
    assert (outcome.receipt.charged > 0) == (stream.offset > 0)
    await scene.assert_sound()


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("kind", ["usage_missing", "usage_absurd", "usage_negative"])
@pytest.mark.gen_test
async def test_usage_that_is_missing_or_cannot_be_is_counted(scene: Scene, kind: str, streamed: bool) -> None:
    scene.provider.script(Scenario(kind=kind, chunks=20))
    stream = (await scene.services.chat.start(scene.user, ask(streamed=streamed))).stream
    outcome = await scene.finished(stream)
    model, usage = scene.services.catalogue["gpt-4"], outcome.usage
    assert outcome.usage_source == "counted"
    assert usage.completion_tokens == 20 and 0 < usage.prompt_tokens < 50
    assert outcome.receipt is not None
    assert outcome.receipt.charged == charge_micro(model, usage.prompt_tokens, 20)
    assert [entry["amount"] for entry in await scene.entries()] == [-outcome.receipt.charged, 10_000_000]
    await scene.assert_sound()


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.gen_test
async def test_a_providers_zero_is_a_zero(scene: Scene, streamed: bool) -> None:
    """It says that 20 words cost no token of answer, and is believed: the prompt alone is charged."""
    scene.provider.script(Scenario("usage_zero", chunks=20))
    stream = (await scene.services.chat.start(scene.user, ask(streamed=streamed))).stream
    outcome = await scene.finished(stream)
    assert (outcome.usage, outcome.usage_source) == (Usage(9, 0), "provider")
    assert outcome.receipt is not None
    assert outcome.receipt.charged == charge_micro(scene.services.catalogue["gpt-4"], 9, 0) > 0
    assert (await scene.message(stream))["content"] == words(20)
    await scene.assert_sound()


@pytest.mark.gen_test
async def test_an_unstreamed_answer_is_lowered_to_what_the_wallet_can_pay(scene: Scene) -> None:
    await grant(scene.services.ledger, scene.user.user_id, -10_000_000 + 3_000)
    stream = (await scene.services.chat.start(scene.user, ask(streamed=False))).stream
    outcome = await scene.finished(stream)
    sent = scene.provider.requests[0].body["max_tokens"]

    assert 0 < sent * 60 <= 3_000
    assert outcome.receipt is not None
    assert outcome.receipt.charged <= 3_000
    await scene.assert_sound()


@pytest.mark.gen_test
async def test_a_wish_for_more_than_the_model_gives_is_lowered_before_it_is_fitted(scene: Scene) -> None:
    """8,000 tokens of answer do not fit beside a prompt of 600; the 4,096 that the model gives do."""
    stream = (await scene.services.chat.start(scene.user, ask("word " * 600, max_tokens=8_000))).stream
    assert (await scene.finished(stream)).finish_reason == "stop"
    assert scene.provider.requests[0].body["max_tokens"] == 4_096


@pytest.mark.gen_test
async def test_what_is_left_of_a_long_conversation_begins_with_a_question(scene: Scene) -> None:
    first = ask(messages=None, message="word " * 5_000, keep_conversation=True)
    stream = (await scene.services.chat.start(scene.user, first)).stream
    await scene.finished(stream)
    for text in ("and", "word " * 5_000):
        again = ask(messages=None, message=text, conversation=stream.conversation)
        await scene.finished((await scene.services.chat.start(scene.user, again)).stream)
    sent = scene.provider.requests[-1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert sent[0]["content"] == "and"


@pytest.mark.gen_test
async def test_streams_of_others_do_not_exist(scene: Scene) -> None:
    stream = (await scene.services.chat.start(scene.user, ask())).stream
    stranger = await make_user(scene.services)
    for attempt in (scene.services.chat.find, scene.services.chat.stop):
        with pytest.raises(HubError) as refused:
            await attempt(stranger, stream.id)
        assert refused.value.code is Code.NOT_FOUND
    await scene.finished(stream)


@pytest.mark.gen_test
async def test_a_conversation_keeps_its_order_and_is_sent_on(scene: Scene) -> None:
    first = (
        await scene.services.chat.start(scene.user, ask(messages=None, message="one", keep_conversation=True))
    ).stream
    await scene.finished(first)
    again = ask(messages=None, message="two", conversation=first.conversation)
    second = (await scene.services.chat.start(scene.user, again)).stream
    await scene.finished(second)
    assert first.conversation is not None
    stored = await conversations.messages(scene.services.database, first.conversation, limit=10)
    kept = await conversations.conversation(scene.services.database, scene.user.user_id, first.conversation)

    assert [message["role"] for message in stored] == ["user", "assistant", "user", "assistant"]
    assert [message["content"] for message in stored] == ["one", first.text(), "two", second.text()]
    sent = scene.provider.requests[1].body["messages"]
    assert [message["content"] for message in sent] == ["one", first.text(), "two"]
    assert kept is not None
    assert kept["message_count"] == 4


@pytest.mark.gen_test
async def test_twins_take_the_room_of_one(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STREAMS_PER_USER_MAX", 2)
    scene.provider.default = Scenario(chunks=20, interval_seconds=0.005)
    key = IdempotencyKey.of(scene.user.user_id, "key", "POST", "/", {})
    begun = await asyncio.gather(*(scene.services.chat.start(scene.user, ask(idempotency=key)) for _ in range(50)))
    assert len({started.stream.id for started in begun}) == 1
    assert sorted(started.repeated for started in begun) == [False] + [True] * 49
    await scene.finished(begun[0].stream)
    assert len(scene.provider.requests) == 1
    await scene.assert_sound()
