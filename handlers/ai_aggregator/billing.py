"""Billing in US dollars over the one wallet: balance, history and top-up, `/v1/billing/*`.

The wallet has credits; what they are worth is the operator's rate, and nothing is stored in dollars.
"""

from datetime import datetime
from functools import partial
from typing import Any, Final

from config import limits
from handlers import history_filters
from handlers.access import scope
from handlers.base import ApiHandler
from handlers.chat_headers import IDEMPOTENCY_KEY, key_check
from handlers.dialects import Page
from handlers.idempotent import replied
from handlers.routing import Route
from handlers.shared.purchases import PaymentMethod
from handlers.terms import PAGE, asks, takes
from hub import amounts, fields
from hub.errors import Code, HubError
from hub.payments.records import Purchase
from hub.usd import micro_bought, usd_number, usd_text
from models import payments, wallets
from models.clock import timestamp
from models.database import Document

Json = dict[str, Any]
_METHOD: Final = "paymentMethod"


class TopUpInput(fields.Input):
    amount = amounts.Usd(
        low_cents=limits.TOP_UP_CENTS_MIN, high_cents=limits.TOP_UP_CENTS_MAX, required=True, example=50.0
    )
    currency = fields.Choice(("USD",), required=True)
    paymentMethod = PaymentMethod(example="card", required=True)


class _BillingHandler(ApiHandler):
    """What all of billing shows of a wallet."""

    @property
    def rate(self) -> int:
        """Millionths of a US dollar for a credit."""
        return self.services.settings.credit_micro_usd

    async def wallet(self) -> Document:
        """The caller's. Raises `HubError` NOT_FOUND."""
        wallet = await wallets.wallet(self.services.database, self.caller.user_id)
        if wallet is None:
            raise HubError(Code.NOT_FOUND, "No such wallet")
        return wallet

    def balance_view(self, micro: int, updated_at: datetime) -> Json:
        """`creditLimit` is that of the API key by which it is asked for, if it has one."""
        user, key = self.caller.user_id, self.caller.limits
        limit = None if key is None or key.credit_micro is None else usd_text(key.credit_micro, self.rate)
        return {
            "id": user,
            "userId": user,
            "balance": usd_text(micro, self.rate),
            "currency": "USD",
            "creditLimit": limit,
            "lastUpdated": timestamp(updated_at),
        }


class Balance(_BillingHandler):
    @scope("credits:read")
    async def get(self) -> None:
        """What the caller's credits are worth."""
        wallet = await self.wallet()
        shown = self.balance_view(wallet["credits"], wallet["updated_at"])
        self.answer({"balance": shown}, message="Balance retrieved successfully")


class History(_BillingHandler):
    """Newest first, narrowed down by the query; credits less debits are the balance."""

    @scope("credits:read")
    @asks(*PAGE, *history_filters.PARAMETERS)
    async def get(self) -> None:
        """Every movement of the caller's credits, in US dollars."""
        (limit, offset), filters = fields.together(self.page_window, lambda: history_filters.of(self))
        found, total = await wallets.entries(
            self.services.database, self.caller.user_id, "credit", skip=offset, limit=limit, filters=filters
        )
        shown = [_transaction_view(entry, self.rate) for entry in found]
        self.answer_page("transactions", shown, Page(limit, offset, total))


class TopUp(_BillingHandler):
    """Credits for an amount of dollars, paid as any purchase is: a repeat with the same `Idempotency-Key` pays nothing."""

    @scope("credits:write")
    @takes(TopUpInput())
    @asks(IDEMPOTENCY_KEY)
    async def post(self) -> None:
        """Buy credits for an amount of US dollars."""
        body = self.json_body()
        given = self.loaded(body, key_check(self))
        purchase, purchases = self._purchase(given), self.services.purchases
        reply = await replied(
            self, body, lambda key: purchases.buy(purchase, key), so_far=partial(purchases.so_far, field=_METHOD)
        )
        if reply["status"] == "succeeded":
            await self._answer_credited(reply)
        else:
            await self._answer_waiting(reply)

    def _purchase(self, given: Json) -> Purchase:
        cents = given["amount"]
        micro = micro_bought(cents, self.rate)
        return Purchase(self.caller.user_id, "credit", micro, cents, given[_METHOD], "Top-up", field=_METHOD)

    async def _answer_credited(self, reply: Json) -> None:
        """The balance as the payment left it, in a repeat too."""
        row = await payments.by_id(self.services.database, reply["payment"])
        assert row is not None, "payments are kept for ever"
        payment = {"id": reply["payment"], "status": "succeeded", "transactionId": reply["transaction"]}
        shown = {"balance": self.balance_view(reply["balance"], row["updated_at"]), "payment": payment}
        self.answer(shown, message="Balance updated successfully")

    async def _answer_waiting(self, reply: Json) -> None:
        """Nothing is credited yet: the payer has to agree, or the company is at work."""
        wallet, secret = await self.wallet(), reply["client_secret"]
        payment = {"id": reply["payment"], "status": reply["status"], "clientSecret": secret}
        shown = {"balance": self.balance_view(wallet["credits"], wallet["updated_at"]), "payment": payment}
        waiting = "The payment needs its payer's confirmation" if secret else "The payment is under way"
        self.answer(shown, message=waiting)


def _transaction_view(entry: Document, rate: int) -> Json:
    """An amount is positive; which model was asked, of which provider, stands where one was."""
    metadata = entry["metadata"]
    return {
        "id": entry["_id"],
        "type": "CREDIT" if entry["amount"] > 0 else "DEBIT",
        "amount": usd_number(abs(entry["amount"]), rate),
        "description": entry["description"],
        "provider": metadata.get("provider"),
        "model": metadata.get("model"),
        "tokens": metadata.get("tokens"),
        "createdAt": timestamp(entry["created_at"]),
    }


ROUTES = [
    Route("/v1/billing/balance", Balance, ("ai_aggregator",)),
    Route("/v1/billing/history", History, ("ai_aggregator",)),
    Route("/v1/billing/balance/credit", TopUp, ("ai_aggregator",)),
]
