"""POST /api/credits/purchase: credits for money, in Smart AI Hub's form."""

from typing import Any

from config import limits
from config.packages import Package
from handlers.access import scope
from handlers.base import ApiHandler
from handlers.chat_headers import IDEMPOTENCY_KEY, key_check
from handlers.idempotent import replied
from handlers.routing import Route
from handlers.terms import asks, takes
from hub import amounts, fields
from hub.errors import invalid
from hub.payments.records import Purchase
from hub.prices import credits_number

Json = dict[str, Any]


class PaymentMethod(fields.Text):
    """A payments company's id of a card, or of a payment that was made."""

    def __init__(self, **kwargs: Any) -> None:
        form: dict[str, Any] = {"pattern": r"[A-Za-z0-9_]+", "says": "must be letters, digits and _"}
        super().__init__(low=1, high=limits.PAYMENT_ID_CHARS_MAX, **form, **kwargs)


class HubPurchaseInput(fields.Input):
    packageId = fields.Text(low=1, high=limits.NAME_CHARS_MAX, required=True, example="pkg_starter")
    paymentMethodId = PaymentMethod(example="pm_123", required=True)
    amount = amounts.Credits(required=True, example=1000)


class CreditPurchase(ApiHandler):
    """`amount` must be the credits of the package: who reads a stale price list is told before anything is charged."""

    @scope("credits:write")
    @takes(HubPurchaseInput())
    @asks(IDEMPOTENCY_KEY)
    async def post(self) -> None:
        """Buy a package of credits."""
        body = self.json_body()
        given = self.loaded(body, self._check_package, key_check(self))
        package = self.services.packages.by_id[given["packageId"]]
        purchase = _purchase(self.caller.user_id, package, given["paymentMethodId"])
        purchases = self.services.purchases
        reply = await replied(self, body, lambda key: purchases.buy(purchase, key), so_far=purchases.so_far)
        self.answer(purchase_view(reply))

    def _check_package(self, given: Json) -> None:
        """Raises `HubError` INVALID."""
        packages = self.services.packages.by_id
        if "packageId" not in given:
            return
        package = packages.get(given["packageId"])
        if package is None:
            raise invalid("packageId", f"must be one of {', '.join(packages)}")
        if given.get("amount", package.micro) != package.micro:
            raise invalid("amount", f"must be {credits_number(package.micro)}, as many credits as the package has")


def _purchase(user: str, package: Package, method: str) -> Purchase:
    return Purchase(user, "credit", package.micro, package.cents, method, f"{package.name} package", package.id)


def purchase_view(reply: Json) -> Json:
    """A purchase as its buyer sees it; one that is not paid yet has neither a transaction nor a balance."""
    view = {
        "paymentId": reply["payment"],
        "status": reply["status"],
        "packageId": reply["package"],
        "amount": credits_number(reply["amount"]),
        "price": reply["cents"] / 100,
        "currency": "USD",
    }
    if reply["status"] == "succeeded":
        text = f"Successfully purchased {view['amount']} credits"
        newer = {"transactionId": reply["transaction"], "newBalance": credits_number(reply["balance"])}
        return {**view, **newer, "message": text}
    waiting = "The payment needs its payer's confirmation" if reply["client_secret"] else "The payment is under way"
    return {**view, "clientSecret": reply["client_secret"], "message": waiting}


ROUTES = [Route("/api/credits/purchase", CreditPurchase, ("smart_ai_hub",))]
