"""Auto-recharge at work: when a commit leaves too few credits, the user's package is bought by the kept method.

    commit below the threshold, or the sweep --want--> job --claim--> attempt noted --> Purchases.buy, once for the attempt
       paid: the job ends, counted        declined: a pause that grows, in the end switched off        unknown: once more

There is one job of a user at a time over all nodes (`models/auto_recharges.py`), and an attempt has one row among the
payments, for ever: killed at any moment it is taken up again, and what was charged or declined is found instead of tried
once more. Where nothing was tried yet, the rule is looked at anew before it is. A day has a largest number of recharges,
so that a loop gone wild cannot drain a card. What running answers hold is not spent yet, and does not count.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Final

import structlog

from config import assistant
from config.packages import Package
from hub.budgets import name_of
from hub.committer import Committed
from hub.errors import Code, HubError
from hub.job_loop import JobLoop
from hub.ledger import Ledger
from hub.notifications import notice
from hub.operations import Composed, Operation, Update
from hub.payments.purchases import Purchases
from hub.payments.records import Purchase
from hub.tasks import Tasks
from models import auto_recharges, users, wallets
from models.auto_recharges import AUTO_RECHARGES
from models.clock import now
from models.database import Database, DatabaseError, Document, Transaction
from models.ids import new_id

log = structlog.get_logger(__name__)

_TRIES_MAX: Final = 10  # by then the pause is the longest
_TRUSTED = timedelta(seconds=assistant.RECHARGE_RESTING_SECONDS)


class Recharges:
    """One per process; all of them share the jobs."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        purchases: Purchases,
        packages: Mapping[str, Package],
        tasks: Tasks,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._purchases = purchases
        self._packages = packages
        self._tasks = tasks
        self._clock = clock
        self._loop = JobLoop(
            *("auto-recharge", self._claim, self._try, tasks),
            at_once=assistant.RECHARGES_AT_ONCE,
            poll_seconds=assistant.RECHARGE_POLL_SECONDS,
        )
        self._asking: set[str] = set()
        self._resting: dict[str, datetime] = {}  # users whose rule waits, and until when this is known
        self._swept = ""  # the last user whom the sweep has looked at

    def start(self) -> None:
        """Buy what is due until closed."""
        self._ledger.on_commit.append(self.committed)
        self._tasks.start(self._loop.run(), "auto-recharge")
        self._tasks.repeat(self.sweep, assistant.RECHARGE_SWEEP_SECONDS, "auto-recharge sweep")

    async def close(self) -> None:
        """Take up nothing more, and let what is being bought come to its record."""
        await self._loop.close(assistant.RECHARGE_CLOSE_SECONDS)

    # --- what makes it begin -----------------------------------------------------------------------------------

    def committed(self, committed: Committed) -> None:
        """A commit of this process: whose credits are too few now?"""
        for wallet in committed.wallets:
            if _is_low(wallet) and not self._rests(wallet["_id"]):
                self._ask(wallet["_id"])

    async def changed(self, user: str) -> None:
        """Their rule was set anew: what it waited for counts no more."""
        self._resting.pop(user, None)
        await self._ask_if_low(user)

    async def _ask_if_low(self, user: str) -> None:
        wallet = await wallets.wallet(self._database, user)
        if wallet is not None and _is_low(wallet):
            self._ask(user)

    def _rests(self, user: str) -> bool:
        until = self._resting.get(user)
        if until is not None and until <= self._clock():
            del self._resting[user]
            return False
        return until is not None

    def _ask(self, user: str) -> None:
        if user in self._asking or len(self._asking) >= assistant.RECHARGES_ASKED_AT_ONCE or self._loop.closing:
            return
        self._asking.add(user)
        self._tasks.start(self._want(user), "auto-recharge wanted")

    async def _want(self, user: str) -> None:
        try:
            if await auto_recharges.want(self._database, user, self._clock()):
                self._loop.wake()
            else:
                self._note_rest(await auto_recharges.of_user(self._database, user), self._clock())
        except DatabaseError as error:
            log.warning("auto-recharge not noted", user=user, error=str(error)[:200])
        finally:
            self._asking.discard(user)

    def _note_rest(self, rule: Document | None, moment: datetime) -> None:
        """Of a job that only waits, further commits need not ask the database."""
        if rule is None or "claim" in rule or rule.get("due_at", moment) <= moment:
            return
        if len(self._resting) >= assistant.RECHARGES_RESTING_MAX:
            del self._resting[next(iter(self._resting))]
        self._resting[rule["_id"]] = min(rule["due_at"], moment + _TRUSTED)

    async def sweep(self) -> None:
        """Find those whose fall nobody noted: their process died, or could not write. A portion of all rules at a time."""
        idle = await auto_recharges.idle(self._database, self._swept, assistant.RECHARGE_SWEEP_MAX)
        self._swept = idle[-1] if len(idle) == assistant.RECHARGE_SWEEP_MAX else ""
        for wallet in await wallets.many(self._database, idle):
            if _is_low(wallet):
                self._ask(wallet["_id"])

    # --- one job -----------------------------------------------------------------------------------------------

    async def _claim(self) -> Document | None:
        moment = self._clock()
        until = moment + timedelta(seconds=assistant.RECHARGE_LEASE_SECONDS)
        return await auto_recharges.claim(self._database, new_id("claim"), moment, until)

    async def _try(self, rule: Document) -> None:
        """What a claim is for: find out what became of what was begun, or buy."""
        try:
            reply = await self._come_to(rule) or await self._bought(rule)
        except HubError as error:
            await self._failed(rule, error)
            return
        if reply is not None:
            await (self._paid(rule) if reply["status"] == "succeeded" else self._later(rule))

    async def _come_to(self, rule: Document) -> Document | None:
        """What its attempt has come to; None where nothing was tried."""
        attempt = rule.get("attempt")
        return await self._purchases.attempted(attempt["id"]) if attempt else None

    async def _bought(self, rule: Document) -> Document | None:
        """None where nothing is to be bought, be it any more. The attempt is written down before the company is asked, where
        the rule is still what was read: an older one's ends here, and its method is not charged.
        """
        if not await self._is_needed(rule):
            await auto_recharges.end(self._database, rule, {})
            return None
        if paid_today(rule, self._clock()) >= assistant.RECHARGES_PER_DAY_MAX:
            await self._tell_and_rest(rule)
            return None
        attempt = _attempt(rule)
        if not await auto_recharges.begin(self._database, rule, attempt):
            await auto_recharges.again(self._database, rule, self._clock())
            return None
        return await self._purchases.buy(_purchase(rule["_id"], attempt, self._packages[attempt["package"]]))

    async def _is_needed(self, rule: Document) -> bool:
        """Whether it is still to be done: nobody is charged who may not even sign in."""
        if not rule["enabled"] or rule["package"] not in self._packages:
            return False
        user = await users.by_id(self._database, rule["_id"])
        wallet = await wallets.wallet(self._database, rule["_id"])
        return user is not None and user["status"] == "active" and wallet is not None and _is_low(wallet)

    async def _failed(self, rule: Document, error: HubError) -> None:
        if error.code is Code.INVALID:
            await self._declined(rule, error.details[0].message)
            return
        log.warning("auto-recharge unanswered", user=rule["_id"], error=error.message)
        await self._later(rule)

    async def _later(self, rule: Document) -> None:
        """It is not known what became of it, or nothing was asked at all: the same attempt once more, after a longer pause
        each time.
        """
        tries = rule.get("attempt", {}).get("tries", 0)
        seconds = min(assistant.RECHARGE_RETRY_SECONDS << tries, assistant.RECHARGE_RETRY_SECONDS_MAX)
        due_at = self._clock() + timedelta(seconds=seconds)
        await auto_recharges.again(self._database, rule, due_at, **{"attempt.tries": min(tries + 1, _TRIES_MAX)})

    async def _paid(self, rule: Document) -> None:
        """Its credit has told the user. What fell below meanwhile, while this job was still there, is asked for anew."""
        moment = self._clock()
        count = paid_today(rule, moment) + 1
        counted = {"day": name_of("day", moment), "count": count, "failures": 0, "reason": None}
        await auto_recharges.end(self._database, rule, counted)
        await self._ask_if_low(rule["_id"])

    # --- what keeps it from going on ---------------------------------------------------------------------------

    async def _declined(self, rule: Document, reason: str) -> None:
        """A pause, longer each time, or its end; told together. A rule that was changed meanwhile is tried at once."""
        operation_id, moment = new_id("op"), self._clock()

        async def compose(transaction: Transaction) -> Operation:
            found = await auto_recharges.within(transaction, rule["_id"])
            if found is None or found.get("claim") != rule["claim"]:
                return Operation(operation_id)  # another has come to the same end
            if found["revision"] != found["attempt"]["revision"]:
                return Operation(operation_id, updates=[_rest(found, moment, {})])
            return _decline(found, reason, moment, operation_id)

        await self._ledger_commit(Composed(operation_id, compose), rule)
        self._loop.wake()

    async def _tell_and_rest(self, rule: Document) -> None:
        """The day has had its recharges: it waits for the next one, by UTC."""
        tomorrow = datetime.combine(self._clock().astimezone(UTC).date() + timedelta(days=1), time(), UTC)
        most = assistant.RECHARGES_PER_DAY_MAX
        text = f"Your credits were recharged {most} times today, as often as a day allows. It goes on tomorrow, in UTC."
        insert, told = notice(rule["_id"], "warning", "billing", "Auto-recharge rests until tomorrow", text)
        resting = Operation(new_id("op"), inserts=[insert], events=[told], updates=[_rest(rule, tomorrow, {})])
        await self._ledger_commit(resting, rule)

    async def _ledger_commit(self, operation: Operation | Composed, rule: Document) -> None:
        try:
            await self._ledger.commit(operation)
        except HubError as error:  # its claim ends, and it comes again
            log.warning("auto-recharge not recorded", user=rule["_id"], error=error.message)


