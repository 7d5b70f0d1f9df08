"""Conversations and their messages.

A conversation is `{_id: conv_..., user, title, model, message_count, last_message, created_at, updated_at, project?}`,
`project` a project's number. One that was deleted is nobody's any more, and stays with its
`deleted_at` until no answer in it can begin any more, whose messages go with it. A message is
`{_id: msg_..., user, conversation, role, content, status, created_at}`; an assistant's message also has
`{model, stream, epoch, lengths, extras, finish_reason, detail, usage, receipt, error}` and serves to replay its stream:
`lengths` holds the number of characters of each delta, `extras` by its number what else it has, as JSON text, and
`on_disconnect: cancel` says that it is to end without a reader, and `rating`, up or down, is what its user thinks of it.
Messages without a conversation answer calls that keep their own history; they have `expires_at` and go after a week.
"""

from collections.abc import Sequence
from datetime import datetime

from config import limits, outgoing
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Query, Transaction

CONVERSATIONS = "conversations"
MESSAGES = "messages"

_TEXTLESS = {"content": 0, "extras": 0}

SHAPES = (
    CollectionShape(
        CONVERSATIONS,
        indexes=(
            Index([("user", 1), ("updated_at", -1)]),
            Index([("user", 1), ("project", 1), ("updated_at", -1)], only_where={"project": {"$exists": True}}),
            Index([("deleted_at", 1)], only_where={"deleted_at": {"$exists": True}}),
        ),
    ),
    CollectionShape(
        MESSAGES,
        indexes=(
            Index([("conversation", 1), ("_id", 1)]),
            Index([("stream", 1)], unique=True, only_where={"stream": {"$exists": True}}),
            Index([("expires_at", 1)], expire_after_seconds=0, only_where={"expires_at": {"$exists": True}}),
        ),
    ),
)


async def conversation(database: Database, user: str, conversation_id: str) -> Document | None:
    return await database[CONVERSATIONS].find_one(_one(user, conversation_id))


def _of(user: str, project: int | None = None) -> Document:
    """All of a user's, or those of one of the user's projects."""
    of_project = {} if project is None else {"project": {"$eq": project}}
    return {"user": {"$eq": user}, **of_project, "deleted_at": {"$exists": False}}


def _one(user: str, conversation_id: str) -> Document:
    return {"_id": {"$eq": conversation_id}, **_of(user)}


async def conversations(
    database: Database, user: str, *, project: int | None = None, limit: int, before: str | None = None
) -> list[Document]:
    """A user's conversations, the last used first; `before` is the id of the last one already seen."""
    query = _of(user, project)
    if before is not None:
        last = await conversation(database, user, before)
        if last is None:
            return []
        query["updated_at"] = {"$lt": last["updated_at"]}
    return await database[CONVERSATIONS].find(query, sort=[("updated_at", -1)], limit=limit)


async def count(database: Database, user: str) -> int:
    return await database[CONVERSATIONS].count(_of(user))


async def messages(database: Database, conversation_id: str, *, limit: int) -> list[Document]:
    """The last `limit` messages of a conversation, oldest first."""
    found = await database[MESSAGES].find(
        {"conversation": {"$eq": conversation_id}}, sort=[("_id", -1)], limit=limit, projection={"lengths": 0}
    )
    return found[::-1]


async def answer_within(transaction: Transaction, user: str, query: Query) -> Document | None:
    """An answer of this user's as an operation of the ledger finds it, without its text."""
    found = await transaction.find(MESSAGES, _answers(user, query), _TEXTLESS, limit=1)
    return found[0] if found else None


async def answer(database: Database, user: str, query: Query) -> Document | None:
    """The same outside of one."""
    return await database[MESSAGES].find_one(_answers(user, query), projection=_TEXTLESS)


def _answers(user: str, query: Query) -> Document:
    return {"stream": {"$exists": True}, **query, "user": {"$eq": user}, "role": "assistant"}


async def page(
    database: Database, user: str, *, project: int | None = None, skip: int, limit: int
) -> tuple[list[Document], int]:
    """A page of a user's conversations, or of those of a project, the last used first, and how many there are in all."""
    query = _of(user, project)
    return await database[CONVERSATIONS].page(query, skip=skip, limit=limit, sort=[("updated_at", -1)])


async def rename(database: Database, user: str, conversation_id: str, title: str) -> Document | None:
    """Give a conversation another title; the conversation, or None where the user has none of that id."""
    change = {"$set": {"title": title}}
    return await database[CONVERSATIONS].find_one_and_update(_one(user, conversation_id), change)


