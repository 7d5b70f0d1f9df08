"""The history of a user's conversations: searched, read message by message however long one is, and deleted."""

import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import orjson

from config import assistant
from hub.chat import Chat
from hub.errors import Code, HubError
from hub.identity_cache import Identity
from models import conversations
from models.clock import now
from models.database import Database, Document, TookTooLong


async def found(database: Database, user: str, conversation_id: str) -> Document:
    """One of the user's. Raises `HubError` NOT_FOUND."""
    conversation = await conversations.conversation(database, user, conversation_id)
    if conversation is None:
        raise no_such()
    return conversation


def no_such() -> HubError:
    return HubError(Code.NOT_FOUND, "No such conversation")


@dataclass(frozen=True, slots=True)
class Found:
    """A page of the `total` conversations that a search found; `whole` is False where it was cut."""

    conversations: list[Document]
    total: int
    whole: bool


async def search(
    database: Database, user: str, text: str, *, project: int | None = None, skip: int, limit: int
) -> Found:
    """The conversations with this text in their title or in a message, the last used first.

    It looks into the titles of the last `SEARCH_CONVERSATIONS_MAX` of them, and into their messages for so long as
    `SEARCH_SECONDS_MAX`.
    """
    pattern, most = re.escape(text), assistant.SEARCH_CONVERSATIONS_MAX
    last = await conversations.conversations(database, user, project=project, limit=most + 1)
    saying, whole = await _saying(database, [conversation["_id"] for conversation in last[:most]], pattern)
    in_title = re.compile(pattern, re.IGNORECASE)
    matching = [one for one in last[:most] if one["_id"] in saying or in_title.search(one["title"])]
    return Found(matching[skip : skip + limit], len(matching), whole and len(last) <= most)


async def _saying(database: Database, ids: Sequence[str], pattern: str) -> tuple[set[str], bool]:
    """Those with a message that says it, as far as the time goes, and whether it went to the end."""
    until, saying = time.monotonic() + assistant.SEARCH_SECONDS_MAX, set[str]()
    for portion in _portions(ids):
        milliseconds = int(1_000 * (until - time.monotonic()))
        if milliseconds < 1:
            return saying, False
        try:
            saying |= await conversations.saying(database, portion, pattern, milliseconds)
        except TookTooLong:
            return saying, False
    return saying, True


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The first alone, then ever more: where they are so long that the time ends, the first of them were looked into."""
    start, size = 0, 1
    while start < len(ids):
        yield ids[start : start + size]
        start, size = start + size, min(2 * size, assistant.SEARCH_CONVERSATIONS_AT_ONCE)


async def delete(database: Database, chat: Chat, identity: Identity, conversation_id: str) -> None:
    """Remove a conversation and its messages, for good. An answer in it that is being made ends; what came of it is paid.

    Raises `HubError` NOT_FOUND.
    """
    if not await conversations.delete(database, identity.user_id, conversation_id, now()):
        raise no_such()
    for stream in await conversations.running_streams(database, conversation_id):
        with contextlib.suppress(HubError):  # one whose node cannot be asked goes on to its end
            await chat.stop(identity, stream)
    await conversations.remove_messages(database, conversation_id)


async def sweep(database: Database) -> None:
    """Remove what is left of conversations in which no answer can begin any more. Raises `DatabaseError`."""
    before = now() - timedelta(seconds=assistant.CONVERSATION_GONE_SECONDS)
    for conversation_id in await conversations.deleted_before(database, before, assistant.CONVERSATIONS_SWEPT_MAX):
        await conversations.remove(database, conversation_id)


async def page(database: Database, conversation_id: str, *, skip: int, limit: int) -> list[Document]:
    """Messages, oldest first: at most `limit`, and as many as have `HISTORY_PAGE_BYTES_MAX` together, one at least."""
    shown: list[Document] = []
    size = 0
    async for message in messages(database, conversation_id, skip):
        size += len(orjson.dumps(message["content"]))
        if len(shown) == limit or (shown and size > assistant.HISTORY_PAGE_BYTES_MAX):
            break
        shown.append(message)
    return shown


async def messages(database: Database, conversation_id: str, skip: int = 0) -> AsyncIterator[Document]:
    """All messages beyond the first `skip`, oldest first; a few at a time are in memory."""
    after = ""
    while True:
        portion = await conversations.messages_after(
            database, conversation_id, after=after, skip=skip, limit=assistant.HISTORY_MESSAGES_AT_ONCE
        )
        for message in portion:
            yield message
        if len(portion) < assistant.HISTORY_MESSAGES_AT_ONCE:
            return
        after, skip = portion[-1]["_id"], 0
