"""Webhook deliveries: an event on its way to an endpoint, one document each.

`{_id, endpoint, event, status, due_at, created_at}`: `status` is `waiting` until the endpoint took it or it is given up.
"""

from models.collection_shape import CollectionShape, Index
from models.database import Database

DELIVERIES = "deliveries"
WAITING = "waiting"
SHAPES = (CollectionShape(DELIVERIES, indexes=(Index([("status", 1), ("due_at", 1)]),)),)


async def waiting(database: Database) -> int:
    """How many wait."""
    return await database[DELIVERIES].count({"status": WAITING})
