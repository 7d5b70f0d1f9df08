"""Users as administrators see and change them: `/api/admin/users`."""

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, validates_schema

from config import limits
from handlers import user_views
from handlers.access import admin
from handlers.actor import actor_of
from handlers.base import ApiHandler
from handlers.chat_headers import IDEMPOTENCY_KEY, key_check
from handlers.dialects import Page
from handlers.idempotent import replied
from handlers.routing import Route
from handlers.terms import PAGE, Parameter, asks, takes
from hub import amounts, fields, user_search
from hub.administration import ADJUSTMENTS, Adjustment
from hub.errors import Code, HubError
from hub.idempotency import IdempotencyKey
from hub.operations import Applied
from hub.prices import credits_number
from models import conversations, logins, notifications, users, wallets
from models.clock import timestamp

Json = dict[str, Any]
Document = Mapping[str, Any]


class ChangeInput(fields.Change):
    role = fields.Choice(user_search.ROLES)
    status = fields.Choice(user_search.STATUSES)
    tier = fields.Choice(users.TIERS)
    credits = amounts.Credits(low_micro=0)


class AdjustInput(fields.Input):
    amount = amounts.Credits(low_micro=-limits.AMOUNT_MICRO_CREDITS_MAX, required=True)
    reason = fields.Text(low=1, high=limits.REASON_CHARS_MAX, required=True)
    type = fields.Choice(ADJUSTMENTS, load_default="adjustment")

    @validates_schema(skip_on_field_errors=False)
    def _direction(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """A gift takes nothing; of a type that is wrong itself nothing follows."""
        amount = data.get("amount", 1)
        if amount == 0 or (amount < 0 and data.get("type", "adjustment") != "adjustment"):
            raise ValidationError("must be above 0, or below it with the type adjustment", "amount")


_FILTERS: Final = (
    Parameter("role", "Only users with this role", {"type": "string", "enum": list(user_search.ROLES)}),
    Parameter("status", "Only users in this state", {"type": "string", "enum": list(user_search.STATUSES)}),
    Parameter("search", "Only users whose address or name contains this"),
    Parameter("sort", "What they are ordered by", {"type": "string", "enum": list(user_search.SORTS)}),
    Parameter("order", "In which direction", {"type": "string", "enum": ["asc", "desc"]}),
)


class Users(ApiHandler):
    @admin
    @asks(*PAGE, *_FILTERS)
    async def get(self) -> None:
        """The users."""
        (limit, offset), query, sort = fields.together(
            self.page_window,
            lambda: user_search.query(self.query("role"), self.query("status"), self.query("search")),
            lambda: user_search.sort(self.query("sort"), self.query("order")),
        )
        database = self.services.database
        found, total = await users.page(database, query, sort, skip=offset, limit=limit)
        credits = await wallets.credits_of(database, [user["_id"] for user in found])
        shown = [_listed(user, credits.get(user["_id"], 0)) for user in found]
        self.answer_page("users", shown, Page(limit, offset, total))


class User(ApiHandler):
    @admin
    async def get(self, user_id: str) -> None:
        """One user, with wallet and counts."""
        self.answer(await _details(self, user_id))

    @admin
    @takes(ChangeInput())
    async def put(self, user_id: str) -> None:
        """Change a user's role, status, tier or credits."""
        given = self.load_body()
        credits = given.pop("credits", None)
        await self.services.administration.change_user(actor_of(self), user_id, given, credits)
        self.answer(await _details(self, user_id))


class TwoFactor(ApiHandler):
    @admin
    async def delete(self, user_id: str) -> None:
        """Switch off two-factor sign-in for a user who has lost authenticator and recovery codes."""
        await self.services.administration.reset_two_factor(actor_of(self), user_id)
        self.answer(message="The user signs in by the first factor alone now")


class CreditAdjustments(ApiHandler):
    """With an `Idempotency-Key` a repeat gets the first answer, and moves nothing."""

    @admin
    @takes(AdjustInput())
    @asks(IDEMPOTENCY_KEY)
    async def post(self, user_id: str) -> None:
        """Give a user credits, or take some."""
        body = self.json_body()
        given = self.loaded(body, key_check(self))
        adjustment = Adjustment(given["amount"], given["type"], given["reason"])

        def view(applied: Applied) -> Json:
            return _adjusted(user_id, adjustment, applied)

        async def work(key: IdempotencyKey | None) -> Json:
            also = [key.done(view)] if key else []
            administration = self.services.administration
            return view(await administration.adjust_credits(actor_of(self), user_id, adjustment, also))

        self.answer(await replied(self, body, work))


def _adjusted(user_id: str, adjustment: Adjustment, applied: Applied) -> Json:
    return {
        "transactionId": applied.entry_ids[0],
        "userId": user_id,
        "amount": credits_number(adjustment.amount),
        "type": adjustment.kind,
        "reason": adjustment.reason,
        "credits": credits_number(applied.wallets[user_id].credits),
    }


async def _details(handler: ApiHandler, user_id: str) -> Json:
    database = handler.services.database
    user = await users.by_id(database, user_id)
    wallet = await wallets.wallet(database, user_id)
    if user is None or wallet is None:
        raise HubError(Code.NOT_FOUND, "No such user")
    return {
        **_listed(user, wallet["credits"]),
        **{name: user[name] for name in ("tier", "phone", "timezone", "language", "number")},
        "username": user.get("username"),
        "updatedAt": timestamp(user["updated_at"]),
        "wallet": _wallet(wallet),
        "counts": {
            "conversations": await conversations.count(database, user_id),
            "logins": await logins.count(database, user_id),
            "unreadNotifications": await notifications.unread(database, user_id),
            "transactions": wallet["seq"],
        },
    }


def _wallet(wallet: Document) -> Json:
    return {
        "credits": credits_number(wallet["credits"]),
        "creditsHeld": credits_number(wallet["credits_held"]),
        "points": wallet["points"],
        "updatedAt": timestamp(wallet["updated_at"]),
    }


def _listed(user: Document, credits: int) -> Json:
    return {
        **user_views.hub_user(user),
        "status": user["status"],
        "twoFactor": bool(user.get("two_factor")),
        "credits": credits_number(credits),
        "lastActiveAt": timestamp(user["last_active_at"]),
    }


_ID: Final = r"/api/admin/users/([A-Za-z0-9_]{1,64})"
ROUTES = [
    Route("/api/admin/users", Users, ("smart_ai_hub",), "admin"),
    Route(_ID, User, ("smart_ai_hub",), "admin"),
    Route(_ID + "/2fa", TwoFactor, ("smart_ai_hub",), "admin"),
    Route(_ID + "/credits/adjust", CreditAdjustments, ("smart_ai_hub",), "admin"),
]