async def messages_after(
    database: Database, conversation_id: str, *, after: str = "", skip: int = 0, limit: int
) -> list[Document]:
    """Messages of a conversation, oldest first, beyond that with the id `after`; without what replays their streams."""
    query = {"conversation": {"$eq": conversation_id}, "_id": {"$gt": after}}
    unshown = {"lengths": 0, "extras": 0}
    return await database[MESSAGES].find(query, sort=[("_id", 1)], skip=skip, limit=limit, projection=unshown)


async def message_count(database: Database, conversation_id: str) -> int:
    return await database[MESSAGES].count({"conversation": {"$eq": conversation_id}})


async def saying(database: Database, conversation_ids: Sequence[str], pattern: str, milliseconds_max: int) -> set[str]:
    """Those of these conversations that have a message in which a pattern is found, in capitals or not.

    The index finds them; their text has none: it would be written anew with every checkpoint of a running answer. Raises
    `TookTooLong`.
    """
    matches = {"$regex": pattern, "$options": "i"}
    pipeline: list[Document] = [
        {"$match": {"conversation": {"$in": list(conversation_ids)}}},
        {"$match": {"$or": [{"content": matches}, {"content.text": matches}]}},
        {"$group": {"_id": "$conversation"}},
    ]
    said = await database[MESSAGES].aggregate(pipeline, milliseconds_max)
    return {found["_id"] for found in said}


async def message_of_stream(database: Database, stream: str) -> Document | None:
    return await database[MESSAGES].find_one({"stream": {"$eq": stream}})


async def messages_of_streams(database: Database, streams: Sequence[str]) -> list[Document]:
    return await database[MESSAGES].find({"stream": {"$in": list(streams)}}, limit=max(1, len(streams)))


async def progress(database: Database, streams: Sequence[str]) -> dict[str, tuple[str, int]]:
    """The status of each of these streams' messages that there is, and how many deltas it has."""
    query = {"stream": {"$in": list(streams)}}
    projection = {"stream": 1, "status": 1, "deltas": {"$size": {"$ifNull": ["$lengths", []]}}}
    found = await database[MESSAGES].find(query, limit=max(1, len(streams)), projection=projection)
    return {message["stream"]: (message["status"], message["deltas"]) for message in found}


async def running_streams(database: Database, conversation_id: str) -> list[str]:
    """The streams of its answers that are still being written."""
    query = {"conversation": {"$eq": conversation_id}, "status": "streaming"}
    most = limits.QUOTA_STREAMS_PER_USER_MAX
    found = await database[MESSAGES].find(query, sort=[("_id", -1)], limit=most, projection={"stream": 1})
    return [message["stream"] for message in found]


async def delete(database: Database, user: str, conversation_id: str, moment: datetime) -> bool:
    """Take a conversation away from its user; False where they have none of that id. Its messages are still there."""
    gone = {"$set": {"deleted_at": moment, "title": "", "last_message": ""}}
    return await database[CONVERSATIONS].update_one(_one(user, conversation_id), gone)


async def remove_messages(database: Database, conversation_id: str) -> None:
    await database[MESSAGES].delete_many({"conversation": {"$eq": conversation_id}})


async def remove(database: Database, conversation_id: str) -> None:
    """All that there is of a deleted one; the conversation last, so that what fails is done again."""
    await remove_messages(database, conversation_id)
    await database[CONVERSATIONS].delete_one({"_id": {"$eq": conversation_id}, "deleted_at": {"$exists": True}})


async def deleted_before(database: Database, moment: datetime, limit: int) -> list[str]:
    query = {"deleted_at": {"$lt": moment}}
    found = await database[CONVERSATIONS].find(query, sort=[("deleted_at", 1)], limit=limit, projection={"_id": 1})
    return [conversation["_id"] for conversation in found]


async def answers(database: Database, message_ids: list[str]) -> dict[str, Document]:
    """Finished answers by their message: of each so many characters as a webhook carries, and one more."""
    shown = {
        "content": {"$substrCP": ["$content", 0, outgoing.WEBHOOK_ANSWER_CHARS_MAX + 1]},
        "lengths": 1,
        "extras": 1,
    }
    found = await database[MESSAGES].find({"_id": {"$in": message_ids}}, projection=shown, limit=len(message_ids))
    return {message["_id"]: message for message in found}
