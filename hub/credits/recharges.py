"""Auto-recharge at work: when a commit leaves too few available credits, the user's package is bought by the kept method.

    commit below the threshold, or the sweep --want--> job --claim--> attempt noted --> Purchases.buy, by the attempt's key
       paid: the job ends, counted        declined: a pause that grows, in the end switched off        unknown: once more

There is one job of a user at a time over all nodes (`models/auto_recharges.py`), and an attempt has an idempotency key of
its own: killed at any moment it is taken up again, and what was charged is found instead of charged once more. A day has
a largest number of recharges, so that a loop gone wild cannot drain a card.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta

import structlog

from config import assistant
from config.packages import Package
from hub.budgets import name_of
from hub.committer import Committed
from hub.errors import Code, HubError
from hub.idempotency import IdempotencyKey, once
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

_RETRY = timedelta(seconds=assistant.RECHARGE_RETRY_SECONDS)


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
        """A commit of this process: whose available credits are too few now?"""
        for wallet in committed.wallets:
            if _is_low(wallet):
                self._ask(wallet["_id"])

    def _ask(self, user: str) -> None:
        if user in self._asking or len(self._asking) >= assistant.RECHARGES_ASKED_AT_ONCE or self._loop.closing:
            return
        self._asking.add(user)
        self._tasks.start(self._want(user), "auto-recharge wanted")

    async def _want(self, user: str) -> None:
        try:
            if await auto_recharges.want(self._database, user, self._clock()):
                self._loop.wake()
        except DatabaseError as error:
            log.warning("auto-recharge not noted", user=user, error=str(error)[:200])
        finally:
            self._asking.discard(user)

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
        """What a claim is for: begin to buy, or find out what became of what was begun."""
        attempt = rule.get("attempt") or await self._begin(rule)
        if attempt is None:
            return
        package = self._packages.get(attempt["package"])
        if package is None:  # it was taken off sale; what was charged for it is credited all the same
            await auto_recharges.end(self._database, rule, {})
            return
        try:
            status = await self._bought(rule["_id"], attempt, package)
        except HubError as error:
            await self._failed(rule, attempt, error)
        else:
            await (self._paid(rule) if status == "succeeded" else self._later(rule))

    async def _begin(self, rule: Document) -> Document | None:
        """The attempt, written down before anything is asked of the payments company; None where none is to be made."""
        if not await self._is_needed(rule):
            await auto_recharges.end(self._database, rule, {})
            return None
        if paid_today(rule, self._clock()) >= assistant.RECHARGES_PER_DAY_MAX:
            await self._tell_and_rest(rule)
            return None
        attempt = {
            "id": new_id("recharge"),
            **{name: rule[name] for name in ("package", "method", "customer", "revision")},
        }
        return attempt if await auto_recharges.begin(self._database, rule, attempt) else None

    async def _is_needed(self, rule: Document) -> bool:
        """Whether it is still to be done: nobody is charged who may not even sign in."""
        if not rule["enabled"] or rule["package"] not in self._packages:
            return False
        user = await users.by_id(self._database, rule["_id"])
        wallet = await wallets.wallet(self._database, rule["_id"])
        return user is not None and user["status"] == "active" and wallet is not None and _is_low(wallet)

    async def _bought(self, user: str, attempt: Document, package: Package) -> str:
        """How the attempt's purchase stands; its own key makes a further look at it no further purchase."""
        purchase = Purchase(
            *(user, "credit", package.micro, package.cents, attempt["method"]),
            title=f"Auto-recharge: {package.name} package",
            package=package.id,
            away=True,
            customer=attempt["customer"],
        )
        key = IdempotencyKey(f"auto-recharge:{attempt['id']}", attempt["id"])
        reply = await once(
            self._database, key, lambda: self._purchases.buy(purchase, key), so_far=self._purchases.so_far
        )
        return str(reply.data["status"])

    async def _failed(self, rule: Document, attempt: Document, error: HubError) -> None:
        if error.code is Code.INVALID:
            await self._declined(rule, attempt, error.details[0].message)
            return
        log.warning("auto-recharge unanswered", user=rule["_id"], error=error.message)
        await self._later(rule)

    async def _later(self, rule: Document) -> None:
        """It is not known what became of it, or nothing was asked at all: the same attempt once more."""
        await auto_recharges.again(self._database, rule, self._clock() + _RETRY)

    async def _paid(self, rule: Document) -> None:
        """Its credit has told the user. What fell below meanwhile, while this job was still there, is asked for anew."""
        moment = self._clock()
        count = paid_today(rule, moment) + 1
        counted = {"day": name_of("day", moment), "count": count, "failures": 0, "reason": None}
        await auto_recharges.end(self._database, rule, counted)
        wallet = await wallets.wallet(self._database, rule["_id"])
        if wallet is not None and _is_low(wallet):
            self._ask(rule["_id"])

    # --- what keeps it from going on ---------------------------------------------------------------------------

    async def _declined(self, rule: Document, attempt: Document, reason: str) -> None:
        """A pause, longer each time, or its end; told together. A rule that was changed meanwhile is tried at once."""

        async def compose(transaction: Transaction) -> Operation:
            found = await auto_recharges.within(transaction, rule["_id"])
            if found is None or found.get("claim") != rule["claim"]:
                return Operation(new_id("op"))  # another has come to the same end
            if found["revision"] != attempt["revision"]:
                return Operation(new_id("op"), updates=[_rest(found, self._clock(), {})])
            return _decline(found, reason, self._clock())

        await self._ledger_commit(Composed(new_id("op"), compose), rule)
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
    return bool(wallet["credits"] - wallet["credits_held"] < below)


def _rest(rule: Document, due_at: datetime, changes: Document) -> Update:
    """The attempt is over, and the next is due then."""
    change = {"$set": {**changes, "due_at": due_at}, "$unset": {"claim": "", "attempt": ""}}
    return Update(AUTO_RECHARGES, {"_id": rule["_id"], "claim": rule["claim"]}, change)


def _decline(rule: Document, reason: str, moment: datetime) -> Operation:
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
    return Operation(new_id("op"), inserts=[insert], events=[told], updates=[update], recharge_below=below)


def _why(reason: str) -> str:
    return f"Your credits could not be recharged: {reason.rstrip('.')}."
