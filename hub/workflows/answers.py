"""Answers of AI models that a step has begun and nobody has seen the end of: what they hold, and how they are ended.

A generation is the hub's own, on whichever node: it goes on where the turn that asked for it breaks off, and is charged.
The ids of its stream and of its hold follow from its step, attempt and turn alone, so that it is found by them.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from config import workflows as limits
from hub.chat import Chat
from hub.chat_request import hold_of
from hub.workflows.graph import Json, inner_nodes
from hub.workflows.runners.work import name_of
from hub.workflows.steps import Records, is_retry
from models import conversations, wallets
from models.database import Database


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
        if key.rpartition("/")[2] in asking and _is_begun(record)
    }


def _is_begun(record: Json) -> bool:
    return record["status"] == "running" or (record["status"] == "waiting" and not is_retry(record))


class Answers:
    """One per process. All methods raise `DatabaseError`."""

    def __init__(self, database: Database, chat: Chat) -> None:
        self._database = database
        self._chat = chat

    async def reserved(self, streams: Mapping[str, str]) -> dict[str, int]:
        """By the same keys, what each may still be charged or was already, in micro-credits; nothing of one that is gone.

        Holds first: between the two looks one may have become a message, and never the other way round.
        """
        held = await self._held(streams)
        return {**await self._charged(streams), **held}

    async def end(self, user: str, streams: Mapping[str, str]) -> int:
        """End them, on whichever node they are made; their charges in micro-credits, as far as these are known soon."""
        for stream in streams.values():
            await self._chat.give_up(user, stream)
        deadline = time.monotonic() + limits.ANSWERS_END_SECONDS
        while await self._held(streams) and time.monotonic() < deadline:
            await asyncio.sleep(limits.ANSWERS_LOOK_SECONDS)
        return sum((await self._charged(streams)).values())

    async def _held(self, streams: Mapping[str, str]) -> dict[str, int]:
        keys = {hold_of(stream): key for key, stream in streams.items()}
        found = await wallets.amounts_held(self._database, list(keys)) if keys else {}
        return {keys[hold]: amount for hold, amount in found.items()}

    async def _charged(self, streams: Mapping[str, str]) -> dict[str, int]:
        keys = {stream: key for key, stream in streams.items()}
        found = await conversations.messages_of_streams(self._database, list(keys)) if keys else []
        return {keys[each["stream"]]: each["receipt"]["charged"] for each in found if each.get("receipt")}
