"""The sweeper settles what dead processes left, and what a living one failed to settle: each hold at exactly its last
checkpoint.

    dead node -> killSessions (its transaction unlocks the wallets) -> its holds settled -> its document removed

The message says what was delivered and counted; its owner is charged that, sees it as `interrupted`, and is told by
`chat.failed`. Two sweepers may meet at one hold: it settles once.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import structlog

from config import limits
from config.catalogue import AiModel
from hub.batch import HoldGone
from hub.budgets import budgets_in
from hub.chat_records import Ending, Job, closing
from hub.errors import Code, HubError
from hub.idempotency import IdempotencyKey, withdrawn
from hub.ledger import Ledger
from hub.node import Node, forget
from hub.operations import Operation, SettleHold, Update
from hub.prices import charge_micro
from hub.providers.base import Usage
from hub.streams import Outcome, replayed
from hub.tokens import is_exact
from hub.usage_records import fruitless
from models import conversations, executions, nodes, wallets, webhook_queues, workflow_letters
from models.clock import now
from models.conversations import MESSAGES
from models.database import Database, Document

_STOPPED = HubError(Code.UNAVAILABLE, "The hub stopped in the middle of this answer")

log = structlog.get_logger(__name__)


class Sweeper:
    """Looks for dead nodes and abandoned holds; one per process, all of them may run."""

    def __init__(
        self, database: Database, ledger: Ledger, node: Node, catalogue: Mapping[str, AiModel], data_dir: Path
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._node = node
        self._catalogue = catalogue
        self._data_dir = data_dir

    async def unlock(self) -> list[Document]:
        """End the transactions of dead processes; their documents, for `sweep` to remove when all is settled."""
        dead = await self._node.dead_others()
        sessions = [document["ledger_session"] for document in dead]
        if sessions:
            log.info("taking over from dead nodes", nodes=[document["_id"] for document in dead])
            await self._database.kill_sessions(sessions)
        return dead

    async def sweep(self) -> int:
        """One round; how many holds were settled."""
        dead = await self.unlock()
        gone = [document["_id"] for document in dead] + await self._unregistered()
        if gone:
            for claimed in (webhook_queues, executions, workflow_letters):
                await claimed.release_of(self._database, gone)
        unsettled = list(self._ledger.unsettled)
        settled, stuck = 0, False
        while not stuck and (holds := await self._abandoned(gone, unsettled)):
            results = await asyncio.gather(*(self._settle(hold) for hold in holds))
            settled += sum(results)
            stuck = not all(results)
        if not stuck:
            self._ledger.unsettled.difference_update(unsettled)
            for document in dead:
                await forget(self._database, document, self._data_dir)
        return settled

    async def _abandoned(self, nodes: list[str], unsettled: list[str]) -> list[Document]:
        return await wallets.abandoned_holds(self._database, nodes, unsettled, now(), limits.SWEEP_HOLDS_MAX)

    async def _unregistered(self) -> list[str]:
        """Owners of holds that have no document any more: somebody removed it before all was settled."""
        owners = await wallets.holding_nodes(self._database)
        existing = await nodes.existing(self._database, owners)
        return [owner for owner in owners if owner not in existing and owner != self._node.id]

    async def _settle(self, hold: Document) -> bool:
        """Whether the hold is gone; one that cannot be settled must keep neither the others nor the start waiting."""
        try:
            message = await conversations.message_of_stream(self._database, hold["stream"])
            applied = await self._ledger.commit(self._operation(hold, message))
        except HoldGone:
            return True
        except Exception:
            log.exception("hold not settled", hold=hold["_id"])
            return False
        log.info("hold settled for a dead process", hold=hold["_id"], receipt=applied.receipt)
        return True

    def _operation(self, hold: Document, message: Document | None) -> Operation:
        model = self._catalogue.get(hold["model"])
        if model is None or message is None or message["status"] != "streaming":
            log.warning("nothing to charge by", hold=hold["_id"], model=hold["model"], message=hold["message"])
            return _released(hold, message)
        job = _job(hold, message, model)
        usage = _delivered(message)
        source = "counted" if is_exact(model.vocabulary) else "estimated"
        records = closing(job, Ending(None, usage, source, error=_STOPPED))
        charge = charge_micro(model, usage.prompt_tokens, usage.completion_tokens)
        tokens = usage.prompt_tokens + usage.completion_tokens
        metadata: Document = {"model": model.id, "provider": model.provider, "stream": job.stream.id, "api": job.api}
        metadata |= {"tokens": tokens, "interrupted": True}
        settle = SettleHold(hold["_id"], hold["wallet"], charge, f"{model.name} usage", metadata, fruitless=not tokens)
        return Operation(
            id=hold["_id"],
            holds=[settle],
            inserts=records.inserts,
            updates=records.updates,
            deletes=records.deletes,
            events=records.events,
            size_bytes=records.size_bytes,
        )


def _released(hold: Document, message: Document | None) -> Operation:
    """Nothing can be charged; a message that still says `streaming` must not say so for ever."""
    came_to_nothing = message is None or not message["usage"]["completion_tokens"]
    settle = SettleHold(hold["_id"], hold["wallet"], 0, "released", fruitless=came_to_nothing)
    counted = [fruitless(hold["wallet"], hold["created_at"], hold["model"])] if came_to_nothing else []
    if message is None or message["status"] != "streaming":
        taken = hold.get("idempotency")
        deletes = [withdrawn(taken)] if taken else []
        return Operation(id=hold["_id"], holds=[settle], updates=counted, deletes=deletes)
    error = {"code": _STOPPED.code.value, "message": _STOPPED.message}
    change = {"$set": {"status": "interrupted", "error": error}}
    key = message.get("idempotency")
    return Operation(
        id=hold["_id"],
        holds=[settle],
        updates=[Update(MESSAGES, {"_id": message["_id"]}, change), *counted],
        deletes=[withdrawn(key)] if key else [],
    )


def _delivered(message: Document) -> Usage:
    usage = message["usage"]
    if not usage["completion_tokens"]:
        return Usage(0, 0)
    return Usage(usage["prompt_tokens"], usage["completion_tokens"])


def _job(hold: Document, message: Document, model: AiModel) -> Job:
    """The dead process's job, as far as its hold and message tell; enough for the records of its end."""
    usage = _delivered(message)
    key = message.get("idempotency")
    return Job(
        stream=replayed(message, Outcome(None, usage, "counted", None)),
        model=model,
        prompt=[],
        prompt_tokens=usage.prompt_tokens,
        max_tokens=model.output_tokens_max,
        parameters={},
        streamed=True,
        api=message["api"],
        endpoint=message.get("endpoint", ""),  # an earlier version of the hub did not write it
        new_messages=[],
        new_conversation=False,
        idempotency=IdempotencyKey(key, "") if key else None,
        budgets=budgets_in(hold),
        created_at=message["created_at"],
    )
