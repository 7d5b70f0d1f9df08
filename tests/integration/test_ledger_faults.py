"""The ledger under faults of the database, of its callers and of itself: nothing twice, nothing lost, nothing half."""

import gc
import os
import sys
from collections import Counter
from typing import Any

import pytest

from hub.errors import Code, HubError
from models.database import Database
from tests.factories import make_wallet
from tests.ledger_parts import debit, differences, entries, fail_point, result, results, running
from tests.length import length
from tests.seeded_ledger import TRANSIENT, Run

SEEDS = length(8, 200)
SEEDS_AT_ONCE = 25  # so that the long run is shared among processes
COMMIT = ["commitTransaction"]


def _write_concern_error(code: int) -> dict[str, Any]:
    return {"commands": COMMIT, "writeConcernError": {"code": code, "errmsg": "injected"}}


AMBIGUOUS = [
    *[({"times": times}, _write_concern_error(code)) for code in (91, 64) for times in (1, 2, 5)],
    ({"times": 1}, _write_concern_error(100)),  # without a label, and applied all the same
    ({"times": 2}, {"commands": COMMIT, "closeConnection": True}),
    ({"times": 1}, {"commands": COMMIT, "errorCode": 251, "errorLabels": TRANSIENT}),
    ({"times": 1}, {"commands": COMMIT, "errorCode": 11601}),
    ({"times": 5}, {"commands": ["update"], "errorCode": 112, "errorLabels": TRANSIENT}),
    ({"times": 2}, {"commands": ["insert"], "closeConnection": True}),
]


@pytest.mark.gen_test
@pytest.mark.parametrize(("mode", "fault"), AMBIGUOUS, ids=lambda value: str(value)[:90])
async def test_no_fault_debits_twice(database: Database, mongod_uri: str, mode: Any, fault: dict[str, Any]) -> None:
    async with running(database) as process:
        user = await make_wallet(process.ledger, 1_000)
        operations = [debit(user, 1) for _ in range(24)]
        ended: list[Code | str] = []
        async with fail_point(mongod_uri, mode, at_least=mode["times"], **fault):
            for start in range(0, 24, 3):
                ended += await results(process.ledger, operations[start : start + 3])
    counts = Counter(entry["operation"] for entry in await entries(database, user))
    for operation, end in zip(operations, ended, strict=True):
        assert end in ("ok", Code.OUTCOME_UNKNOWN)
        assert counts[operation.id] in ((1,) if end == "ok" else (0, 1))
    assert await differences(database) == []


REPEATED = [(times, _write_concern_error(code)) for code in (91, 64) for times in (1, 2, 5)]
REPEATED.append((2, {"commands": COMMIT, "closeConnection": True}))


@pytest.mark.gen_test
@pytest.mark.parametrize(("times", "fault"), REPEATED, ids=lambda value: str(value)[:90])
async def test_a_commit_in_doubt_is_sent_until_it_is_answered(
    database: Database, mongod_uri: str, times: int, fault: dict[str, Any]
) -> None:
    """One operation alone meets the fault each time, so it was sent so often and once more: at least twice."""
    async with running(database) as process:
        user = await make_wallet(process.ledger, 1_000)
        paid = debit(user, 1)
        async with fail_point(mongod_uri, {"times": times}, at_least=times, **fault):
            assert await result(process.ledger, paid) == "ok"
    assert [entry["operation"] for entry in await entries(database, user)].count(paid.id) == 1
    assert await differences(database) == []


@pytest.mark.gen_test
async def test_a_caller_is_told_when_to_ask_again(database: Database, mongod_uri: str) -> None:
    async with running(database) as process:
        user = await make_wallet(process.ledger, 1_000)
        async with fail_point(mongod_uri, {"times": 1}, **_write_concern_error(100)):
            with pytest.raises(HubError, match="same Idempotency-Key") as unknown:
                await process.ledger.commit(debit(user, 1))
        assert unknown.value.code is Code.OUTCOME_UNKNOWN and unknown.value.retry_after_seconds
        applied = await process.ledger.commit(debit(user, 1))
        assert applied.wallets[user].credits == 998  # it had been applied


def _parts() -> list[range]:
    """The seeds in portions; `HUB_SEED` replays one."""
    if replayed := os.environ.get("HUB_SEED"):
        return [range(int(replayed), int(replayed) + 1)]
    return [range(start, min(start + SEEDS_AT_ONCE, SEEDS)) for start in range(0, SEEDS, SEEDS_AT_ONCE)]


@pytest.mark.faults
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # the driver's, when it dies while it connects
@pytest.mark.timeout(300)
@pytest.mark.gen_test(timeout=290)
@pytest.mark.parametrize("seeds", _parts(), ids=lambda seeds: f"{seeds.start}-{seeds.stop - 1}")
async def test_seeded_runs(database: Database, mongod_uri: str, seeds: range) -> None:
    runs = [Run(seed, database, mongod_uri) for seed in seeds]
    for run in runs:
        sys.stdout.write(f"SEED={run.seed}\n")
        await run.play()
        assert await run.faults() == [], f"SEED={run.seed}"
    owners = {user: run.seed for run in runs for user in run.users}
    assert [(owners[fault.wallet], fault) for fault in await differences(database)] == []
    ends = Counter(attempt.outcome for run in runs for attempt in run.attempts)
    crashes, fired = sum(run.crashed for run in runs), sum(run.fired for run in runs)
    sys.stdout.write(f"{len(runs)} seeds, {crashes} crashes, {fired} faults, {dict(ends)}\n")
    assert len(runs) == 1 or (crashes and fired and ends["ok"])
    gc.collect()  # here, where its warnings are expected
