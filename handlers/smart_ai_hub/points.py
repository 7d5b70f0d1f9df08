"""Points under `/api/v1`: their balance and history, exchange, purchase and the daily reward; and both balances at once."""

from collections.abc import Mapping
from typing import Any

from config import limits
from handlers import history_filters, proofs
from handlers.access import scope
from handlers.base import ApiHandler
from handlers.chat_headers import IDEMPOTENCY_KEY, key_check
from handlers.dialects import Page
from handlers.idempotent import replied
from handlers.routing import Route
from handlers.terms import PAGE, asks, takes
from hub import amounts, fields
from hub.errors import Code, HubError, invalid
from hub.key_limits import check_exchange
from hub.payments.records import Purchase
from hub.prices import credits_number
from models import wallets
from models.clock import timestamp

Json = dict[str, Any]
Document = Mapping[str, Any]


class ExchangeInput(fields.Input):
    creditAmount = amounts.Credits(required=True)


class PaymentDetailsInput(fields.Input):
    stripeSessionId = fields.Text(low=1, high=limits.PAYMENT_ID_CHARS_MAX)
    stripePaymentIntentId = fields.Text(
        low=4,
        high=limits.PAYMENT_ID_CHARS_MAX,
        pattern=r"pi_[A-Za-z0-9_]+",
        says="must be a payment intent's id, pi_...",
        example="pi_123",
        required=True,
    )
    amount = amounts.Usd(required=True, example=10)


class PurchaseInput(fields.Input):
    pointsAmount = amounts.Points(required=True, example=10_000)
    paymentDetails = fields.Nested(PaymentDetailsInput, required=True)


class PointBalance(ApiHandler):
    @scope("credits:read")
    async def get(self) -> None:
        """The points of the caller's wallet."""
        self.answer({"balance": (await _wallet(self))["points"]})


class WalletBalance(ApiHandler):
    @scope("credits:read")
    async def get(self) -> None:
        """The credits and points of the caller's wallet, and what running answers hold of it."""
        wallet = await _wallet(self)
        held = credits_number(wallet["credits_held"])
        self.answer({"credits": credits_number(wallet["credits"]), "creditsHeld": held, "points": wallet["points"]})


class PointHistory(ApiHandler):
    """Newest first, each item with its place in the wallet's chain. Its pagination has names of its own."""

    @scope("credits:read")
    @asks(*PAGE, proofs.PROOF, *history_filters.PARAMETERS)
    async def get(self) -> None:
        """Every movement of the caller's points."""
        (limit, offset), proof, filters = fields.together(
            self.page_window, lambda: self.query_flag("proof"), lambda: history_filters.of(self)
        )
        found, total = await wallets.entries(
            self.services.database,
            self.caller.user_id,
            "point",
            skip=offset,
            limit=limit,
            filters=filters,
        )
        page = Page(limit, offset, total)
        pagination = {"page": page.number, "per_page": limit, "total": total, "total_pages": page.pages}
        self.answer([_entry(entry, proof) for entry in found], extra={"pagination": pagination})


class Exchange(ApiHandler):
    """Points are whole: what is left of a point goes down with the credits."""

    @scope("credits:write")
    @takes(ExchangeInput())
    @asks(IDEMPOTENCY_KEY)
    async def post(self) -> None:
        """Exchange credits for points."""
        check_exchange(self.caller)
        body = self.json_body()
        micro = self.loaded(body, key_check(self))["creditAmount"]
        user = self.caller.user_id
        reply = await replied(self, body, lambda key: self.services.points.exchange(user, micro, key))
        spent = credits_number(reply["spent"])
        self.answer(
            {
                "newCreditBalance": credits_number(reply["credits"]),
                "newPointBalance": reply["points"],
                "pointsReceived": reply["received"],
                "message": f"Successfully exchanged {spent} credits for {reply['received']} points",
            }
        )


class PointPurchase(ApiHandler):
    """The payment was made before, by its payer's own means: the payments company is asked whether it was."""

    @scope("credits:write")
    @takes(PurchaseInput())
    @asks(IDEMPOTENCY_KEY)
    async def post(self) -> None:
        """Count points that were paid for."""
        body = self.json_body()
        purchase = self._purchase(self.loaded(body, self._check_price, key_check(self)))
        reply = await replied(self, body, lambda key: self.services.purchases.buy(purchase, key))
        self.answer(
            {
                "newBalance": reply["balance"],
                "transactionId": reply["transaction"],
                "paymentId": reply["payment"],
                "message": f"Successfully purchased {reply['amount']} points",
            }
        )

    def _check_price(self, given: Json) -> None:
        """Raises `HubError` INVALID."""
        points, paid = given.get("pointsAmount"), given.get("paymentDetails", {}).get("amount")
        if points is None or paid is None:
            return
        cents = self.services.packages.points_cents(points)
        if paid != cents:
            raise invalid("paymentDetails.amount", f"must be {cents / 100:g} dollars, the price of {points} points")

    def _purchase(self, given: Json) -> Purchase:
        points, details = given["pointsAmount"], given["paymentDetails"]
        intent, field = details["stripePaymentIntentId"], "paymentDetails.stripePaymentIntentId"
        return Purchase(self.caller.user_id, "point", points, details["amount"], intent, "Points", field=field)


class DailyRewardClaim(ApiHandler):
    """Once a day by the user's own clock."""

    @scope("credits:write")
    @asks(IDEMPOTENCY_KEY)
    async def post(self) -> None:
        """Claim the day's reward."""
        user = self.caller.user_id
        reply = await replied(self, None, lambda key: self.services.points.claim_reward(user, key))
        points = reply["points"]
        message = f"Successfully claimed {points} points as your daily reward!"
        self.answer({"points": points, "newBalance": reply["balance"], "message": message})


class DailyRewardStatus(ApiHandler):
    @scope("credits:read")
    async def get(self) -> None:
        """Whether the day's reward can be claimed, and when the next one."""
        can_claim, next_day = await self.services.points.reward_status(self.caller.user)
        reward = self.services.points.reward
        self.answer({"canClaim": can_claim, "rewardAmount": reward, "nextDayAt": timestamp(next_day)})


async def _wallet(handler: ApiHandler) -> Document:
    wallet = await wallets.wallet(handler.services.database, handler.caller.user_id)
    if wallet is None:
        raise HubError(Code.NOT_FOUND, "No such wallet")
    return wallet


def _entry(entry: Document, proof: bool) -> Json:
    return {
        "id": entry["_id"],
        "userId": entry["wallet"],
        "amount": entry["amount"],
        "type": entry["kind"],
        "balanceAfter": entry["balance_after"],
        "description": entry["description"],
        "metadata": entry["metadata"],
        "seq": entry["seq"],
        "createdAt": timestamp(entry["created_at"]),
        **proofs.links(entry, proof),
    }


ROUTES = [
    Route("/api/v1/points/balance", PointBalance, ("smart_ai_hub",)),
    Route("/api/v1/points/history", PointHistory, ("smart_ai_hub",)),
    Route("/api/v1/points/exchange-from-credits", Exchange, ("smart_ai_hub",)),
    Route("/api/v1/points/purchase", PointPurchase, ("smart_ai_hub",)),
    Route("/api/v1/points/claim-daily-reward", DailyRewardClaim, ("smart_ai_hub",)),
    Route("/api/v1/points/daily-reward-status", DailyRewardStatus, ("smart_ai_hub",)),
    Route("/api/v1/wallet/balance", WalletBalance, ("smart_ai_hub",)),
]
