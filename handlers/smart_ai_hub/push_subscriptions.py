"""Browser push: the key that browsers subscribe by, and the subscriptions that they made."""

from collections.abc import Mapping
from typing import Any, Final

from config import limits
from handlers.access import scope
from handlers.base import ApiHandler
from handlers.routing import Route
from handlers.terms import answers, takes
from hub.fields import Input, Nested, Number, Text
from hub.notices.push_subscriptions import AuthSecret, PublicKey
from hub.notices.vapid import origin_of
from models.clock import timestamp

Json = dict[str, Any]

_MILLISECONDS_MAX: Final = 253_402_300_799_000  # the year 9999, where Python's calendar ends


class KeysInput(Input):
    p256dh = PublicKey(required=True)
    auth = AuthSecret(required=True)


class SubscriptionInput(Input):
    """What `PushSubscription.toJSON()` gives in a browser; the time is in milliseconds."""

    endpoint = Text(low=1, high=limits.WEBHOOK_URL_CHARS_MAX, example="https://push.example.net/send/1", required=True)
    expirationTime = Number(low=0, high=_MILLISECONDS_MAX, allow_none=True)
    keys = Nested(KeysInput, required=True)


class Push(ApiHandler):
    @scope("account:read")
    async def get(self) -> None:
        """The key to subscribe by, and the caller's browsers that are told."""
        standing = await self.services.notices.push.subscriptions.standing(self.caller.user_id)
        self.answer(
            {
                "publicKey": self.services.notices.push.subscriptions.public_key,
                "subscriptions": [view(one) for one in standing],
            }
        )


class Subscriptions(ApiHandler):
    @scope("account:write")
    @takes(SubscriptionInput())
    @answers(201)
    async def post(self) -> None:
        """Tell the caller in this browser; one that is subscribed already is changed."""
        given = self.load_body(self.services.notices.push.subscriptions.check)
        user_agent = self.request.headers.get("User-Agent")
        self.answer(view(await self.services.notices.push.subscriptions.add(self.caller, given, user_agent)))


class Subscription(ApiHandler):
    @scope("account:write")
    async def delete(self, subscription_id: str) -> None:
        """Tell the caller in this browser no more."""
        await self.services.notices.push.subscriptions.remove(self.caller.user_id, subscription_id)
        self.answer(message="This browser is told nothing more")


def view(document: Mapping[str, Any]) -> Json:
    """Without the address and keys, by which others could send to the browser."""
    return {
        "id": document["_id"],
        "origin": origin_of(document["endpoint"]),
        "userAgent": document["user_agent"],
        "createdAt": timestamp(document["created_at"]),
    }


ROUTES = [
    Route("/api/notifications/push", Push, ("smart_ai_hub",)),
    Route("/api/notifications/push/subscriptions", Subscriptions, ("smart_ai_hub",)),
    Route("/api/notifications/push/subscriptions/([A-Za-z0-9_]{1,64})", Subscription, ("smart_ai_hub",)),
]
