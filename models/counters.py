"""Counters: `{_id: name, value}`: the integer ids that one documented API shows, and the turns of operations that must see
each other's outcome (`hub/operations.py`), one for each user who has made an API key or a webhook.

A number is taken by one atomic increment. It may stay unused when what it was taken for fails; it is never given twice.
"""

from models.collection_shape import CollectionShape
from models.database import Database

COUNTERS = "counters"
SHAPES = (CollectionShape(COUNTERS),)


async def next_number(database: Database, name: str) -> int:
    """The next number of `name`, from 1."""
    document = await database[COUNTERS].find_one_and_update({"_id": {"$eq": name}}, {"$inc": {"value": 1}}, upsert=True)
    assert document is not None, "an upsert answers with the document"
    return int(document["value"])
