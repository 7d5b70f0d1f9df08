"""The second guard: what MongoDB itself refuses, and what it throws away in time, whoever writes past the ledger."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from pymongo import MongoClient
from pymongo.database import Database as Driver

from models import wallets
from models.api_keys import API_KEYS
from models.auto_recharges import AUTO_RECHARGES
from models.clock import now
from models.database import Database, DatabaseError, Document, DuplicateKey
from models.executions import EXECUTIONS
from models.gifts import GIFTS, new_gift
from models.ids import new_id
from models.projects import PROJECTS
from models.workflows import WORKFLOWS

DAY_SECONDS: Final = 86_400
# What goes by itself: the date that counts, and how many seconds after it.
EXPIRES: Final = {
    "analyses": ("expires_at", 0),
    "analysis_parts": ("expires_at", 0),
    "analytics_events": ("created_at", 90 * DAY_SECONDS),
    "deliveries": ("created_at", 14 * DAY_SECONDS),
    "events": ("created_at", 7 * DAY_SECONDS),
    "executions": ("expires_at", 0),
    "followers": ("at", 3_600),
    "idempotency": ("created_at", 7 * DAY_SECONDS),
    "logins": ("expires_at", 0),
    "mails": ("expires_at", 0),
    "model_days": ("day", 40 * DAY_SECONDS),
    "messages": ("expires_at", 0),
    "notice_jobs": ("expires_at", 0),
    "notifications": ("expires_at", 0),
    "one_time": ("expires_at", 0),
    "push_subscriptions": ("expires_at", 0),
    "received_webhooks": ("received_at", 3_600),
    "request_stats": ("minute", 35 * DAY_SECONDS),
    "revocations": ("created_at", DAY_SECONDS),
    "uptime": ("day", 35 * DAY_SECONDS),
    "two_factor": ("expires_at", 0),
    "workflow_letters": ("expires_at", 0),
}
RECHARGE: Final = {
    "_id": "user_1",
    "enabled": True,
    "threshold": 1,
    "package": "pro",
    "method": "pm_1",
} | dict.fromkeys(("revision", "failures", "count"), 0)
EXECUTION: Final = {
    "_id": "exec_1",
    **dict.fromkeys(("workflow", "user", "definition", "payload"), ""),
    "number": 1,
    "status": "running",
    "steps": {},
    "started_at": now(),
}
WORKFLOW: Final = {
    "_id": "wf_1",
    **dict.fromkeys(("user", "name", "trigger_type", "definition", "secret"), ""),
    "number": 1,
    "enabled": True,
    "created_at": now(),
}
COUNTS: Final = ("credits", "credits_held", "points", "seq", "version", "offset")


@pytest.fixture
def driver(database: Database, mongod_uri: str) -> Iterator[Driver[dict[str, Any]]]:
    """The same database as an operator's shell sees it."""
    with MongoClient[dict[str, Any]](mongod_uri) as client:
        yield client[database.name]


def new_entry(**fields: Any) -> Document:
    entry = {"_id": new_id("txn"), "wallet": "user_1", "seq": 1, "operation": new_id("op"), "leg": 0}
    return {**entry, "unit": "credit", "kind": "bonus", "amount": 5, "balance_after": 5, **fields}


def with_budget(**counters: Any) -> Document:
    good = {"held": 0, "spent": {"period": "total", "of": "total", "amount": 0}}
    return {**wallets.new_wallet("user_1", "epoch", now()), "budgets": {"key_1": good | counters}}


def with_quota(**counter: Any) -> Document:
    good = {"of": "2026-11-27", "ends_at": now(), "used": 1, "told": {"50": 80}}
    return {**wallets.new_wallet("user_1", "epoch", now()), "quota": {"daily": good | counter}}


@pytest.mark.gen_test
async def test_a_wallets_number_and_an_operations_leg_stand_once(database: Database) -> None:
    entries = database[wallets.ENTRIES]
    first = new_entry()
    await entries.insert_one(first)
    for twin in (new_entry(), new_entry(seq=2, operation=first["operation"])):
        with pytest.raises(DuplicateKey):
            await entries.insert_one(twin)
    others = (new_entry(seq=2), new_entry(wallet="user_2"), new_entry(seq=3, operation=first["operation"], leg=1))
    for other in others:
        await entries.insert_one(other)
    assert await entries.count({}) == 1 + len(others)


