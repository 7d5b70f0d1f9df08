"""POST /api/credits/purchase: credits for money, in Smart AI Hub's form, which charges at once, and in AI Assistant's, which
leads to a checkout page.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from config import limits
from config.packages import Package
from handlers.access import scope
from handlers.base import ApiHandler
from handlers.chat_headers import IDEMPOTENCY_KEY, key_check
from handlers.checkout import PAGES
from handlers.idempotent import replied
from handlers.routing import Route
from handlers.terms import asks, takes
from hub import amounts, fields
from hub.credits.return_urls import ReturnUrl
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


class CheckoutInput(fields.Input):
    """`payment_method` is who takes the payment; how its payer pays is chosen on the page."""

    package = fields.Text(low=1, high=limits.NAME_CHARS_MAX, required=True, example="pro")
    payment_method = fields.Choice(("stripe", "card"), required=True)
    return_url = ReturnUrl(required=True)


class CreditPurchase(ApiHandler):
    """Smart AI Hub's form charges the payment method that is named. Its `amount` must be the credits of the package: who
    reads a stale price list is told before anything is charged.

    AI Assistant's form answers with the address of a page on which the package is paid, and which then shows a link to
    `return_url`.
    """

    @scope("credits:write")
    @takes(HubPurchaseInput(), ai_assistant=CheckoutInput())
    @asks(IDEMPOTENCY_KEY)
    async def post(self) -> None:
        """Buy a package of credits."""
        body = self.json_body()
        given = self.loaded(body, self._check_package, key_check(self))
        await _BUY[self.dialect.name](self, body, given)

    def _check_package(self, given: Json) -> None:
        """Raises `HubError` INVALID."""
        field = _PACKAGE[self.dialect.name]
        if field not in given:
            return
        package = package_of(self, field, given[field])
        if given.get("amount", package.micro) != package.micro:
            raise invalid("amount", f"must be {credits_number(package.micro)}, as many credits as the package has")


def package_of(handler: ApiHandler, field: str, name: str) -> Package:
    """Raises `HubError` INVALID naming `field`."""
    packages = handler.services.packages.by_id
    if name not in packages:
        raise invalid(field, f"must be one of {', '.join(packages)}", name)
    return packages[name]


async def _charged(handler: ApiHandler, body: Any, given: Json) -> None:
    package = handler.services.packages.by_id[given["packageId"]]
    purchase = _purchase(handler.caller.user_id, package, given["paymentMethodId"])
    purchases = handler.services.purchases
    reply = await replied(handler, body, lambda key: purchases.buy(purchase, key), so_far=purchases.so_far)
    handler.answer(purchase_view(reply))


async def _checkout(handler: ApiHandler, body: Any, given: Json) -> None:
    package = handler.services.packages.by_id[given["package"]]
    purchase = _purchase(handler.caller.user_id, package, given["payment_method"], "payment_method")
    checkouts, pages = handler.services.credits.checkouts, handler.services.settings.public_url + PAGES
    opened = await replied(handler, body, lambda key: checkouts.open(purchase, pages, given["return_url"], key))
    handler.answer({"checkout_url": opened["url"], "session_id": opened["session"]})


def _purchase(user: str, package: Package, method: str, field: str = "paymentMethodId") -> Purchase:
    title = f"{package.name} package"
    return Purchase(user, "credit", package.micro, package.cents, method, title, package.id, field)


_PACKAGE: Final = {"smart_ai_hub": "packageId", "ai_assistant": "package"}
_BUY: Final[dict[str, Callable[[ApiHandler, Any, Json], Awaitable[None]]]] = {
    "smart_ai_hub": _charged,
    "ai_assistant": _checkout,
}


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


ROUTES = [Route("/api/credits/purchase", CreditPurchase, ("smart_ai_hub", "ai_assistant"))]
