"""Credits of the AI Assistant beside their balance, history and purchase: packages, auto-recharge, and gifts."""

from functools import partial
from typing import Any, ClassVar, Final

from config import assistant, limits
from config.packages import Package
from handlers.access import public, scope
from handlers.base import ApiHandler
from handlers.chat_headers import IDEMPOTENCY_KEY, key_check
from handlers.idempotent import replied
from handlers.routing import Route
from handlers.shared.purchases import package_of
from handlers.terms import asks, takes
from hub import amounts, fields, identity_input
from hub.credits import recharges
from hub.credits.gifts import RECIPIENT, Gift
from hub.key_limits import check_exchange
from hub.prices import credits_number
from hub.profile_fields import Email
from models.clock import now, timestamp
from models.database import Document

Json = dict[str, Any]
_MESSAGE: Final = "message"


class GiftMessage(fields.ByRule):
    """Plain text of a few lines."""

    form: ClassVar[fields.Form] = {
        "type": "string",
        "maxLength": assistant.GIFT_MESSAGE_CHARS_MAX,
        "examples": ["Happy birthday!"],
    }

    def __init__(self, **kwargs: Any) -> None:
        rule = partial(identity_input.plain_text, field=_MESSAGE, chars_max=assistant.GIFT_MESSAGE_CHARS_MAX)
        super().__init__(rule, **kwargs)


class GiftInput(fields.Input):
    recipient_email = Email(required=True)
    amount = amounts.Credits(
        low_micro=assistant.GIFT_MICRO_MIN, high_micro=assistant.GIFT_MICRO_PER_DAY_MAX, required=True, example=100
    )
    message = GiftMessage(load_default="")


class AutoRechargeInput(fields.Input):
    """What is not given stays as it was."""

    enabled = fields.Flag(required=True)
    threshold = amounts.Credits(example=100)
    package = fields.Text(low=1, high=limits.NAME_CHARS_MAX, example="pro")
    payment_method = fields.Text(
        low=4,
        high=limits.PAYMENT_ID_CHARS_MAX,
        pattern=r"pm_[A-Za-z0-9_]+",
        says="must be a payment method's id, pm_...",
        example="pm_123",
    )


class CreditPackages(ApiHandler):
    @public
    def get(self) -> None:
        """What can be bought, and for how much."""
        self.answer({"packages": [_package_view(package) for package in self.services.packages.by_id.values()]})


class AutoRecharge(ApiHandler):
    """Below `threshold` credits the package is bought by the payment method, without being asked. A method that is
    declined is tried again after pauses, and in the end the rule is switched off; each change of it begins anew.
    """

    @scope("credits:read")
    async def get(self) -> None:
        """When and how the caller's credits are recharged."""
        self.answer(_rule_view(await self.services.credits.rules.of_user(self.caller.user_id)))

    @scope("account:write")  # beside a gift it would be a way from its owner's card to whoever has the key
    @takes(AutoRechargeInput())
    async def put(self) -> None:
        """Set when and how the caller's credits are recharged."""
        given = self.load_body(self._check_package)
        self.answer(_rule_view(await self.services.credits.rules.change(self.caller.user_id, given)))

    def _check_package(self, given: Json) -> None:
        """Raises `HubError` INVALID."""
        if "package" in given:
            package_of(self, "package", given["package"])


class CreditGift(ApiHandler):
    """Whoever has confirmed their address, or has bought something, may give; welcome credits only after a purchase."""

    @scope("credits:write")
    @takes(GiftInput())
    @asks(IDEMPOTENCY_KEY)
    async def post(self) -> None:
        """Give credits to another user."""
        check_exchange(self.caller)
        body = self.json_body()
        given = self.loaded(body, key_check(self))
        gift = Gift(self.caller.user_id, given[RECIPIENT], given["amount"], given[_MESSAGE])
        reply = await replied(self, body, lambda key: self.services.credits.gifts.give(gift, key))
        self.answer(_gift_view(reply))


def _package_view(package: Package) -> Json:
    return {
        "id": package.id,
        "name": package.name,
        "credits": credits_number(package.micro),
        "price_usd": package.cents / 100,
        "currency": "USD",
    }


def _rule_view(rule: Document | None) -> Json:
    """`next_attempt_at`: the end of a pause after a decline, or after a day's largest number of recharges."""
    if rule is None:
        nothing = dict.fromkeys(("threshold", "package", "payment_method", "last_failure", "next_attempt_at"))
        return {"enabled": False, **nothing, **_today(0)}
    moment = now()
    rests_until = recharges.rests_until(rule, moment)
    return {
        "enabled": rule["enabled"],
        "threshold": credits_number(rule["threshold"]),
        "package": rule["package"],
        "payment_method": rule["method"],
        "last_failure": rule["reason"],
        "next_attempt_at": None if rests_until is None else timestamp(rests_until),
        **_today(recharges.paid_today(rule, moment)),
    }


def _today(count: int) -> Json:
    return {"recharges_today": count, "recharges_per_day": assistant.RECHARGES_PER_DAY_MAX}


def _gift_view(reply: Json) -> Json:
    return {
        "gift_id": reply["gift"],
        "status": "sent",
        "recipient": reply["recipient"],
        "amount": credits_number(reply["amount"]),
        "balance": credits_number(reply["balance"]),
    }


ROUTES = [
    Route("/api/credits/packages", CreditPackages, ("ai_assistant",)),
    Route("/api/credits/auto-recharge", AutoRecharge, ("ai_assistant",)),
    Route("/api/credits/gift", CreditGift, ("ai_assistant",)),
]
