"""`python run.py audit` as an operator or a cron job runs it: a process that names the wallets and says by its status."""

from pathlib import Path

import pytest

from models.database import Database
from tests.factories import make_wallet
from tests.ledger_parts import debit, running
from tests.running_hub import RunningHub

pytestmark = pytest.mark.gen_test


async def test_it_names_the_wallet_that_was_tampered_with_and_fails(
    database: Database, mongod_uri: str, tmp_path: Path
) -> None:
    hub = RunningHub(tmp_path, mongod_uri, HUB_MONGODB_DATABASE=database.name)
    async with running(database) as process:
        tampered, spared = [await make_wallet(process.ledger, 1_000) for _ in range(2)]
        for user in (tampered, spared):
            await process.ledger.commit(debit(user, 7))
    clean = hub.command("audit")
    assert (clean.returncode, clean.stdout.splitlines()[-1]) == (0, "every wallet equals the sum of its entries")
    assert tampered not in clean.stdout

    await database["wallets"].update_one({"_id": tampered}, {"$inc": {"credits": 1}})
    told = hub.command("audit")
    assert (told.returncode, told.stdout.splitlines()[-1]) == (1, "1 wallets differ")
    assert f"{tampered}: " in told.stdout and spared not in told.stdout

    await database["wallets"].update_one({"_id": tampered}, {"$inc": {"credits": -1}})
    assert hub.command("audit").returncode == 0