def paid_today(rule: Document, moment: datetime) -> int:
    """How many recharges a rule has made on the day of a moment, by UTC."""
    return int(rule["count"]) if rule["day"] == name_of("day", moment) else 0


def rests_until(rule: Document, moment: datetime) -> datetime | None:
    """When the next attempt is due, where a decline or a day's largest number of them has it wait."""
    due_at: datetime = rule.get("due_at", moment)
    waits = rule["enabled"] and rule.get("claim") is None and "attempt" not in rule
    return due_at if waits and due_at > moment else None


def _is_low(wallet: Document) -> bool:
    below: int = wallet.get("recharge_below", 0)
    return bool(wallet["credits"] < below)


def _attempt(rule: Document) -> Document:
    """What is to be bought by the rule as it stands: the attempt that was begun by it, or a new one."""
    begun: Document | None = rule.get("attempt")
    if begun is not None and begun["revision"] == rule["revision"]:
        return begun
    names = ("package", "method", "customer", "revision")
    return {"id": new_id("recharge"), **{name: rule[name] for name in names}}


def _purchase(user: str, attempt: Document, package: Package) -> Purchase:
    return Purchase(
        *(user, "credit", package.micro, package.cents, attempt["method"]),
        title=f"Auto-recharge: {package.name} package",
        package=package.id,
        away=True,
        customer=attempt["customer"],
        attempt=attempt["id"],
    )


