"""The history of a user's conversations: searched, and read message by message however long one is."""

import re
from collections.abc import AsyncIterator

import orjson

from config import assistant
from hub.errors import Code, HubError
from models import conversations
from models.database import Database, Document


async def found(database: Database, user: str, conversation_id: str) -> Document:
    """One of the user's. Raises `HubError` NOT_FOUND."""
    conversation = await conversations.conversation(database, user, conversation_id)
    if conversation is None:
        raise no_such()
    return conversation


def no_such() -> HubError:
    return HubError(Code.NOT_FOUND, "No such conversation")


async def search(
    database: Database, user: str, text: str, *, project: int | None = None, skip: int, limit: int
) -> tuple[list[Document], int]:
    """A page of the conversations with this text in their title or a message, the last used first; and how many there are.

    It looks into the last `SEARCH_CONVERSATIONS_MAX` of them, and into `SEARCH_MESSAGES_MAX` messages.
    """
    pattern = re.escape(text)
    most = assistant.SEARCH_CONVERSATIONS_MAX
    last = await conversations.conversations(database, user, project=project, limit=most)
    ids = [conversation["_id"] for conversation in last]
    saying = await conversations.saying(database, ids, pattern, assistant.SEARCH_MESSAGES_MAX)
    in_title = re.compile(pattern, re.IGNORECASE)
    matching = [one for one in last if one["_id"] in saying or in_title.search(one["title"])]
    return matching[skip : skip + limit], len(matching)


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
