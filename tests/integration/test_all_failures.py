"""All that is wrong with one input is told at once: what its schema sees, and what only other parts of the hub can tell."""

from typing import Any, Final

import pytest

from tests.site import PASSWORD, Site

_RATE: Final = {"fromType": "points", "toType": "points", "rate": 1_000_001}
_LONG: Final = "x" * 300
_BAD_KEY: Final = {"Idempotency-Key": "", "X-Hub-On-Disconnect": "stay"}
_PAID: Final = {"stripeSessionId": "", "stripePaymentIntentId": "pi_1", "amount": 11}
_WEBHOOKS: Final = (("/api/admin/webhooks", "admin"), ("/v1/webhooks", "user"), ("/api/v1/webhooks", "user"))
# By how a path begins; all others are Smart AI Hub's.
_APIS: Final = {
    "/v1/": "ai_aggregator",
    "/api/auth/profile": "ai_playground",
    "/api/auth/password": "ai_playground",
    "/api/v1/ai/": "ai_playground",
    "/api/v1/api-keys": "ai_playground",
    "/api/v1/webhooks": "ai_playground",
    "/api/v1/usage": "ai_playground",
}
# The path, who asks, the body, and every field of it that is refused.
CASES: Final[list[tuple[str, str, Any, set[str]]]] = [
    ("POST /api/auth/register", "nobody", {"email": "nobody", "password": "short"}, {"email", "password"}),
    (
        "POST /api/auth/register",
        "nobody",
        {"email": "a@b@c.de", "password": "alllowercase", "username": "a b", "firstName": "a\nb", "lastName": "\u202e"},
        {"email", "password", "username", "firstName", "lastName"},
    ),
    ("POST /api/auth/register", "nobody", {"email": "a@b..c", "plan": "pro"}, {"email", "password", "plan"}),
    ("POST /api/auth/login", "nobody", {"email": "a@-b.de", "password": "\u20ac" * 400}, {"email", "password"}),
    ("POST /api/auth/forgot-password", "nobody", {"email": "a@-b.de", "x": 1}, {"email", "x"}),
    ("POST /api/auth/reset-password", "nobody", {"token": "", "newPassword": "short"}, {"token", "newPassword"}),
    (
        "PUT /api/users/me/password",
        "user",
        {"currentPassword": "\u20ac" * 400, "newPassword": "short"},
        {"currentPassword", "newPassword"},
    ),
    ("PUT /api/users/me/password", "user", {"currentPassword": PASSWORD, "newPassword": PASSWORD}, {"newPassword"}),
    (
        "POST /api/credits/purchase",
        "user",
        {"packageId": "pkg_none", "paymentMethodId": "?", "amount": 0},
        {"packageId", "paymentMethodId", "amount"},
    ),
    (
        "POST /api/credits/purchase",
        "user",
        {"packageId": "pkg_starter", "paymentMethodId": "?", "amount": 999},
        {"paymentMethodId", "amount"},
    ),
    (
        "POST /api/v1/points/purchase",
        "user",
        {"pointsAmount": 10_000, "paymentDetails": _PAID},
        {"paymentDetails.stripeSessionId", "paymentDetails.amount"},
    ),
    (
        "POST /api/v1/mcp/points/deduct",
        "service",
        {"amount": 0, "description": "", "metadata": {"$set": 1}},
        {"X-User-ID", "amount", "description", "metadata"},
    ),
    ("POST /api/admin/exchange-rates", "admin", _RATE, {"toType", "rate"}),
    ("PUT /api/admin/exchange-rates/x1", "admin", {"rate": 0, "isActive": 1}, {"rate", "isActive"}),
    ("PUT /api/admin/exchange-rates/x1", "admin", {}, {"body"}),
    ("PUT /api/admin/users/x1", "admin", {}, {"body"}),
    (
        "POST /api/admin/users/x1/credits/adjust",
        "admin",
        {"amount": -1, "reason": "", "type": "gift"},
        {"amount", "reason"},
    ),
    (
        "POST /api/admin/webhooks",
        "admin",
        {"url": "http://10.0.0.1", "events": [], "secret": "x"},
        {"url", "events", "secret"},
    ),
    ("PUT /api/admin/webhooks/x1", "admin", {"url": "ftp://example.com", "active": 1}, {"url", "active"}),
    ("PUT /api/admin/webhooks/x1", "admin", {}, {"body"}),
    *(
        (f"POST {path}/x1/replay", who, body, fields)
        for path, who in _WEBHOOKS
        for body, fields in (
            ({"from": "2026-01-01T00:00:00Z", "to": "soon", "events": []}, {"from", "to", "events"}),
            ({"to": 5}, {"from", "to"}),
        )
    ),
    *((f"POST {path}/x1/test", who, {"event": "user.deleted", "x": 1}, {"event", "x"}) for path, who in _WEBHOOKS),
    *(
        (
            f"GET {path}/x1/deliveries?limit=0&sort=up&status=sent",
            *(who, None, {"limit", "sort", "status"}),
        )
        for path, who in _WEBHOOKS
    ),
    (
        "GET /api/credits/history?limit=x&page=0&type=x&from=x&to=x",
        "user",
        None,
        {"limit", "page", "type", "from", "to"},
    ),
    ("GET /api/v1/points/history?proof=1&limit=0&type=", "user", None, {"proof", "limit", "type"}),
    ("GET /api/notifications?unread=1&page=-1&limit=0", "user", None, {"unread", "page", "limit"}),
    (
        "GET /api/admin/users?limit=0&role=root&status=x&search=%00&sort=x&order=x",
        "admin",
        None,
        {"limit", "role", "status", "search", "sort", "order"},
    ),
    (f"GET /api/admin/audit-log?page=x&actor={_LONG}&target={_LONG}", "admin", None, {"page", "actor", "target"}),
    (f"GET /api/streams/x1?after=x&epoch={_LONG}", "user", None, {"after", "epoch"}),
    ("POST /api/v1/points/exchange-from-credits", "bad key", {"creditAmount": 0}, {"creditAmount", "Idempotency-Key"}),
    (
        "POST /api/v1/points/purchase",
        "bad key",
        {"pointsAmount": 0},
        {"pointsAmount", "paymentDetails", "Idempotency-Key"},
    ),
    (
        "POST /api/credits/purchase",
        "bad key",
        {"packageId": "pkg_none", "paymentMethodId": "pm_1", "amount": 1},
        {"packageId", "Idempotency-Key"},
    ),
    (
        "POST /api/mcp/chat/completions",
        "bad key",
        {"model": 1, "messages": []},
        {"model", "messages", "Idempotency-Key", "X-Hub-On-Disconnect"},
    ),
    (
        "POST /api/admin/announcements",
        "admin",
        {"message": "", "level": "loud", "expiresAt": "2020-01-01T00:00:00Z"},
        {"title", "message", "level", "expiresAt"},
    ),
    (
        "POST /v1/billing/balance/credit",
        "bad key",
        {"amount": 0.1, "currency": "EUR", "paymentMethod": "?"},
        {"amount", "currency", "paymentMethod", "Idempotency-Key"},
    ),
    (
        "POST /v1/analytics/events",
        "user",
        {"eventType": "", "eventName": "$", "properties": {"a.b": 1}, "userId": "x"},
        {"eventType", "eventName", "properties", "userId"},
    ),
    ("GET /v1/analytics/events?limit=0&offset=x&from=x&to=x", "user", None, {"limit", "offset", "from", "to"}),
    ("GET /v1/billing/history?limit=x&offset=-1&type=x", "user", None, {"limit", "offset", "type"}),
    (
        "POST /v1/webhooks",
        "user",
        {"url": "http://10.0.0.1", "events": [], "secret": "x"},
        {"url", "events", "secret"},
    ),
    (
        "PUT /api/auth/profile",
        "user",
        {"username": "a b", "email": "x", "role": "admin"},
        {"username", "email", "role"},
    ),
    ("PUT /api/auth/password", "user", {"newPassword": "alllowercase", "x": 1}, {"oldPassword", "newPassword", "x"}),
    (
        "POST /api/v1/api-keys",
        "user",
        {"name": "", "permissions": ["ai:rite"], "expires_in": 0, "key": "x"},
        {"name", "permissions", "expires_in", "key"},
    ),
    ("PUT /api/v1/api-keys/x1", "user", {"name": "", "permissions": [], "key": "x"}, {"name", "permissions", "key"}),
    ("GET /api/v1/api-keys?limit=0&page=x", "user", None, {"limit", "page"}),
    (
        "POST /api/v1/webhooks",
        "user",
        {"url": "http://10.0.0.1", "events": [], "secret": "x", "active": 1},
        {"url", "events", "secret", "active"},
    ),
    ("PUT /api/v1/webhooks/x1", "user", {"url": "ftp://example.com", "events": ["x"]}, {"url", "events"}),
    (
        "POST /api/v1/ai/chat",
        "bad key",
        {"messages": [], "temperature": 1.5, "top_p": 2, "max_tokens": 0, "stream": 1, "n": 1},
        {"messages", "temperature", "top_p", "max_tokens", "stream", "n", "Idempotency-Key", "X-Hub-On-Disconnect"},
    ),
    (
        "POST /api/v1/ai/generate",
        "bad key",
        {"n": 0, "stop": [], "role": "admin"},
        {"prompt", "n", "stop", "role", "Idempotency-Key", "X-Hub-On-Disconnect"},
    ),
    (
        f"GET /api/v1/ai/usage?start_date=x&end_date=x&model={_LONG}",
        "user",
        None,
        {"start_date", "end_date", "model"},
    ),
    ("GET /api/v1/usage?limit=0&page=x&sort=x", "user", None, {"limit", "page", "sort"}),
    (
        "POST /v1/chat/completions",
        "user",
        {"messages": [], "temperature": 3, "role": "admin", "balance": 5},
        {"model", "messages", "temperature", "role", "balance"},
    ),
]


@pytest.mark.gen_test
async def test_every_failure_of_one_input_is_told(site: Site) -> None:
    clients = {
        "nobody": site.client(),
        "service": site.client(),
        "user": site.client(token=await site.token()),
        "bad key": site.client(token=await site.token()),
        "admin": site.client(token=await site.admin_token()),
    }
    service = {"X-Service-Token": str(site.services.settings.service_token), "X-User-ID": "no id"}
    wrong = []
    for address, who, body, fields in CASES:
        method, path = address.split(" ")
        api = next((api for beginning, api in _APIS.items() if path.startswith(beginning)), "smart_ai_hub")
        status = 422 if api == "smart_ai_hub" else 400
        headers = {"service": service, "bad key": _BAD_KEY}.get(who, {})
        answer = await clients[who].request(method, path, body, status=status, headers=headers, dialect=api)
        details = answer.body["error"]["details"]
        told = [failure["field"] for failure in (details if isinstance(details, list) else details["errors"])]
        if len(told) != len(fields) or set(told) != fields:
            wrong.append((address, body, told))
    assert wrong == []
