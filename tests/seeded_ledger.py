"""One seeded run of the ledger: random operations of two processes, of which one crashes, with faults in between.

Afterwards every operation is looked up: what was acknowledged stands exactly once, what was refused not at all, and what
is unknown once or not at all. The seed decides the operations and the faults; the order of answers is the machine's.
"""

import asyncio
import types
from collections import Counter
from collections.abc import Coroutine, Generator
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, TypeVar

from hub.errors import Code
from hub.ledger import Ledger
from hub.operations import ExtendHold, Leg, NewEvent, Operation, SettleHold
from hub.tasks import Tasks
from models import events
from models.database import Database
from tests.factories import make_wallet
from tests.ledger_parts import Process, debit, entries, fail_point, place, result

T = TypeVar("T")

TRANSIENT = ["TransientTransactionError"]
FAULTS: list[dict[str, Any]] = [
    {"commands": ["commitTransaction"], "writeConcernError": {"code": 64, "errmsg": "x"}},
    {"commands": ["commitTransaction"], "writeConcernError": {"code": 100, "errmsg": "x"}},
    {"commands": ["commitTransaction"], "errorCode": 251, "errorLabels": TRANSIENT},
    {"commands": ["commitTransaction"], "closeConnection": True},
    {"commands": ["insert"], "closeConnection": True},
    {"commands": ["update", "insert"], "errorCode": 112, "errorLabels": TRANSIENT},
    {"commands": ["update"], "errorCode": 2},
]
_ANSWER_SECONDS_MAX = 20
UNKNOWN = ("cancelled", Code.OUTCOME_UNKNOWN)


