"""Push subscriptions: browsers that are told of their user's notifications while no page is open.

`{_id: push_..., user, login?, endpoint, p256dh, auth, user_agent, told, created_at, updated_at, expires_at?}`. `endpoint` is
the push service's address for one profile of a browser, a secret that whoever knows may send to; `p256dh` and `auth` are
the keys for it, base64url as the browser gave them. It belongs to whom subscribed last, and goes with the `login` that it
was made by. `told` are the last notifications that reached it while another browser of the user's could not be reached.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from config import outgoing
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document

PUSH_SUBSCRIPTIONS: Final = "push_subscriptions"
SHAPES = (
    CollectionShape(
        PUSH_SUBSCRIPTIONS,
        indexes=(
            Index([("endpoint", 1)], unique=True),
            Index([("user", 1), ("updated_at", -1)]),
            Index([("expires_at", 1)], expire_after_seconds=0),
        ),
    ),
)


async def put(database: Database, subscription_id: str, endpoint: str, fields: Document, moment: datetime) -> Document:
    """The user's subscription at this address, made under this id or changed; it is nobody else's any more.

    `fields` are all the others of the document but the moments. Raises `DuplicateKey` where two make it at the same time.
    """
    collection, where = database[PUSH_SUBSCRIPTIONS], {"endpoint": {"$eq": endpoint}}
    await collection.delete_many(where | {"user": {"$ne": fields["user"]}})
    absent = {name: "" for name in ("login", "expires_at") if name not in fields}
    change: Document = {
        "$set": {**fields, "updated_at": moment},
        "$setOnInsert": {"_id": subscription_id, "told": [], "created_at": moment},
        **({"$unset": absent} if absent else {}),
    }
    found = await collection.find_one_and_update(where | {"user": {"$eq": fields["user"]}}, change, upsert=True)
    assert found is not None, "an upsert gives a document"
    return found


async def of_user(database: Database, user: str) -> list[Document]:
    """Those that were renewed last come first; more than a user may have are left out."""
    return await database[PUSH_SUBSCRIPTIONS].find(
        {"user": {"$eq": user}}, limit=outgoing.PUSH_SUBSCRIPTIONS_MAX, sort=[("updated_at", -1), ("_id", -1)]
    )


async def keep_only(database: Database, user: str, ids: Sequence[str]) -> int:
    """Remove a user's others; how many those were."""
    return await database[PUSH_SUBSCRIPTIONS].delete_many({"user": {"$eq": user}, "_id": {"$nin": list(ids)}})


async def remove(database: Database, user: str, ids: Sequence[str]) -> int:
    """How many of them were there and are not any more. Other people's stay."""
    which: Any = {"user": {"$eq": user}, "_id": {"$in": list(ids)}}
    return await database[PUSH_SUBSCRIPTIONS].delete_many(which)


async def note_told(database: Database, subscription_id: str, notes: Sequence[str]) -> None:
    """Remember that these notifications have reached it."""
    push = {"told": {"$each": list(notes), "$slice": -outgoing.PUSH_TOLD_REMEMBERED}}
    await database[PUSH_SUBSCRIPTIONS].update_one({"_id": {"$eq": subscription_id}}, {"$push": push})
