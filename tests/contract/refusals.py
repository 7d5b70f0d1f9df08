"""What Smart AI Hub refuses beyond bad input and strangers: a row per reason, with the documented status and code.

`{...}` in a path or body stands for a fact that `test_refusals.py` makes. `first` is the answer to the first of two calls,
of which the second is refused.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.site import PASSWORD

NOT_FOUND: Final = (404, "RESOURCE_NOT_FOUND")
CONFLICT: Final = (409, "RESOURCE_CONFLICT")
TOO_LITTLE: Final = (402, "INSUFFICIENT_CREDITS")
WRONG: Final = (422, "VALIDATION_ERROR")
UNKNOWN: Final = (401, "AUTHENTICATION_FAILED")

Who = Literal["none", "user", "poor", "service", "admin"]


@dataclass(frozen=True)
class Refusal:
    """`who`: none, a user with ten credits and no points, `poor` with nothing at all, the service, or an administrator."""

    reason: str
    call: str
    body: Any
    outcome: tuple[int, str]
    who: Who = "user"
    first: int | None = None
    headers: tuple[tuple[str, str], ...] = ()


_USER: Final = "/api/admin/users"
_RATES: Final = "/api/admin/exchange-rates"
_HOOKS: Final = "/api/admin/webhooks"
_CHAT: Final = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}]}
_DEDUCT: Final = {"amount": 1_000_000, "description": "Used for AI service"}
_INTENT: Final = {"pointsAmount": 10_000, "paymentDetails": {"stripePaymentIntentId": "pi_once", "amount": 10}}
_KEY: Final = (("Idempotency-Key", "{key}"),)

AUTH: Final = [
    Refusal("a wrong password", "POST /api/auth/login", {"email": "{email}", "password": "wrong"}, UNKNOWN, "none"),
    Refusal("an unknown address", "POST /api/auth/login", {"email": "x@y.zz", "password": PASSWORD}, UNKNOWN, "none"),
    Refusal("a taken address", "POST /api/auth/register", {"email": "{email}", "password": PASSWORD}, CONFLICT, "none"),
    Refusal(
        *("a taken address in other letters", "POST /api/auth/register"),
        *({"email": "{EMAIL}", "password": PASSWORD}, CONFLICT, "none"),
    ),
    Refusal(
        *("a taken username", "POST /api/auth/register"),
        *({"email": "new@example.com", "password": PASSWORD, "username": "TAKEN1"}, CONFLICT, "none"),
    ),
    Refusal("a used refresh token", "POST /api/auth/refresh", {"refreshToken": "{refresh}"}, UNKNOWN, "none", 200),
    Refusal(
        *("a used reset token", "POST /api/auth/reset-password"),
        *({"token": "{reset}", "newPassword": "AnotherHorse8"}, WRONG, "none", 200),
    ),
    Refusal(
        *("a wrong current password", "PUT /api/users/me/password"),
        *({"currentPassword": "wrong", "newPassword": "AnotherHorse8"}, UNKNOWN),
    ),
]
MONEY: Final = [
    Refusal(
        *("a payment that fails", "POST /api/credits/purchase"),
        *({"packageId": "pkg_starter", "paymentMethodId": "pm_fail", "amount": 1000}, WRONG),
    ),
    Refusal(
        *("another amount than the package's", "POST /api/credits/purchase"),
        *({"packageId": "pkg_starter", "paymentMethodId": "pm_1", "amount": 999}, WRONG),
    ),
    Refusal("too few credits", "POST /api/v1/points/exchange-from-credits", {"creditAmount": 11}, TOO_LITTLE),
    Refusal("less than a point", "POST /api/v1/points/exchange-from-credits", {"creditAmount": 0.0001}, WRONG),
    Refusal("a used payment", "POST /api/v1/points/purchase", _INTENT, CONFLICT, first=200),
    Refusal("a second claim", "POST /api/v1/points/claim-daily-reward", None, CONFLICT, first=200),
    Refusal("too few points", "POST /api/v1/mcp/points/deduct", _DEDUCT, TOO_LITTLE, "service"),
    Refusal(
        *("an unknown user", "POST /api/v1/mcp/points/deduct", _DEDUCT, NOT_FOUND, "service"),
        headers=(("X-User-ID", "user_nobody"),),
    ),
    Refusal(
        *("a key of another request", "POST /api/v1/points/exchange-from-credits", {"creditAmount": 2}, WRONG),
        headers=_KEY,
    ),
]
CHAT: Final = [
    Refusal("an unknown model", "POST /api/mcp/chat/completions", {**_CHAT, "model": "gpt-99"}, NOT_FOUND),
    Refusal("no credits", "POST /api/mcp/chat/completions", _CHAT, TOO_LITTLE, "poor"),
    Refusal("no credits for a stream", "POST /api/mcp/chat/completions", {**_CHAT, "stream": True}, TOO_LITTLE, "poor"),
    Refusal("an unknown notification", "PUT /api/notifications/notif_none/read", None, NOT_FOUND),
    Refusal("another's notification", "PUT /api/notifications/{others_notification}/read", None, NOT_FOUND),
]
ADMINISTRATION: Final = [
    Refusal("an unknown user", f"GET {_USER}/user_nobody", None, NOT_FOUND, "admin"),
    Refusal("an unknown user", f"PUT {_USER}/user_nobody", {"credits": 5}, NOT_FOUND, "admin"),
    Refusal(
        *("an unknown user", f"POST {_USER}/user_nobody/credits/adjust"),
        *({"amount": 5, "reason": "A gift", "type": "bonus"}, NOT_FOUND, "admin"),
    ),
    Refusal("the last administrator", f"PUT {_USER}/{{admin}}", {"role": "user"}, CONFLICT, "admin"),
    Refusal("the last administrator", f"PUT {_USER}/{{admin}}", {"status": "suspended"}, CONFLICT, "admin"),
    Refusal(
        *("more than there is", f"POST {_USER}/{{user}}/credits/adjust"),
        *({"amount": -11, "reason": "An error", "type": "adjustment"}, CONFLICT, "admin"),
    ),
    Refusal(
        *("a bonus that takes", f"POST {_USER}/{{user}}/credits/adjust"),
        *({"amount": -1, "reason": "A gift", "type": "bonus"}, WRONG, "admin"),
    ),
    Refusal("an unknown rate", f"PUT {_RATES}/rate_none", {"rate": 1200}, NOT_FOUND, "admin"),
    Refusal("an unknown rate", f"DELETE {_RATES}/rate_none", None, NOT_FOUND, "admin"),
    Refusal("the only active rate", f"DELETE {_RATES}/{{active_rate}}", None, CONFLICT, "admin"),
    Refusal(
        "a private address", f"POST {_HOOKS}", {"url": "http://10.0.0.1", "events": ["user.created"]}, WRONG, "admin"
    ),
]
REFUSALS: Final = [*AUTH, *MONEY, *CHAT, *ADMINISTRATION]
