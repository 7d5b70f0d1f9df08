"""What must be so once a hub has come to rest, however it ended."""

import asyncio

from models import wallets
from models.conversations import MESSAGES
from models.database import Database
from tests.patience import until
from tests.running_hub import RunningHub


async def nothing_held(database: Database) -> bool:
    return await wallets.holds_open(database) == 0


async def assert_settled(hub: RunningHub, mongod_uri: str) -> None:
    """Nothing is held any more, every answer has its end and its receipt, and every wallet is the sum of its entries."""
    database = Database(mongod_uri, hub.database)
    try:
        await until(lambda: nothing_held(database))
        answers = [message async for message in database[MESSAGES].scan({"role": "assistant"})]
    finally:
        await database.close()
    assert answers and "streaming" not in {answer["status"] for answer in answers}
    assert all(answer["receipt"] is not None for answer in answers)
    audit = await asyncio.to_thread(hub.command, "audit")
    assert audit.returncode == 0, audit.stdout
