"""Webhook endpoints: where events are to be delivered.

`{_id: wh_..., owner, api, url, events, secret, active, created_at, updated_at, previous?, off_at?, disabled?, workflow?}`:
`owner` is a user's id, or None for an administrator's endpoint, which hears of all users; `api` is the documented API whose
form its deliveries have. The secret is kept as it was given, because deliveries are signed with it, and is shown once;
`previous` are `{secret, until}`, those before it that are good for a while too. What happened before `off_at`, when it was
last switched off, is queued all the same. `disabled` is `{at, reason}` where the hub switched it off. `workflow` is the
number of the only one whose executions it is to hear of: such a one belongs to that workflow (`hub/workflows/notifying.py`).
"""

from collections.abc import Sequence
from datetime import datetime

from config import limits, workflows
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Transaction, by_age

WEBHOOK_ENDPOINTS = "webhook_endpoints"
SHAPES = (
    CollectionShape(
        WEBHOOK_ENDPOINTS,
        indexes=(Index([("owner", 1), ("api", 1), ("created_at", -1)]), Index([("owner", 1), ("active", 1)])),
    ),
)


def new_endpoint(
    endpoint_id: str,
    owner: str | None,
    api: str,
    url: str,
    events: list[str],
    secret: str,
    active: bool,
    moment: datetime,
) -> Document:
    return {
        "_id": endpoint_id,
        "owner": owner,
        "api": api,
        "url": url,
        "events": events,
        "secret": secret,
        "active": active,
        "created_at": moment,
        "updated_at": moment,
    }


def _of(owner: str | None, api: str, endpoint_id: str | None = None) -> Document:
    query: Document = {"owner": {"$eq": owner}, "api": {"$eq": api}}
    return query if endpoint_id is None else query | {"_id": {"$eq": endpoint_id}}


async def page(
    database: Database, owner: str | None, api: str, *, newest_first: bool = True, skip: int, limit: int
) -> tuple[list[Document], int]:
    """In the order in which they were made, and how many there are in all."""
    order = by_age(newest_first)
    return await database[WEBHOOK_ENDPOINTS].page(_of(owner, api), skip=skip, limit=limit, sort=order)


async def by_id(database: Database, owner: str | None, api: str, endpoint_id: str) -> Document | None:
    """None for somebody else's."""
    return await database[WEBHOOK_ENDPOINTS].find_one(_of(owner, api, endpoint_id))


async def within(transaction: Transaction, owner: str | None, api: str, endpoint_id: str) -> Document | None:
    """As an operation of the ledger finds it."""
    found = await transaction.find(WEBHOOK_ENDPOINTS, _of(owner, api, endpoint_id))
    return found[0] if found else None


async def count_within(transaction: Transaction, owner: str | None) -> int:
    """Without those that belong to workflows."""
    return len(await transaction.find(WEBHOOK_ENDPOINTS, {"owner": {"$eq": owner}, "workflow": None}, {"_id": 1}))


async def any_owners(database: Database, endpoint_id: str) -> Document | None:
    return await database[WEBHOOK_ENDPOINTS].find_one({"_id": {"$eq": endpoint_id}})


async def any_owners_within(transaction: Transaction, endpoint_id: str) -> Document | None:
    found = await transaction.find(WEBHOOK_ENDPOINTS, {"_id": {"$eq": endpoint_id}})
    return found[0] if found else None


async def active_within(transaction: Transaction, owner: str | None) -> list[str]:
    """Which of an owner's are switched on."""
    found = await transaction.find(WEBHOOK_ENDPOINTS, {"owner": {"$eq": owner}, "active": True}, {"_id": 1})
    return [endpoint["_id"] for endpoint in found]


async def listening(database: Database, users: Sequence[str], since: datetime) -> list[Document]:
    """All of these users, and of the hub, that were switched on at some time `since` then."""
    on = [{"active": True}, {"off_at": {"$gt": since}}]
    query = {"owner": {"$in": [None, *users]}, "$or": on}
    most = (limits.WEBHOOK_ENDPOINTS_MAX + workflows.WORKFLOWS_PER_USER_MAX) * (len(users) + 1)
    return await database[WEBHOOK_ENDPOINTS].find(query, limit=most)


async def of_hub(database: Database, limit: int) -> list[Document]:
    """The hub's own."""
    return await database[WEBHOOK_ENDPOINTS].find({"owner": None}, limit=limit)
