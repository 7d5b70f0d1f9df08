"""What breaks an answer off at an awkward moment: nothing is charged that was not relayed, nothing is given away."""

import asyncio
from typing import Any

import pytest

from hub.errors import Code, HubError
from hub.ledger import Hold, Ledger
from hub.operations import Operation, Receipt, SettleHold
from models import wallets
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


async def test_a_settlement_that_fails_leaves_the_hold_to_the_sweeper(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = Ledger.settle

    async def failing(self: Ledger, operation: Operation, user: str) -> Receipt:
        charge = next(change for change in operation.holds if isinstance(change, SettleHold)).charge
        if charge:
            raise HubError(Code.INTERNAL, "it cannot be written")
        return await settle(self, operation, user)

    monkeypatch.setattr(Ledger, "settle", failing)
    scene.provider.default = Scenario(chunks=5)
    stream = (await scene.services.chat.start(scene.user, ask())).stream
    outcome = await asyncio.wait_for(scene.finished(stream), 5)

    assert outcome.error is not None
    assert await wallets.holds_open(scene.services.database) == 1


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
