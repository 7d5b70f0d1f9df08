"""The credit services of a process, as one: checkout pages, the rules of auto-recharge and their work, gifts."""

from collections.abc import Mapping
from dataclasses import dataclass

from config.packages import Package
from hub.credits.checkouts import Checkouts
from hub.credits.gifts import Gifts
from hub.credits.recharge_rules import RechargeRules
from hub.credits.recharges import Recharges
from hub.ledger import Ledger
from hub.payments.purchases import Purchases
from hub.tasks import Tasks
from models.database import Database


@dataclass(frozen=True, slots=True)
class Credits:
    """One per process."""

    checkouts: Checkouts
    rules: RechargeRules
    recharges: Recharges
    gifts: Gifts


def make(
    database: Database,
    ledger: Ledger,
    purchases: Purchases,
    packages: Mapping[str, Package],
    tasks: Tasks,
) -> Credits:
    recharges = Recharges(database, ledger, purchases, packages, tasks)
    return Credits(
        checkouts=Checkouts(database, ledger, purchases),
        rules=RechargeRules(database, ledger, purchases, packages, recharges.changed),
        recharges=recharges,
        gifts=Gifts(ledger),
    )
