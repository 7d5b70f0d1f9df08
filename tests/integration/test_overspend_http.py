"""More requests at once than a wallet can pay: exactly those that it can pay are answered."""

import asyncio
from collections import Counter

import pytest

from config import limits
from hub.prices import charge_micro
from hub.tokens import count_messages
from tests.factories import grant
from tests.http_streams import Face
from tests.ledger_parts import differences
from tests.stand_ins.base import Scenario

CALLERS, AFFORDABLE, TOKENS = 64, 14, 5
MESSAGES = [{"role": "user", "content": "Tell me something"}]


@pytest.mark.gen_test
@pytest.mark.parametrize("stream", [False, True])
async def test_as_many_are_answered_as_can_be_paid(face: Face, stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers come without usage, so what is held is what is charged; what is left pays for no single token."""
    monkeypatch.setattr(limits, "STREAMS_PER_USER_MAX", CALLERS)
    model = face.services.catalogue["gpt-4"]
    prompt = count_messages(model.vocabulary, MESSAGES)
    cost, rest = charge_micro(model, prompt, TOKENS), charge_micro(model, prompt, 1) - 1
    wallet = await face.services.ledger.wallet(face.user.user_id)
    await grant(face.services.ledger, face.user.user_id, AFFORDABLE * cost + rest - wallet.credits)
    face.provider.default = Scenario("usage_missing", chunks=TOKENS, first_token_seconds=0.1)
    answers = [face.complete(messages=MESSAGES, max_tokens=TOKENS, stream=stream) for _ in range(CALLERS)]
    statuses = Counter(answer.status for answer in await asyncio.gather(*answers))
    assert statuses == {200: AFFORDABLE, 402: CALLERS - AFFORDABLE}
    await face.at_rest()
    assert (await face.services.ledger.wallet(face.user.user_id)).credits == rest
    assert await differences(face.services.database) == []