class MortalTasks(Tasks):
    """Starts tasks that die at their n-th suspension."""

    def __init__(self, steps: int, blows: int) -> None:
        super().__init__()
        self._steps, self._blows = steps, blows

    def start(self, coro: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        async def dying() -> T:
            return await _dying(coro, self._steps, self._blows)

        return super().start(dying(), name)


@types.coroutine
def _dying(coro: Coroutine[Any, Any, T], steps: int, blows: int) -> Generator[Any, Any, T]:
    """Run `coro` up to a suspension, and cancel what it awaits there, and so often again while it cleans up."""
    resume = partial(coro.send, None)
    while True:
        try:
            awaited = resume()
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # a StopIteration does not know what it carries
        steps -= 1
        if steps <= 0 and blows > 0:
            blows -= 1
            resume = partial(coro.throw, asyncio.CancelledError())
            continue
        try:
            yield awaited
        except BaseException as error:  # noqa: BLE001 - whatever comes belongs to `coro`
            resume = partial(coro.throw, error)
        else:
            resume = partial(coro.send, None)


@dataclass
class Attempt:
    """An operation, and how it ended as far as its caller knows."""

    operation: Operation
    outcome: Code | str = "cancelled"


@dataclass
class Run:
    """What one seed does, and what came of it."""

    seed: int
    database: Database
    uri: str
    attempts: list[Attempt] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    holds: dict[str, str] = field(default_factory=dict)
    crashed: bool = False
    fired: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    async def play(self) -> None:
        steady = Process(self.database)
        mortal = Process(self.database, tasks=MortalTasks(self.random.randrange(1, 120), self.random.randrange(1, 4)))
        steady.start()
        self.users = [await make_wallet(steady.ledger, self.random.randrange(200)) for _ in range(4)]
        mortal.start()
        mode = {"times": self.random.randrange(1, 4)}
        async with fail_point(self.uri, mode, at_least=0, **self.random.choice(FAULTS)) as fired:
            await self._work([steady.ledger, mortal.ledger])
        self.fired = fired[0]
        await self._restart(mortal)
        await steady.stop()

    async def _work(self, ledgers: list[Ledger]) -> None:
        """Waves of callers, some of which are cancelled."""
        everyone: list[asyncio.Future[None]] = []
        for _ in range(3):
            callers = [asyncio.ensure_future(self._call(self.random.choice(ledgers))) for _ in range(8)]
            for _ in range(self.random.randrange(30)):
                await asyncio.sleep(0)
            for caller in self.random.sample(callers, 2):
                caller.cancel()
            everyone += callers
            await asyncio.wait(callers, timeout=self.random.choice((0, 0.01, _ANSWER_SECONDS_MAX)))
        _, hung = await asyncio.wait(everyone, timeout=_ANSWER_SECONDS_MAX)
        assert not hung

    async def _restart(self, mortal: Process) -> None:
        """What a new process does after the death of an old one; then all that is unknown is asked again."""
        session = mortal.ledger.session_id
        self.crashed = not len(mortal.tasks)
        await mortal.stop()
        await self.database.kill_sessions([session])
        fresh = Process(self.database)
        fresh.start()
        for attempt in [attempt for attempt in self.attempts if attempt.operation.once and attempt.outcome in UNKNOWN]:
            again = await result(fresh.ledger, attempt.operation)
            attempt.outcome = "ok" if again is Code.CONFLICT else again
        for hold, user in self.holds.items():
            settle = Operation(hold, holds=[SettleHold(hold, user, 0, "")])
            assert await result(fresh.ledger, settle) in ("ok", "gone")
        await fresh.stop()

    async def _attempt(self, ledger: Ledger, operation: Operation) -> bool:
        attempt = Attempt(operation)
        self.attempts.append(attempt)
        attempt.outcome = await result(ledger, operation)
        return attempt.outcome == "ok"

    async def _call(self, ledger: Ledger) -> None:
        user, other = self.random.sample(self.users, 2)
        amount = self.random.randrange(1, 60)
        number = f"{self.seed}:{len(self.attempts)}:{amount}:{user}"
        kind = self.random.choice(("debit", "payment", "gift", "hold", "hold"))
        if kind == "hold":
            await self._hold(ledger, user, amount)
        elif kind == "gift":
            legs = [Leg(user, "credit", "gift", -amount, ""), Leg(other, "credit", "gift", amount, "")]
            told = [NewEvent(name, "gift", {}) for name in (user, other)]
            await self._attempt(ledger, Operation(f"gift:{number}", legs=legs, events=told))
        else:
            await self._attempt(ledger, debit(user, amount, f"{kind}:{number}", once=kind == "payment"))

    async def _hold(self, ledger: Ledger, user: str, amount: int) -> None:
        placed = place(user, amount)
        self.holds[placed.hold] = user
        if not await self._attempt(ledger, Operation(f"place:{placed.hold}", holds=[placed])):
            return
        await self._attempt(ledger, Operation(f"extend:{placed.hold}", holds=[ExtendHold(placed.hold, user, amount)]))
        settle = SettleHold(placed.hold, user, amount, "usage")
        await self._attempt(ledger, Operation(placed.hold, holds=[settle], events=[NewEvent(user, "settled", {})]))

    async def faults(self) -> list[str]:
        """What is not as it must be."""
        found = [entry for user in self.users for entry in await entries(self.database, user)]
        counts = Counter(entry["operation"] for entry in found)
        wrong = [text for attempt in self.attempts if (text := _fault(attempt, counts[attempt.operation.id]))]
        return wrong + [text for user in self.users for text in await self._event_faults(user)]

    async def _event_faults(self, user: str) -> list[str]:
        wallet = await self.database["wallets"].find_one({"_id": user})
        assert wallet is not None
        stored = await events.after(self.database, f"user:{user}", wallet["epoch"], 0, 1_000)
        offsets = [event["offset"] for event in stored]
        faults = [] if offsets == list(range(1, wallet["offset"] + 1)) else [f"{user}: offsets {offsets}"]
        return faults + ([f"{user}: something is held for ever"] if wallet["credits_held"] else [])


def _fault(attempt: Attempt, count: int) -> str | None:
    operation = attempt.operation
    whole = len(operation.legs) or (1 if isinstance(operation.holds[0], SettleHold) else 0)
    if attempt.outcome == "ok":
        allowed: tuple[int, ...] = (whole,)
    elif attempt.outcome in UNKNOWN or attempt.outcome == "gone":
        allowed = (0, whole)
    else:
        allowed = (0,)
    return None if count in allowed else f"{operation.id}: {attempt.outcome}, and {count} entries"
