"""Webhooks that came in: `{_id: "{endpoint}:{webhook-id}", received_at}`, kept for as long as one of the same id may
still verify.
"""

from datetime import datetime

from config import outgoing
from models.collection_shape import CollectionShape, Index
from models.database import Database, DuplicateKey

RECEIVED_WEBHOOKS = "received_webhooks"
SHAPES = (
    CollectionShape(
        RECEIVED_WEBHOOKS,
        indexes=(Index([("received_at", 1)], expire_after_seconds=outgoing.RECEIVED_WEBHOOK_SECONDS),),
    ),
)


async def first(database: Database, endpoint: str, webhook_id: str, moment: datetime) -> bool:
    """Note an id; False where it was noted before."""
    try:
        await database[RECEIVED_WEBHOOKS].insert_one({"_id": f"{endpoint}:{webhook_id}", "received_at": moment})
    except DuplicateKey:
        return False
    return True
