"""When the hub was up, slot by slot, each so many seconds of `UPTIME_SLOT_SECONDS`; kept for 35 days.

A UTC day is `{_id: 2026-11-27, day, up: {"0": bits, "1": bits, ...}}`: bit 0 of word 0 is the slot that begins at midnight,
and a word has 60 of them, as many as a whole number of the database can hold. Any node sets a bit, as often as it likes. The
document `{_id: first, slot}` is the first slot ever, and stays.
"""

from datetime import UTC, datetime
from typing import Final

from config import assistant
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document

UPTIME = "uptime"
SHAPES = (
    CollectionShape(UPTIME, indexes=(Index([("day", 1)], expire_after_seconds=assistant.UPTIME_KEPT_DAYS * 86_400),)),
)
SLOTS_PER_DAY: Final = 86_400 // assistant.UPTIME_SLOT_SECONDS
_FIRST: Final = "first"
_WORD_BITS: Final = 60


def slot_of(moment: datetime) -> int:
    """The number of a moment's slot, counted from 1970."""
    return int(moment.timestamp()) // assistant.UPTIME_SLOT_SECONDS


async def begin(database: Database, slot: int) -> None:
    """Note the first slot ever, where none is noted."""
    await database[UPTIME].update_one({"_id": _FIRST}, {"$setOnInsert": {"slot": slot}}, upsert=True)


async def mark(database: Database, slot: int) -> None:
    """The hub is up in this slot."""
    day, number = divmod(slot, SLOTS_PER_DAY)
    word, bit = divmod(number, _WORD_BITS)
    moment = datetime.fromtimestamp(day * 86_400, UTC)
    change: Document = {"$bit": {f"up.{word}": {"or": 1 << bit}}, "$setOnInsert": {"day": moment}}
    await database[UPTIME].update_one({"_id": moment.date().isoformat()}, change, upsert=True)


async def first(database: Database) -> int | None:
    """The first slot ever; None where the hub has not been up yet."""
    found = await database[UPTIME].find_one({"_id": _FIRST})
    return None if found is None else int(found["slot"])


async def up_between(database: Database, start: int, end: int) -> int:
    """In how many of the slots from `start` to before `end` the hub was up."""
    days = range(start // SLOTS_PER_DAY, end // SLOTS_PER_DAY + 1)
    names = [datetime.fromtimestamp(day * 86_400, UTC).date().isoformat() for day in days]
    found = await database[UPTIME].find({"_id": {"$in": names}}, limit=len(names))
    return sum(_up(document, start, end) for document in found)


def _up(document: Document, start: int, end: int) -> int:
    """Of one day's slots."""
    bits = sum(word << int(number) * _WORD_BITS for number, word in document["up"].items())
    midnight = slot_of(document["day"])
    low, high = max(0, start - midnight), max(0, min(SLOTS_PER_DAY, end - midnight))
    shown: int = (bits & ((1 << high) - 1)) >> low
    return shown.bit_count()