@pytest.mark.gen_test
@pytest.mark.parametrize("value", [-1, -(2**40), 0.5, "5", None])
async def test_a_wallet_below_zero_or_in_fractions_is_refused(database: Database, value: Any) -> None:
    books = database[wallets.WALLETS]
    good = wallets.new_wallet("user_1", "epoch", now())
    for field in COUNTS:
        with pytest.raises(DatabaseError, match="failed validation"):
            await books.insert_one({**good, "_id": "user_2", field: value})
    await books.insert_one(good)
    for field in COUNTS:
        with pytest.raises(DatabaseError, match="failed validation"):
            await books.update_one({"_id": "user_1"}, {"$set": {field: value}})
    assert await books.find({}, limit=2) == [good]


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("collection", "document"),
    [
        (wallets.WALLETS, {"_id": "user_1"}),
        (wallets.ENTRIES, new_entry(balance_after=-1)),
        (wallets.ENTRIES, new_entry(balance_after=0.5)),
        (wallets.ENTRIES, new_entry(seq=0)),
        (wallets.HOLDS, {"_id": "hold_1", "amount": 0}),
        (wallets.WALLETS, with_budget(held=-1)),
        (wallets.WALLETS, with_budget(held=0.5)),
        (wallets.WALLETS, with_budget(spent={"period": "day", "of": "2026-11-27", "amount": -1})),
        (wallets.WALLETS, with_budget(spent={"amount": 0})),
        (wallets.WALLETS, with_quota(used=-1)),
        (wallets.WALLETS, with_quota(used=0.5)),
        (wallets.WALLETS, with_quota(of=None)),
        (wallets.WALLETS, with_quota(ends_at="2026-11-28")),
        (wallets.WALLETS, with_budget(closed=1)),
        (API_KEYS, {"_id": "key_1"}),
        (wallets.WALLETS, {**wallets.new_wallet("user_1", "epoch", now()), "recharge_below": -1}),
        (GIFTS, new_gift("gift_1", "user_1", "user_2", 0, "", now())),
        (GIFTS, {"_id": "gift_1", "amount": 1}),
        (AUTO_RECHARGES, {**RECHARGE, "threshold": 0}),
        (AUTO_RECHARGES, {**RECHARGE, "count": -1}),
        (AUTO_RECHARGES, {**RECHARGE, "enabled": 1}),
        (PROJECTS, {"_id": "proj_1"}),
        (EXECUTIONS, {"_id": "exec_1"}),
        (EXECUTIONS, {**EXECUTION, "status": "waiting"}),
        (EXECUTIONS, {**EXECUTION, "spent_micro": -1}),
        (WORKFLOWS, {"_id": "wf_1"}),
        (WORKFLOWS, {**WORKFLOW, "definition": {}}),
        (WORKFLOWS, {**WORKFLOW, "enabled": 1}),
    ],
)
async def test_what_no_operation_writes_is_refused(database: Database, collection: str, document: Document) -> None:
    with pytest.raises(DatabaseError, match="failed validation"):
        await database[collection].insert_one(document)
    assert await database[collection].count({}) == 0


def test_what_is_kept_for_a_time_expires(driver: Driver[dict[str, Any]]) -> None:
    """All of it by itself, and nothing else: no entry of a wallet ever goes."""
    found = {
        name: (*index["key"], index["expireAfterSeconds"])
        for name in driver.list_collection_names()
        for index in driver[name].list_indexes()
        if "expireAfterSeconds" in index
    }
    assert found == EXPIRES


@pytest.mark.gen_test
async def test_an_older_database_is_given_them_at_the_next_start(
    database: Database, driver: Driver[dict[str, Any]]
) -> None:
    for name in (wallets.WALLETS, wallets.ENTRIES):
        driver.command({"collMod": name, "validator": {}})
        driver[name].drop_indexes()
    await database[wallets.ENTRIES].insert_one(new_entry(balance_after=-1))
    await database[wallets.ENTRIES].delete_many({})

    await database.open(wallets.SHAPES)
    await database[wallets.ENTRIES].insert_one(new_entry())
    with pytest.raises(DuplicateKey):
        await database[wallets.ENTRIES].insert_one(new_entry())
    with pytest.raises(DatabaseError, match="failed validation"):
        await database[wallets.ENTRIES].insert_one(new_entry(seq=2, balance_after=-1))
