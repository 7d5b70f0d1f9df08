"""Gifts: credits that one user gave another, written with the entries of both wallets and never changed.

`{_id: gift_..., sender, recipient, amount, message, created_at}`, the amount in micro-credits. What a user gave in a day is
summed from here: in the transaction that writes the sender's wallet, so that no two gifts miss each other.
"""

from datetime import datetime

from models.collection_shape import CollectionShape, Index
from models.database import Document, Transaction

GIFTS = "gifts"
SHAPES = (
    CollectionShape(
        GIFTS,
        indexes=(Index([("sender", 1), ("created_at", -1)]),),
        schema={
            "required": ["sender", "recipient", "amount", "message", "created_at"],
            "properties": {"amount": {"bsonType": ["long", "int"], "minimum": 1}},
        },
    ),
)


def new_gift(gift_id: str, sender: str, recipient: str, amount: int, message: str, moment: datetime) -> Document:
    return {
        "_id": gift_id,
        "sender": sender,
        "recipient": recipient,
        "amount": amount,
        "message": message,
        "created_at": moment,
    }


async def amounts_within(transaction: Transaction, sender: str, since: datetime, limit: int) -> list[int]:
    """What a user gave since then, the newest first, at most `limit` gifts; in micro-credits each."""
    query = {"sender": {"$eq": sender}, "created_at": {"$gte": since}}
    found = await transaction.find(GIFTS, query, {"amount": 1}, sort=[("created_at", -1)], limit=limit)
    return [gift["amount"] for gift in found]
