"""Keys that all nodes of the hub share: `{_id: name, private_key, created_at}`, made by whichever node came first."""

from datetime import datetime
from typing import Final

from models.collection_shape import CollectionShape
from models.database import Database, DuplicateKey

HUB_KEYS: Final = "hub_keys"
SHAPES = (CollectionShape(HUB_KEYS),)


async def kept(database: Database, name: str, private_key: str, moment: datetime) -> str:
    """The key of this name: the given one where there is none yet."""
    which, made = {"_id": {"$eq": name}}, {"private_key": private_key, "created_at": moment}
    try:
        found = await database[HUB_KEYS].find_one_and_update(which, {"$setOnInsert": made}, upsert=True)
    except DuplicateKey:  # another node made it between our look and our write
        found = await database[HUB_KEYS].find_one(which)
    assert found is not None, "keys are never removed"
    return str(found["private_key"])
