"""What the APIs refuse beyond bad input and strangers: a row per reason, with the documented status and code.

`{...}` in a path or body stands for a fact that `test_refusals.py` makes. `first` is the answer to the first of two calls,
of which the second is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from hub.webhooks.receiver import PATH as RECEIVER
from tests.site import PASSWORD

NOT_FOUND: Final = (404, "RESOURCE_NOT_FOUND")
CONFLICT: Final = (409, "RESOURCE_CONFLICT")
TOO_LITTLE: Final = (402, "INSUFFICIENT_CREDITS")
WRONG: Final = (422, "VALIDATION_ERROR")
UNKNOWN: Final = (401, "AUTHENTICATION_FAILED")

Who = Literal["none", "user", "poor", "key", "service", "admin"]


@dataclass(frozen=True)
class Refusal:
    """`who`: none, a user with ten credits and no points, `poor` with nothing at all, an API key of the user that may only
    read usage, the service, or an administrator.
    """

    reason: str
    call: str
    body: Any
    outcome: tuple[int, str]
    who: Who = "user"
    first: int | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def api(self) -> str:
        if " /v1/" in self.call:
            return "ai_aggregator"
        if AT_ASSISTANT in self.headers or any(f" {path}" in self.call for path in _ASSISTANT):
            return "ai_assistant"
        at_playground = AT_PLAYGROUND in self.headers or any(f" {path}" in self.call for path in _PLAYGROUND)
        return "ai_playground" if at_playground else "smart_ai_hub"


# What this API alone has; on shared paths the address says that it is meant.
_PLAYGROUND: Final = (
    *(f"/api/v1/{name}" for name in ("ai/", "api-keys", "webhooks", "usage")),
    *("/api/auth/profile", "/api/auth/password"),
)
_ASSISTANT: Final = (
    *(f"/api/{name}" for name in ("ai/", "models", "history", "projects", "workflows", "integrations")),
    *(f"/api/{name}" for name in ("doc-analyzer", "monitoring", "dashboard", "rankings")),
    *(f"/api/credits/{name}" for name in ("auto-recharge", "gift", "packages")),
    *(f"/webhooks/{name}" for name in ("wf_", "1/", "999999/", "{workflow_secret}", "{off_secret}", "telegram/")),
)
AT_ASSISTANT: Final = ("Host", "localhost:8000")
AT_PLAYGROUND: Final = ("Host", "your-api-domain.com")

_USER: Final = "/api/admin/users"
_RATES: Final = "/api/admin/exchange-rates"
_HOOKS: Final = "/api/admin/webhooks"
_CHAT: Final = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}]}
_DEDUCT: Final = {"amount": 1_000_000, "description": "Used for AI service"}
_INTENT: Final = {"pointsAmount": 10_000, "paymentDetails": {"stripePaymentIntentId": "pi_once", "amount": 10}}
_KEY: Final = (("Idempotency-Key", "{key}"),)

_TO_OURSELVES: Final = {
    "endpoint": "https://10.0.0.1/send",
    "keys": {
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    },
}

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
    Refusal("an unknown browser", "DELETE /api/notifications/push/subscriptions/push_none", None, NOT_FOUND),
    Refusal("a private address", "POST /api/notifications/push/subscriptions", _TO_OURSELVES, WRONG),
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
_V1_WRONG: Final = (400, "INVALID_REQUEST")
_V1_UNKNOWN: Final = (401, "UNAUTHORIZED")
_V1_FORBIDDEN: Final = (403, "FORBIDDEN")
_V1_NOT_FOUND: Final = (404, "NOT_FOUND")
_V1_CONFLICT: Final = (409, "CONFLICT")
_V1_TOO_LITTLE: Final = (402, "INSUFFICIENT_FUNDS")
_EMBED: Final = {"model": "text-embedding-3-small", "input": "Hello"}
_TOP_UP: Final = {"amount": 50, "currency": "USD", "paymentMethod": "pm_fail"}
AI_AGGREGATOR: Final = [
    Refusal("a wrong address", "POST /v1/auth/register", {"email": "x", "password": PASSWORD}, _V1_WRONG, "none"),
    Refusal(
        *("a taken address", "POST /v1/auth/register"),
        *({"email": "{email}", "password": PASSWORD}, _V1_CONFLICT, "none"),
    ),
    Refusal("a wrong password", "POST /v1/auth/login", {"email": "{email}", "password": "x"}, _V1_UNKNOWN, "none"),
    Refusal(
        *("a past expiry", "POST /v1/auth/api-keys"),
        *({"name": "Old", "expiresAt": "2025-12-31T23:59:59Z"}, _V1_WRONG),
    ),
    Refusal("a key that makes keys", "POST /v1/auth/api-keys", {"name": "More"}, _V1_FORBIDDEN, "key"),
    Refusal("an unknown key", "DELETE /v1/auth/api-keys/key_none", None, _V1_NOT_FOUND),
    Refusal("a key without the permission", "POST /v1/chat/completions", _CHAT, _V1_FORBIDDEN, "key"),
    Refusal("an unknown model", "POST /v1/chat/completions", {**_CHAT, "model": "gpt-99"}, _V1_NOT_FOUND),
    Refusal("an unknown model", "GET /v1/models/gpt-99", None, _V1_NOT_FOUND),
    Refusal("a model that only embeds", "POST /v1/chat/completions", {**_CHAT, "model": _EMBED["model"]}, _V1_WRONG),
    Refusal("a model that only chats", "POST /v1/embeddings", {**_EMBED, "model": "gpt-4"}, _V1_WRONG),
    Refusal("no JSON", "POST /v1/chat/completions", b"{", _V1_WRONG),
    Refusal("no credits", "POST /v1/chat/completions", _CHAT, _V1_TOO_LITTLE, "poor"),
    Refusal("no credits for a stream", "POST /v1/chat/completions", {**_CHAT, "stream": True}, _V1_TOO_LITTLE, "poor"),
    Refusal("no credits", "POST /v1/embeddings", _EMBED, _V1_TOO_LITTLE, "poor"),
    Refusal("a payment that fails", "POST /v1/billing/balance/credit", _TOP_UP, _V1_WRONG),
    Refusal(
        *("a key of another request", "POST /v1/billing/balance/credit", _TOP_UP, (422, "INVALID_REQUEST")),
        headers=_KEY,
    ),
    Refusal(
        *("a private address", "POST /v1/webhooks"),
        *({"url": "http://10.0.0.1", "events": ["chat.completion"]}, _V1_WRONG),
    ),
]
_P_WRONG: Final = (400, "VALIDATION_ERROR")
_P_UNKNOWN: Final = (401, "AUTHENTICATION_ERROR")
_P_FORBIDDEN: Final = (403, "AUTHORIZATION_ERROR")
_P_NOT_FOUND: Final = (404, "NOT_FOUND")
_P_CONFLICT: Final = (409, "CONFLICT")
_SIGN_UP: Final = {"username": "newcomer", "email": "newcomer@example.com", "password": "SecurePass123!"}
_NEW_KEY: Final = {"name": "A key", "permissions": ["ai:read"]}
_HOOK: Final = {"url": "https://your-app.com/webhook", "events": ["ai.task.completed"]}
AI_PLAYGROUND: Final = [
    *(
        Refusal(reason, f"POST /api/auth/{path}", body, outcome, "none", headers=(AT_PLAYGROUND,))
        for reason, path, body, outcome in (
            ("an underscore in the username", "register", {**_SIGN_UP, "username": "new_comer"}, _P_WRONG),
            ("a username of two letters", "register", {**_SIGN_UP, "username": "ab"}, _P_WRONG),
            ("a password without a digit", "register", {**_SIGN_UP, "password": "SecurePass!"}, _P_WRONG),
            ("a taken address", "register", {**_SIGN_UP, "email": "{email}"}, _P_CONFLICT),
            ("a taken username", "register", {**_SIGN_UP, "username": "taken1"}, _P_CONFLICT),
            ("no JSON", "register", b"{", _P_WRONG),
            ("a wrong password", "login", {"email": "{email}", "password": "x"}, _P_UNKNOWN),
            ("no password", "login", {"email": "{email}"}, _P_WRONG),
        )
    ),
    Refusal("a stranger", "GET /api/auth/me", None, _P_UNKNOWN, "none", headers=(AT_PLAYGROUND,)),
    Refusal("a stranger", "POST /api/auth/logout", None, _P_UNKNOWN, "none", headers=(AT_PLAYGROUND,)),
    Refusal("a wrong address", "PUT /api/auth/profile", {"email": "x"}, _P_WRONG),
    Refusal("nothing to change", "PUT /api/auth/profile", {}, _P_WRONG),
    Refusal("another's address", "PUT /api/auth/profile", {"email": "{other}"}, _P_CONFLICT),
    Refusal("another's username", "PUT /api/auth/profile", {"username": "TAKEN1"}, _P_CONFLICT, "poor"),
    Refusal("an API key", "PUT /api/auth/profile", {"username": "another"}, _P_FORBIDDEN, "key"),
    Refusal(
        *("a wrong old password", "PUT /api/auth/password"),
        *({"oldPassword": "wrong", "newPassword": "AnotherHorse8"}, _P_UNKNOWN),
    ),
    Refusal(
        *("a new password without a digit", "PUT /api/auth/password"),
        *({"oldPassword": PASSWORD, "newPassword": "AnotherHorse"}, _P_WRONG),
    ),
    Refusal("no permissions", "POST /api/v1/api-keys", {"name": "A key"}, _P_WRONG),
    Refusal("an unknown permission", "POST /api/v1/api-keys", {**_NEW_KEY, "permissions": ["ai:all"]}, _P_WRONG),
    Refusal("an expiry of eleven years", "POST /api/v1/api-keys", {**_NEW_KEY, "expires_in": 4015}, _P_WRONG),
    Refusal("a key that makes keys", "POST /api/v1/api-keys", _NEW_KEY, _P_FORBIDDEN, "key"),
    Refusal("an unknown key", "GET /api/v1/api-keys/key_none", None, _P_NOT_FOUND),
    Refusal("an unknown key", "PUT /api/v1/api-keys/key_none", {"name": "B"}, _P_NOT_FOUND),
    Refusal("an unknown key", "DELETE /api/v1/api-keys/key_none", None, _P_NOT_FOUND),
    Refusal("an unknown event", "POST /api/v1/webhooks", {**_HOOK, "events": ["ai.task.begun"]}, _P_WRONG),
    Refusal("a private address", "POST /api/v1/webhooks", {**_HOOK, "url": "http://10.0.0.1"}, _P_WRONG),
    Refusal("a key without the permission", "POST /api/v1/webhooks", _HOOK, _P_FORBIDDEN, "key"),
]
_P_TOO_LITTLE: Final = (402, "INSUFFICIENT_CREDITS")
_TELL: Final = {"prompt": "Tell me"}
_EMBEDDER: Final = {"model": "text-embedding-3-small"}
PLAYGROUND_AI: Final = [
    *(
        Refusal(reason, f"POST /api/v1/ai/{path}", {**asked, **wrong}, outcome, who)
        for path, asked in (("chat", {"messages": _CHAT["messages"]}), ("generate", _TELL))
        for reason, wrong, outcome, who in (
            ("an unknown model", {"model": "gpt-99"}, _P_NOT_FOUND, "user"),
            ("a model that only embeds", _EMBEDDER, _P_WRONG, "user"),
            ("a temperature of two", {"temperature": 2}, _P_WRONG, "user"),
            ("a surplus field", {"surplus": 1}, _P_WRONG, "user"),
            ("no credits", {}, _P_TOO_LITTLE, "poor"),
            ("a key without the permission", {}, _P_FORBIDDEN, "key"),
            ("a stranger", {}, _P_UNKNOWN, "none"),
        )
    ),
    Refusal("no messages", "POST /api/v1/ai/chat", {"messages": []}, _P_WRONG),
    Refusal("no credits for a stream", "POST /api/v1/ai/chat", {**_CHAT, "stream": True}, _P_TOO_LITTLE, "poor"),
    Refusal("no JSON", "POST /api/v1/ai/chat", b"{", _P_WRONG),
    Refusal("no prompt", "POST /api/v1/ai/generate", {}, _P_WRONG),
    Refusal("too many choices", "POST /api/v1/ai/generate", {**_TELL, "n": 9}, _P_WRONG),
    Refusal("a key of another request", "POST /api/v1/ai/chat", _CHAT, (422, "VALIDATION_ERROR"), headers=_KEY),
    Refusal("a key without the permission", "GET /api/v1/ai/models", None, _P_FORBIDDEN, "key"),
    *(
        Refusal("a stranger", f"GET /api/v1/{path}", None, _P_UNKNOWN, "none")
        for path in ("ai/models", "ai/usage", "usage")
    ),
    Refusal("no date", "GET /api/v1/ai/usage?start_date=yesterday", None, _P_WRONG),
    Refusal(
        "an end before the start", "GET /api/v1/ai/usage?start_date=2026-11-02&end_date=2026-11-01", None, _P_WRONG
    ),
    Refusal("an unknown order", "GET /api/v1/usage?sort=up", None, _P_WRONG),
    Refusal("page zero", "GET /api/v1/usage?page=0", None, _P_WRONG),
]
_FORBIDDEN: Final = (403, "AUTHORIZATION_FAILED")
_YESTERDAY: Final = {"from": "{yesterday}"}
# The calls of one webhook, with bodies that are right.
_OF_ONE: Final = (
    *(("GET", "", None), ("PUT", "", {"active": False}), ("DELETE", "", None)),
    *(("POST", "/rotate-secret", None), ("POST", "/test", {}), ("POST", "/replay", _YESTERDAY)),
    *(("GET", "/deliveries", None), ("GET", "/deliveries/{delivery}", None)),
    ("POST", "/deliveries/{delivery}/resend", None),
)
_NO_SPANS: Final = (
    ("more than a week ago", {"from": "{long_ago}"}),
    ("an end before the start", {"from": "{yesterday}", "to": "{before_yesterday}"}),
    ("a span of nothing", {"from": "{yesterday}", "to": "{yesterday}"}),
    ("no start", {"to": "{yesterday}"}),
    ("a start that is no moment", {"from": "yesterday"}),
)


@dataclass(frozen=True)
class Hooks:
    """One API's webhooks: their path, whose they are, one that is switched on, one that is off and one of somebody else's;
    and how the API says what is wrong.
    """

    path: str
    who: Who
    on: str
    off: str
    others: str
    wrong: tuple[int, str]
    unknown: tuple[int, str]
    forbidden: tuple[int, str]
    not_found: tuple[int, str]
    conflict: tuple[int, str]

    def not_there(self) -> Iterator[Refusal]:
        for reason, webhook in (("an unknown webhook", "wh_none"), ("another's webhook", self.others)):
            for method, rest, body in _OF_ONE:
                yield Refusal(reason, f"{method} {self.path}/{webhook}{rest}", body, self.not_found, self.who)
        for reason, delivery in (("an unknown delivery", "dlv_none"), ("another webhook's delivery", "{delivery}")):
            for method, rest in (("GET", ""), ("POST", "/resend")):
                call = f"{method} {self.path}/{self.off}/deliveries/{delivery}{rest}"
                yield Refusal(reason, call, None, self.not_found, self.who)

    def wrong_input(self) -> Iterator[Refusal]:
        on, off = f"{self.path}/{self.on}", f"{self.path}/{self.off}"
        yield Refusal("a webhook that is switched off", f"POST {off}/replay", _YESTERDAY, self.conflict, self.who)
        yield Refusal("an unknown event", f"POST {on}/test", {"event": "user.deleted"}, self.wrong, self.who)
        yield Refusal("a private address", f"PUT {on}", {"url": "https://10.0.0.1/"}, self.wrong, self.who)
        for query in ("status=sent", "sort=up", "limit=0"):
            yield Refusal("a wrong filter", f"GET {on}/deliveries?{query}", None, self.wrong, self.who)
        for reason, body in _NO_SPANS:
            yield Refusal(reason, f"POST {on}/replay", body, self.wrong, self.who)

    def not_theirs(self) -> Iterator[Refusal]:
        for method, rest, body in _OF_ONE:
            call = f"{method} {self.path}/{self.on}{rest}"
            yield Refusal("a stranger", call, body, self.unknown, "none")
            yield Refusal("a key without the permission", call, body, self.forbidden, "key")
            if self.who == "admin":
                yield Refusal("no administrator", call, body, self.forbidden, "user")


def _received(reason: str, seconds: str, signature: str) -> Refusal:
    headers = (("webhook-id", "evt_1"), ("webhook-timestamp", seconds), ("webhook-signature", signature))
    return Refusal(reason, f"POST {RECEIVER}", b"{}", UNKNOWN, "none", headers=headers)


WEBHOOKS: Final = [
    refusal
    for hooks in (
        Hooks(
            *("/api/admin/webhooks", "admin", "{hub_hook}", "{hub_hook_off}", "{user_hook}"),
            *(WRONG, UNKNOWN, _FORBIDDEN, NOT_FOUND, CONFLICT),
        ),
        Hooks(
            *("/v1/webhooks", "user", "{user_hook}", "{user_hook_off}", "{others_hook}"),
            *(_V1_WRONG, _V1_UNKNOWN, _V1_FORBIDDEN, _V1_NOT_FOUND, _V1_CONFLICT),
        ),
        Hooks(
            *("/api/v1/webhooks", "user", "{user_p_hook}", "{user_p_hook_off}", "{user_hook}"),
            *(_P_WRONG, _P_UNKNOWN, _P_FORBIDDEN, _P_NOT_FOUND, _P_CONFLICT),
        ),
    )
    for refusal in (*hooks.not_there(), *hooks.wrong_input(), *hooks.not_theirs())
]
_A_WRONG: Final = (400, "INVALID_INPUT")
_A_UNKNOWN: Final = (401, "AUTHENTICATION_REQUIRED")
_A_FORBIDDEN: Final = (403, "FORBIDDEN")
_SAY: Final = {"message": "Hello", "max_tokens": 5}
_HISTORY: Final = "/api/history"
# The calls of one conversation, with bodies that are right.
_OF_CONVERSATION: Final = (("PATCH", "", {"title": "A title"}), ("DELETE", "", None), ("GET", "/export", None))
ASSISTANT_CHAT: Final = [
    *(
        Refusal(reason, "POST /api/ai/chat", {**_SAY, **wrong}, outcome, who)
        for reason, wrong, outcome, who in (
            ("a stranger", {}, _A_UNKNOWN, "none"),
            ("a key without the permission", {}, _A_FORBIDDEN, "key"),
            ("no credits", {}, TOO_LITTLE, "poor"),
            ("no credits for a stream", {"stream": True}, TOO_LITTLE, "poor"),
            ("an unknown model", {"model": "gpt-99"}, NOT_FOUND, "user"),
            ("an unknown conversation", {"conversation_id": "conv_none"}, NOT_FOUND, "user"),
            ("another's conversation", {"conversation_id": "{others_conversation}"}, NOT_FOUND, "user"),
            ("a model that only embeds", _EMBEDDER, _A_WRONG, "user"),
            ("a temperature above two", {"temperature": 2.5}, _A_WRONG, "user"),
            ("no message", {"message": ""}, _A_WRONG, "user"),
            ("a surplus field", {"surplus": 1}, _A_WRONG, "user"),
        )
    ),
    Refusal("no JSON", "POST /api/ai/chat", b"{", _A_WRONG),
    Refusal("a key of another request", "POST /api/ai/chat", _SAY, (422, "INVALID_INPUT"), headers=_KEY),
    *(
        Refusal(reason, f"GET /api/{path}", None, outcome, who)
        for path in ("models", "history")
        for reason, outcome, who in (
            ("a stranger", _A_UNKNOWN, "none"),
            ("a key without the permission", _A_FORBIDDEN, "key"),
        )
    ),
    *(
        Refusal("a wrong query", f"GET {_HISTORY}?{query}", None, _A_WRONG)
        for query in ("limit=0", "offset=-1", "search=", "search=a&conversation_id=conv_none")
    ),
    Refusal("an unknown conversation", f"GET {_HISTORY}?conversation_id=conv_none", None, NOT_FOUND),
    Refusal("another's conversation", f"GET {_HISTORY}?conversation_id={{others_conversation}}", None, NOT_FOUND),
    *(
        Refusal(reason, f"{method} {_HISTORY}/{conversation}{rest}", body, outcome, who)
        for method, rest, body in _OF_CONVERSATION
        for reason, conversation, outcome, who in (
            ("an unknown conversation", "conv_none", NOT_FOUND, "user"),
            ("another's conversation", "{others_conversation}", NOT_FOUND, "user"),
            ("a stranger", "{others_conversation}", _A_UNKNOWN, "none"),
            ("a key without the permission", "{others_conversation}", _A_FORBIDDEN, "key"),
        )
    ),
    Refusal("an empty title", f"PATCH {_HISTORY}/{{others_conversation}}", {"title": ""}, _A_WRONG),
    Refusal("an unknown form", f"GET {_HISTORY}/{{others_conversation}}/export?format=pdf", None, _A_WRONG),
]
_TWO_FACTOR: Final = "/api/auth/2fa"
TWO_FACTOR: Final = [
    Refusal("a wrong password", f"POST {_TWO_FACTOR}/setup", {"password": "wrong"}, UNKNOWN),
    Refusal("no password", f"POST {_TWO_FACTOR}/setup", {}, WRONG),
    Refusal("a set-up that was not begun", f"POST {_TWO_FACTOR}/verify", {"code": "123456"}, CONFLICT),
    Refusal("what is off already", f"POST {_TWO_FACTOR}/disable", {"password": PASSWORD}, CONFLICT),
    Refusal("what is off", f"POST {_TWO_FACTOR}/recovery-codes", {"code": "123456"}, CONFLICT),
    Refusal("an administrator's own", f"DELETE {_USER}/{{admin}}/2fa", None, (403, "AUTHORIZATION_FAILED"), "admin"),
    Refusal("an unknown user", f"DELETE {_USER}/user_nobody/2fa", None, NOT_FOUND, "admin"),
    Refusal("what is off", f"DELETE {_USER}/{{user}}/2fa", None, CONFLICT, "admin"),
    Refusal("neither password nor code", f"POST {_TWO_FACTOR}/disable", {}, WRONG),
    *(
        Refusal("no code", f"POST {_TWO_FACTOR}/{path}", {"code": ""}, WRONG)
        for path in ("verify", "disable", "recovery-codes")
    ),
    *(
        Refusal(reason, f"POST {_TWO_FACTOR}/{path}", {"code": "123456"}, outcome, who)
        for path in ("verify", "disable", "recovery-codes")
        for reason, outcome, who in (
            ("a stranger", UNKNOWN, "none"),
            ("an API key", (403, "AUTHORIZATION_FAILED"), "key"),
        )
    ),
]
_RATE: Final = "POST /api/history/messages/{answer}/rating"
INSIGHT: Final = [
    *(
        Refusal("a stranger", f"GET /api/{path}", None, _A_UNKNOWN, "none")
        for path in ("monitoring/stats", "dashboard/stats", "rankings")
    ),
    Refusal("a user", "GET /api/monitoring/stats", None, _A_FORBIDDEN),
    Refusal("a key", "GET /api/monitoring/stats", None, _A_FORBIDDEN, "key"),
    Refusal("a key without the permission", "GET /api/rankings", None, _A_FORBIDDEN, "key"),
    Refusal("a key without the permission", _RATE, {"rating": "up"}, _A_FORBIDDEN, "key"),
    Refusal("a stranger", _RATE, {"rating": "up"}, _A_UNKNOWN, "none"),
    *(
        Refusal("no rating", _RATE, body, _A_WRONG)
        for body in ({}, {"rating": "good"}, {"rating": 1}, {"rating": "up", "score": 5})
    ),
    Refusal("an answer that nothing came of", _RATE, {"rating": "up"}, CONFLICT),
    Refusal("another's answer", "POST /api/history/messages/{others_answer}/rating", {"rating": "up"}, NOT_FOUND),
    Refusal("an unknown answer", "POST /api/history/messages/msg_none/rating", {"rating": "up"}, NOT_FOUND),
]
_NEW_PROJECT: Final = {"name": "A project"}
_PROJECTS: Final = "/api/projects"
# The calls of one project, with bodies that are right.
_OF_PROJECT: Final = (
    *(("GET", "", None), ("PUT", "", {"name": "Another name"}), ("DELETE", "", None)),
    ("POST", "/restore", None),
)
PROJECTS: Final = [
    *(
        Refusal(reason, f"{method} {_PROJECTS}/{project}{rest}", body, outcome, who)
        for method, rest, body in _OF_PROJECT
        for reason, project, outcome, who in (
            ("an unknown project", "999999", NOT_FOUND, "user"),
            ("no number", "proj_1", NOT_FOUND, "user"),
            ("another's project", "{others_project}", NOT_FOUND, "user"),
            ("a stranger", "{project}", _A_UNKNOWN, "none"),
            ("a key without the permission", "{project}", _A_FORBIDDEN, "key"),
        )
    ),
    *(
        Refusal("a deleted project", f"{method} {_PROJECTS}/{{deleted_project}}", body, NOT_FOUND)
        for method, body in (("GET", None), ("PUT", {"name": "Another name"}), ("DELETE", None))
    ),
    *(
        Refusal(reason, call, {**_NEW_PROJECT, **wrong}, _A_WRONG)
        for call in (f"POST {_PROJECTS}", f"PUT {_PROJECTS}/{{project}}")
        for reason, wrong in (
            ("a name of nothing", {"name": ""}),
            ("an unknown model", {"settings": {"default_model": "gpt-99"}}),
            ("a budget of nothing", {"settings": {"budget_limit": 0}}),
            ("an unknown setting", {"settings": {"colour": "red"}}),
            ("an unknown field", {"colour": "red"}),
        )
    ),
    Refusal("no name", f"POST {_PROJECTS}", {}, _A_WRONG),
    Refusal("no JSON", f"POST {_PROJECTS}", b"{", _A_WRONG),
    Refusal("nothing to change", f"PUT {_PROJECTS}/{{project}}", {}, _A_WRONG),
    Refusal("an unknown filter", f"GET {_PROJECTS}?deleted=perhaps", None, _A_WRONG),
    Refusal("a stranger", f"GET {_PROJECTS}", None, _A_UNKNOWN, "none"),
    Refusal("a stranger", f"POST {_PROJECTS}", _NEW_PROJECT, _A_UNKNOWN, "none"),
    Refusal("a key without the permission", f"POST {_PROJECTS}", _NEW_PROJECT, _A_FORBIDDEN, "key"),
]
_WORKFLOWS: Final = "/api/workflows"
_NOTE: Final = {"id": "note", "type": "transform", "config": {"set": {"said": "{{said}}"}}}
_DEFINITION: Final = {
    "trigger": {"type": "webhook", "config": {}},
    "nodes": [_NOTE],
    "edges": [{"from": "trigger", "to": "note"}],
}
NEW_WORKFLOW: Final = {"name": "A workflow", "definition": _DEFINITION}
# The calls of one workflow, with bodies that are right.
_OF_WORKFLOW: Final = (
    *(("GET", "", None), ("PUT", "", {"name": "Another name"}), ("DELETE", "", None), ("POST", "/execute", {})),
    *(("POST", "/rotate-secret", None), ("GET", "/executions", None), ("GET", "/executions/exec_none", None)),
    *(("POST", "/executions/exec_none/cancel", None),),
    ("POST", "/executions/exec_none/approvals/ask", {"approved": True}),
    *(("POST", "/notify/test", None), ("POST", "/notify/replay", _YESTERDAY), ("GET", "/notify/deliveries", None)),
    *(("GET", "/notify/deliveries/dlv_none", None), ("POST", "/notify/deliveries/dlv_none/resend", None)),
)
WORKFLOWS: Final = [
    *(
        Refusal(reason, f"{method} {_WORKFLOWS}/{workflow}{rest}", body, outcome, who)
        for method, rest, body in _OF_WORKFLOW
        for reason, workflow, outcome, who in (
            ("an unknown workflow", "999999", NOT_FOUND, "user"),
            ("no number", "wf_1", NOT_FOUND, "user"),
            ("another's workflow", "{others_workflow}", NOT_FOUND, "user"),
            ("a stranger", "{workflow}", _A_UNKNOWN, "none"),
            ("a key without the permission", "{workflow}", _A_FORBIDDEN, "key"),
        )
    ),
    *(
        Refusal(reason, call, {**NEW_WORKFLOW, **wrong}, _A_WRONG)
        for call in (f"POST {_WORKFLOWS}", f"PUT {_WORKFLOWS}/{{workflow}}")
        for reason, wrong in (
            ("a name of nothing", {"name": ""}),
            ("no definition", {"definition": []}),
            ("no nodes", {"definition": {**_DEFINITION, "nodes": []}}),
            ("an unknown node", {"definition": {**_DEFINITION, "nodes": [{**_NOTE, "type": "shell"}]}}),
            ("a circle", {"definition": {**_DEFINITION, "edges": [{"from": "note", "to": "note"}]}}),
            ("a private address", {"notify_url": "http://10.0.0.1/"}),
            ("a secret that nothing is signed by", {"notify_secret": "a-secret-of-mine"}),
            ("a short secret", {"notify_url": "https://example.com/", "notify_secret": "short"}),
            ("a cap of nothing", {"spend_cap": 0}),
            ("an unknown field", {"colour": "red"}),
        )
    ),
    *(
        Refusal("another's project", f"{call}", {**NEW_WORKFLOW, "project_id": 999_999}, NOT_FOUND)
        for call in (
            f"POST {_WORKFLOWS}",
            f"PUT {_WORKFLOWS}/{{workflow}}",
        )
    ),
    Refusal("nothing to change", f"PUT {_WORKFLOWS}/{{workflow}}", {}, _A_WRONG),
    Refusal("no JSON", f"POST {_WORKFLOWS}", b"{", _A_WRONG),
    Refusal("a wrong filter", f"GET {_WORKFLOWS}?project_id=x", None, _A_WRONG),
    *(
        Refusal("a workflow without `notify_url`", f"{method} {_WORKFLOWS}/{{workflow}}{rest}", body, NOT_FOUND)
        for method, rest, body in _OF_WORKFLOW
        if rest.startswith("/notify/")
    ),
    *(
        Refusal(reason, f"POST {_WORKFLOWS}/{{told_workflow}}/notify/replay", body, _A_WRONG)
        for reason, body in _NO_SPANS
    ),
    Refusal("a wrong filter", f"GET {_WORKFLOWS}/{{told_workflow}}/notify/deliveries?status=sent", None, _A_WRONG),
    Refusal("an unknown state", f"GET {_WORKFLOWS}/{{workflow}}/executions?status=done", None, _A_WRONG),
    Refusal("a word for a flag", f"POST {_WORKFLOWS}/{{workflow}}/execute", {"input": {"test_mode": "yes"}}, _A_WRONG),
    Refusal(
        *("a circle of workflows", f"POST {_WORKFLOWS}/{{workflow}}/execute", {}, CONFLICT),
        headers=(("X-Hub-Hops", "4"),),
    ),
    Refusal(
        *("a key of another request", f"POST {_WORKFLOWS}/{{workflow}}/execute", {}, (422, "INVALID_INPUT")),
        headers=_KEY,
    ),
    Refusal("nobody's address", "POST /webhooks/wf_of_nobody_at_all", {}, NOT_FOUND, "none"),
    Refusal("nobody's address", "POST /webhooks/1/wf_of_nobody_at_all", {}, NOT_FOUND, "none"),
    Refusal("another's id", "POST /webhooks/999999/{workflow_secret}", {}, NOT_FOUND, "none"),
    Refusal("no JSON", "POST /webhooks/{workflow_secret}", b"{", _A_WRONG, "none"),
    Refusal(
        *("a wrong signature", "POST /webhooks/{workflow_secret}", {}, _A_UNKNOWN, "none"),
        headers=(("X-Webhook-Signature", "sha256=00"),),
    ),
    Refusal("one that is switched off", "POST /webhooks/{off_secret}", {}, CONFLICT, "none"),
    Refusal("nobody's bot", "POST /webhooks/telegram/hook_of_nobody", {"update_id": 1}, NOT_FOUND, "none"),
    Refusal(
        *("no bot's token", "POST /api/integrations/connect"),
        *({"integration_type": "telegram", "bot_token": "a token"}, _A_WRONG),
    ),
    Refusal("no token", "POST /api/integrations/connect", {"integration_type": "telegram"}, _A_WRONG),
]
_CHECKOUT: Final = {"package": "pro", "payment_method": "stripe", "return_url": "https://your-app.com/credits/success"}
_GIFT: Final = {"recipient_email": "{other}", "amount": 1, "message": "Happy birthday!"}
_RULE: Final = {"enabled": True, "threshold": 5, "package": "pro", "payment_method": "pm_123"}
ASSISTANT_CREDITS: Final = [
    *(
        Refusal(reason, "POST /api/credits/purchase", {**_CHECKOUT, **wrong}, outcome, who, headers=(AT_ASSISTANT,))
        for reason, wrong, outcome, who in (
            ("a stranger", {}, _A_UNKNOWN, "none"),
            ("a key without the permission", {}, _A_FORBIDDEN, "key"),
            ("an unknown package", {"package": "gold"}, _A_WRONG, "user"),
            ("another company", {"payment_method": "paypal"}, _A_WRONG, "user"),
            ("a script to return to", {"return_url": "javascript:alert(1)"}, _A_WRONG, "user"),
            ("a path to return to", {"return_url": "/credits/success"}, _A_WRONG, "user"),
            ("Smart AI Hub's form", {"packageId": "pro"}, _A_WRONG, "user"),
        )
    ),
    *(
        Refusal(reason, "POST /api/credits/gift", {**_GIFT, **wrong}, outcome, who)
        for reason, wrong, outcome, who in (
            ("a stranger", {}, _A_UNKNOWN, "none"),
            ("a key without the permission", {}, _A_FORBIDDEN, "key"),
            ("an address that nobody has confirmed", {}, _A_FORBIDDEN, "poor"),
            ("a gift to oneself", {"recipient_email": "{email}"}, _A_WRONG, "user"),
            ("an unknown address", {"recipient_email": "nobody@example.org"}, NOT_FOUND, "user"),
            ("more than there is", {"amount": 100}, TOO_LITTLE, "user"),
            ("more than a day allows", {"amount": 1001}, _A_WRONG, "user"),
            ("nothing", {"amount": 0}, _A_WRONG, "user"),
            ("less than a credit", {"amount": 0.999999}, _A_WRONG, "user"),
            ("seven decimals", {"amount": 0.0000001}, _A_WRONG, "user"),
            ("a message with controls", {"message": "\u202e"}, _A_WRONG, "user"),
        )
    ),
    Refusal("a key of another request", "POST /api/credits/gift", _GIFT, (422, "INVALID_INPUT"), headers=_KEY),
    *(
        Refusal(reason, "PUT /api/credits/auto-recharge", {**_RULE, **wrong}, outcome, who)
        for reason, wrong, outcome, who in (
            ("a stranger", {}, _A_UNKNOWN, "none"),
            ("a key without the permission", {}, _A_FORBIDDEN, "key"),
            ("an unknown package", {"package": "gold"}, _A_WRONG, "user"),
            ("no payment method's id", {"payment_method": "stripe"}, _A_WRONG, "user"),
            ("a threshold of nothing", {"threshold": 0}, _A_WRONG, "user"),
        )
    ),
    Refusal("a rule without a package", "PUT /api/credits/auto-recharge", {"enabled": True}, _A_WRONG),
    Refusal("a stranger", "GET /api/credits/auto-recharge", None, _A_UNKNOWN, "none"),
    *(
        Refusal("a wrong query", f"GET /api/credits/history?{query}", None, _A_WRONG, headers=(AT_ASSISTANT,))
        for query in ("limit=0", "offset=-1", "limit=x", "type=sale", "from=yesterday")
    ),
    *(
        Refusal("a stranger", f"GET /api/credits/{path}", None, _A_UNKNOWN, "none", headers=(AT_ASSISTANT,))
        for path in ("balance", "history")
    ),
]
_ANALYZER: Final = "/api/doc-analyzer"
_ADDRESS: Final = {"source_type": "url", "source_url": "https://api.example.com/openapi.json", "format": "openapi3"}
_CONSENT: Final = {"integration_type": "google", "oauth_code": "4/0AX4XfWh..."}
DOCUMENTS: Final = [
    *(
        Refusal(reason, f"POST {_ANALYZER}/analyze", {**_ADDRESS, **wrong}, outcome, who)
        for reason, wrong, outcome, who in (
            ("a stranger", {}, _A_UNKNOWN, "none"),
            ("a key without the permission", {}, _A_FORBIDDEN, "key"),
            ("a private address", {"source_url": "http://10.0.0.1/openapi.json"}, _A_WRONG, "user"),
            ("this machine", {"source_url": "http://localhost/openapi.json"}, _A_WRONG, "user"),
            ("another port", {"source_url": "http://api.example.com:8080/"}, _A_WRONG, "user"),
            ("another scheme", {"source_url": "file:///etc/passwd"}, _A_WRONG, "user"),
            ("an unknown format", {"format": "word"}, _A_WRONG, "user"),
            ("another source", {"source_type": "ftp"}, _A_WRONG, "user"),
            ("a surplus field", {"surplus": 1}, _A_WRONG, "user"),
        )
    ),
    Refusal("no address", f"POST {_ANALYZER}/analyze", {"source_type": "url"}, _A_WRONG),
    Refusal("no JSON", f"POST {_ANALYZER}/analyze", b"{", _A_WRONG),
    *(
        Refusal("an unknown analysis", call, body, NOT_FOUND)
        for call, body in (
            (f"GET {_ANALYZER}/analyses/analysis_none", None),
            (f"DELETE {_ANALYZER}/analyses/analysis_none", None),
            (f"POST {_ANALYZER}/export/xlsx", {"analysis_id": "analysis_none"}),
        )
    ),
    *(
        Refusal("a stranger", call, body, _A_UNKNOWN, "none")
        for call, body in (
            (f"GET {_ANALYZER}/analyses", None),
            (f"POST {_ANALYZER}/export/xlsx", {"analysis_id": "analysis_none"}),
            (f"POST {_ANALYZER}/export/sheets", {"analysis_id": "analysis_none"}),
            ("GET /api/integrations", None),
            ("POST /api/integrations/connect", _CONSENT),
        )
    ),
    Refusal(
        *("Google that is not set up", f"POST {_ANALYZER}/export/sheets", {"analysis_id": "analysis_none"}),
        (503, "SERVICE_UNAVAILABLE"),
    ),
    Refusal("no analysis named", f"POST {_ANALYZER}/export/sheets", {"include_examples": True}, _A_WRONG),
    Refusal(
        "a word for a flag", f"POST {_ANALYZER}/export/xlsx", {"analysis_id": "x", "include_examples": "yes"}, _A_WRONG
    ),
    Refusal("a wrong page", f"GET {_ANALYZER}/analyses?limit=0", None, _A_WRONG),
    Refusal("Google that is not set up", "POST /api/integrations/connect", _CONSENT, (503, "SERVICE_UNAVAILABLE")),
    Refusal("an unknown type", "POST /api/integrations/connect", {**_CONSENT, "integration_type": "fax"}, _A_WRONG),
    Refusal("no code", "POST /api/integrations/connect", {"integration_type": "google"}, _A_WRONG),
    *(
        Refusal(reason, f"POST /api/integrations/{path}{query}", None, outcome)
        for path in ("test", "disconnect")
        for reason, query, outcome in (
            ("no type", "", _A_WRONG),
            ("an unknown type", "?integration_type=fax", _A_WRONG),
            ("one that is not connected", "?integration_type=google", NOT_FOUND),
        )
    ),
]
RECEIVED: Final = [
    Refusal("an unsigned webhook", f"POST {RECEIVER}", b"{}", UNKNOWN, "none"),
    _received("a webhook that was tampered with", "{seconds}", "{signed_otherwise}"),
    _received("a webhook of ten minutes ago", "{old_seconds}", "{signed_long_ago}"),
    _received("a webhook that another secret signed", "{seconds}", "{signed_by_another}"),
]
REFUSALS: Final = [
    *(*AUTH, *MONEY, *CHAT, *ADMINISTRATION, *AI_AGGREGATOR, *AI_PLAYGROUND, *PLAYGROUND_AI, *WEBHOOKS, *RECEIVED),
    *ASSISTANT_CHAT,
    *ASSISTANT_CREDITS,
    *TWO_FACTOR,
    *INSIGHT,
    *PROJECTS,
    *WORKFLOWS,
    *DOCUMENTS,
]
