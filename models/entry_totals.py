"""Running totals of all wallets' entries, so that statistics do not read every entry that ever was.

`{_id: "entries", until, sums}`: `sums` has for each `unit kind` `{plus, minus, count, topups, cents}` of all entries whose
id is at most `until`. Ids ascend with time; entries younger than two minutes are left for the next turn, because an older id
may still be on its way.
"""

from models.collection_shape import CollectionShape
from models.database import Database, Document, DuplicateKey

ENTRY_TOTALS = "entry_totals"
SHAPES = (CollectionShape(ENTRY_TOTALS),)
_ID = "entries"


async def read(database: Database) -> Document:
    found = await database[ENTRY_TOTALS].find_one({"_id": _ID})
    return found or {"_id": _ID, "until": "", "sums": {}}


async def advance(database: Database, until: str, to: str, sums: Document) -> bool:
    """Replace the totals up to `until` by those up to `to`; False where another node was faster."""
    change = {"$set": {"until": to, "sums": sums}}
    try:
        return await database[ENTRY_TOTALS].update_one({"_id": _ID, "until": until}, change, upsert=not until)
    except DuplicateKey:
        return False