def _rest(rule: Document, due_at: datetime, changes: Document) -> Update:
    """The attempt is over, and the next is due then."""
    change = {"$set": {**changes, "due_at": due_at}, "$unset": {"claim": "", "attempt": ""}}
    return Update(AUTO_RECHARGES, {"_id": rule["_id"], "claim": rule["claim"]}, change)


def _decline(rule: Document, reason: str, moment: datetime, operation_id: str) -> Operation:
    pauses, failures, user = assistant.RECHARGE_BACK_OFF_SECONDS, rule["failures"] + 1, rule["_id"]
    counted = {"failures": failures, "reason": reason}
    if failures <= len(pauses):
        hours = pauses[failures - 1] // 3_600
        text = (
            f"{_why(reason)} It is tried again in {hours} {'hour' if hours == 1 else 'hours'}, if it is still needed."
        )
        update, below = _rest(rule, moment + timedelta(seconds=pauses[failures - 1]), counted), {}
    else:
        text = f"{_why(reason)} After {failures} tries it is switched off: set it anew with a method that works."
        gone = {"due_at": "", "claim": "", "attempt": ""}
        change = {"$set": {**counted, "enabled": False}, "$unset": gone}
        update = Update(AUTO_RECHARGES, {"_id": user, "claim": rule["claim"]}, change)
        below = {user: 0}
    insert, told = notice(user, "error", "billing", "Auto-recharge failed", text)
    return Operation(operation_id, inserts=[insert], events=[told], updates=[update], recharge_below=below)


def _why(reason: str) -> str:
    return f"Your credits could not be recharged: {reason.rstrip('.')}."
