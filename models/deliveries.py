"""Webhook deliveries: an event on its way to an endpoint, one document each.

`{_id, endpoint, event, status, attempts, due_at, created_at}`: `status` is `waiting` until the endpoint has taken it
(`delivered`) or it was given up (`dead`); a waiting one is tried at `due_at`, for the `attempts`-th time after the first.
"""

from models.database import CollectionShape, Database, Index

DELIVERIES = "deliveries"
WAITING = "waiting"
SHAPES = (CollectionShape(DELIVERIES, indexes=(Index([("status", 1), ("due_at", 1)]),)),)


async def waiting(database: Database) -> int:
    """How many have been neither delivered nor given up."""
    return await database[DELIVERIES].count({"status": WAITING})
