"""What a payment writes: its row, and the operations by which it is credited or fails. Pure: nothing is read or sent here.

Row, wallet entry, events, notification and the idempotency record's reply stand together or not at all. The entry's
operation is the row's id, so that a payment is credited once whoever reports it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from config import limits
from hub.errors import Code, HubError
from hub.idempotency import IdempotencyKey, replied, withdrawn
from hub.notifications import notice
from hub.operations import Applied, Delete, Insert, Leg, NewEvent, Operation, Unit, Update
from hub.payments.base import Order
from hub.prices import credits_number
from models.clock import now
from models.database import Document
from models.ids import new_id
from models.payments import PAYMENTS

METHOD_FIELD: Final = "paymentMethodId"
Failing = Callable[[Document, str], Operation]  # of a row, for a reason


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a user wants to pay for: `amount` micro-credits or whole points for `cents` US cents, by `method`.

    `title` is what it is called in the history ("Starter package"); `field` is the input that named the method. With `away`
    its user is not there to be asked or answered: whoever charges tells them of a failure. `customer` is `Order`'s.
    `attempt` names what is to be bought once: there is no second row of it, unless nothing was tried.
    """

    user: str
    unit: Unit
    amount: int
    cents: int
    method: str
    title: str
    package: str | None = None
    field: str = METHOD_FIELD
    away: bool = False
    customer: str | None = None
    attempt: str | None = None


def new_row(purchase: Purchase, provider: str, key: IdempotencyKey | None) -> Document:
    moment = now()
    return {
        "_id": new_id("pay"),
        "user": purchase.user,
        "status": "pending",
        "provider": provider,
        "unit": purchase.unit,
        "amount": purchase.amount,
        "cents": purchase.cents,
        "currency": "usd",
        "method": purchase.method,
        "package": purchase.package,
        "title": purchase.title,
        "away": purchase.away,
        "key": key.id if key else None,
        "reason": None,
        "reply": None,
        "created_at": moment,
        "updated_at": moment,
        "due_at": moment + timedelta(seconds=limits.PAYMENT_PENDING_SECONDS),
        **({} if purchase.attempt is None else {"attempt": purchase.attempt}),
    }


def inserted(row: Document) -> Insert:
    """A new row; a second one of the same attempt is refused by `HubError` IN_FLIGHT."""
    return Insert(PAYMENTS, row, ("attempt",) if "attempt" in row else (), _attempted)


def _attempted(_: str) -> Exception:
    return HubError(Code.IN_FLIGHT, "This is being bought already", retry_after_seconds=1)


def order_of(row: Document, method: str, customer: str | None = None) -> Order:
    """What the company is asked for."""
    return Order(row["_id"], row["user"], row["cents"], method, row["title"], customer)


def paid_before(row: Document, key: IdempotencyKey | None, inserted: Insert) -> Operation:
    """The operation of a payment that was paid before we heard of it: its row comes to be together with the credit."""
    operation = _crediting(row)
    operation.inserts = [inserted, *operation.inserts]
    if key is not None:
        operation.inserts = [*operation.inserts, key.done(lambda applied: reply(row, applied))]
    return operation


def credited(row: Document, intent: str | None) -> Operation:
    """The operation that credits a row which stands as pending, or as failed where the company changed its mind. `intent`
    is the payment by which the company will tell of a refund, where that is not the row's own.
    """
    operation = _crediting(row)
    known_as = {} if intent is None else {"intent": intent}
    done = {"$set": {"status": "succeeded", "reason": None, "updated_at": now(), **known_as}}
    told = Update(PAYMENTS, {"_id": row["_id"]}, done, result=lambda applied: {"reply": reply(row, applied)})
    operation.updates = [told]
    if row["key"] is not None:
        operation.updates = [told, replied(row["key"], lambda applied: reply(row, applied))]
    return operation


def _crediting(row: Document) -> Operation:
    user, what = row["user"], amount_text(row)
    metadata: Document = {"payment": row["_id"], "package": row["package"], "cents": row["cents"]}
    insert, told = notice(user, "success", "billing", "Payment received", f"{what} were added to your wallet.")
    return Operation(
        id=row["_id"],
        legs=[Leg(user, row["unit"], "purchase", row["amount"], f"{row['title']} purchase", metadata)],
        inserts=[insert],
        events=[*_bought(row), NewEvent(user, "payment.completed", _event(row, "completed")), told],
        once=True,
    )


def failed(row: Document, reason: str) -> Operation:
    """The operation by which a pending row fails; the idempotency key is free for another try."""
    user = row["user"]
    text = f"Your payment for {amount_text(row)} failed: {reason}."
    notices = [] if row.get("away") else [notice(user, "error", "billing", "Payment failed", text)]
    return Operation(
        id=new_id("op"),
        inserts=[insert for insert, _ in notices],
        updates=[_failing(row, reason)],
        deletes=_freed(row),
        events=[
            NewEvent(user, "payment.failed", {**_event(row, "failed"), "reason": reason}),
            *(told for _, told in notices),
        ],
    )


def untried(row: Document, reason: str) -> Operation:
    """As `failed`, where the company was never asked to charge: whose user is away hears nothing, and is tried anew."""
    return lapsed(row, reason) if row.get("away") else failed(row, reason)


def lapsed(row: Document, reason: str) -> Operation:
    """The operation by which a row ends of which nothing was tried, as a checkout that nobody paid: nobody needs to hear of
    it, and its attempt is free for another try.
    """
    return Operation(id=new_id("op"), updates=[_failing(row, reason, {"$unset": {"attempt": ""}})], deletes=_freed(row))


def _freed(row: Document) -> list[Delete]:
    return [withdrawn(row["key"])] if row["key"] is not None else []


def _failing(row: Document, reason: str, further: Document | None = None) -> Update:
    change = {"$set": {"status": "failed", "reason": reason, "updated_at": now()}, **(further or {})}
    return Update(PAYMENTS, {"_id": row["_id"]}, change)


def reply(row: Document, applied: Applied) -> Document:
    """What the buyer hears, as plain data: amounts in micro-credits or points."""
    state = applied.wallets[row["user"]]
    balance = state.credits if row["unit"] == "credit" else state.points
    return {**unpaid_reply(row, "succeeded"), "transaction": applied.entry_ids[0], "balance": balance}


def unpaid_reply(row: Document, status: str) -> Document:
    names = ("user", "unit", "amount", "cents", "package", "title")
    return {"payment": row["_id"], "status": status, **{name: row[name] for name in names}}


def amount_text(row: Document) -> str:
    number = credits_number(row["amount"]) if row["unit"] == "credit" else row["amount"]
    return f"{number:,} {row['unit']}s"


def _bought(row: Document) -> list[NewEvent]:
    if row["unit"] != "credit":
        return []
    bought = {"credits": credits_number(row["amount"]), "package_id": row["package"], "payment_id": row["_id"]}
    return [NewEvent(row["user"], "credit.purchased", {"user_id": row["user"], **bought})]


def _event(row: Document, status: str) -> dict[str, Any]:
    return {
        "user_id": row["user"],
        "payment_id": row["_id"],
        "status": status,
        "amount": row["cents"] / 100,
        "currency": "USD",
    }
