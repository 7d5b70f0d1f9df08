"""Nodes: one document per running hub process: `{_id: node_..., host, lock, ledger_session, beat_at, started_at}`.

`lock` is the path of a file that the process keeps locked for its life: another process of the same host that gets the
lock knows at once that the owner is dead, whatever its pid is used for now. Elsewhere a missed heartbeat tells.
"""

from datetime import datetime
from typing import Any

from models.collection_shape import CollectionShape
from models.database import Database, Document

NODES = "nodes"
SHAPES = (CollectionShape(NODES),)


async def register(database: Database, document: Document) -> None:
    await database[NODES].insert_one(document)


async def beat(database: Database, node: str, moment: datetime) -> bool:
    """False when the document is gone: another node has declared this one dead."""
    return await database[NODES].update_one({"_id": {"$eq": node}}, {"$set": {"beat_at": moment}})


async def others(database: Database, node: str, limit: int) -> list[Document]:
    return await database[NODES].find({"_id": {"$ne": node}}, limit=limit)


async def existing(database: Database, nodes: list[str]) -> set[str]:
    found = await database[NODES].find({"_id": {"$in": nodes}}, limit=len(nodes) or 1, projection={"_id": 1})
    return {document["_id"] for document in found}


async def remove(database: Database, node: str) -> None:
    await database[NODES].delete_one({"_id": {"$eq": node}})


def new_node(node: str, host: str, lock: str, ledger_session: Any, moment: datetime) -> Document:
    return {
        "_id": node,
        "host": host,
        "lock": lock,
        "ledger_session": ledger_session,
        "started_at": moment,
        "beat_at": moment,
    }
