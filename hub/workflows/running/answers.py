"""Answers of AI models that a step has begun and nobody has seen the end of: what they hold, and how they are ended.

A generation is the hub's own, on whichever node: it goes on where the turn that asked for it breaks off, and is charged.
The ids of its stream and of its hold follow from its step, attempt and turn alone, so that it is found by them.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from config import workflows as limits
from hub.chat import Chat
from hub.chat_request import hold_of
from hub.workflows.definitions.graph import inner_nodes
from hub.workflows.running.runners.work import name_of
from hub.workflows.running.steps import Records, is_begun
from models import conversations, wallets
from models.database import Database, Document


def stream_of(execution: str, key: str, attempt: int, turn: int) -> str:
    """The id of the stream by which a step asks in this turn of an attempt."""
    return f"stream_{name_of(execution, key, attempt)}{turn:02}"


def begun(execution: str, definition: Mapping[str, Any], records: Records) -> dict[str, str]:
    """By the keys of their steps, the streams of those that may have been begun, of which no end is recorded."""
    nodes = [node for outer in definition["nodes"] for node in (outer, *inner_nodes(outer))]
    asking = {node["id"] for node in nodes if node["type"] == "ai_call"}
    return {
        key: stream_of(execution, key, record["attempt"], record.get("turn", 0))
        for key, record in records.items()
        if key.rpartition("/")[2] in asking and is_begun(record)
    }


async def held_and_made(database: Database, streams: Sequence[str]) -> tuple[dict[str, int], dict[str, Document]]:
    """By stream, what those hold that are not settled, in micro-credits, and the messages that others became.

    Holds first: between the two looks one may have become a message, and never the other way round.
    """
    if not streams:
        return {}, {}
    holds = {hold_of(stream): stream for stream in streams}
    amounts = await wallets.amounts_held(database, list(holds))
    held = {holds[hold]: amount for hold, amount in amounts.items()}
    made = await conversations.messages_of_streams(database, streams)
    return held, {message["stream"]: message for message in made if message["stream"] not in held}


class Answers:
    """One per process. All methods raise `DatabaseError`."""

    def __init__(self, database: Database, chat: Chat) -> None:
        self._database = database
        self._chat = chat

    async def costs(self, streams: Mapping[str, str]) -> tuple[dict[str, int], dict[str, int]]:
        """By the same keys in micro-credits, what each may still be charged, and what those were that have ended; nothing of
        one that is gone.
        """
        keys = {stream: key for key, stream in streams.items()}
        held, made = await held_and_made(self._database, list(keys))
        charged = {stream: message["receipt"]["charged"] for stream, message in made.items() if message.get("receipt")}
        return _renamed(held, keys), _renamed(charged, keys)

    async def end(self, user: str, streams: Mapping[str, str]) -> int:
        """End them, on whichever node they are made; their charges in micro-credits, as far as these are known soon."""
        for stream in streams.values():
            await self._chat.give_up(user, stream)
        deadline = time.monotonic() + limits.ANSWERS_END_SECONDS
        held, charged = await self.costs(streams)
        while held and time.monotonic() < deadline:
            await asyncio.sleep(limits.ANSWERS_LOOK_SECONDS)
            held, charged = await self.costs(streams)
        return sum(charged.values())


def _renamed(amounts: Mapping[str, int], names: Mapping[str, str]) -> dict[str, int]:
    return {names[name]: amount for name, amount in amounts.items()}
