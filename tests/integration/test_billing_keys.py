"""What an API key may do of billing, analytics and webhooks: each needs a permission of its own."""

from typing import Any, Final

import pytest

from tests.api_client import ApiClient
from tests.site import Site

PERMISSIONS: Final = ("ai:write", "usage:read", "credits:read", "credits:write", "webhooks:read", "webhooks:write")
_TOP_UP: Final = {"amount": 5, "currency": "USD", "paymentMethod": "card"}
_EVENT: Final = {"eventType": "a", "eventName": "b", "properties": {}}
_HOOK: Final = {"url": "https://example.com/hook", "events": ["chat.completion"]}
# Each call with its body, the permission that it needs (None: a key of any kind may), and its status with that.
CALLS: Final[list[tuple[str, Any, str | None, int]]] = [
    ("GET /v1/billing/balance", None, "credits:read", 200),
    ("GET /v1/billing/history", None, "credits:read", 200),
    ("POST /v1/billing/balance/credit", _TOP_UP, "credits:write", 200),
    ("GET /v1/analytics/dashboard", None, "usage:read", 200),
    ("GET /v1/analytics/events", None, "usage:read", 200),
    ("POST /v1/analytics/events", _EVENT, None, 200),
    ("GET /v1/webhooks", None, "webhooks:read", 200),
    ("POST /v1/webhooks", _HOOK, "webhooks:write", 201),
    ("GET /v1/webhooks/{hook}", None, "webhooks:read", 200),
    ("GET /v1/webhooks/{hook}/deliveries", None, "webhooks:read", 200),
    ("POST /v1/webhooks/{hook}/rotate-secret", None, "webhooks:write", 200),
    ("PUT /v1/webhooks/{hook}", {"active": False}, "webhooks:write", 200),
    ("DELETE /v1/webhooks/{hook}", None, "webhooks:write", 200),
]


async def _by_key(site: Site, owner: ApiClient, **fields: Any) -> ApiClient:
    made = await owner.post("/v1/auth/api-keys", {"name": "A key", **fields}, status=201)
    return site.client("ai_aggregator", token=made.data["key"])


@pytest.mark.gen_test
async def test_a_key_does_what_it_was_given_and_nothing_else(site: Site) -> None:
    owner = site.client("ai_aggregator", token=await site.token())
    keys = {name: await _by_key(site, owner, permissions=[name]) for name in PERMISSIONS}
    wrong = []
    for call, body, needed, status in CALLS:
        method, path = call.split(" ")
        for name, client in keys.items():
            hook = (await owner.post("/v1/webhooks", _HOOK, status=201)).data["id"] if "{hook}" in path else ""
            answer = await client.raw(method, path.format(hook=hook), body)
            if answer.code != (status if needed in (name, None) else 403):
                wrong.append((call, name, answer.code))
    assert wrong == []
    everything = await _by_key(site, owner)
    assert (await everything.get("/v1/billing/balance")).body["balance"]["balance"] == "15.00"


@pytest.mark.gen_test
async def test_a_balance_tells_the_limit_of_the_key_that_asks(site: Site) -> None:
    owner = site.client("ai_aggregator", token=await site.token())
    limited = await _by_key(site, owner, creditLimit=2.509, creditLimitPeriod="day")
    free = await _by_key(site, owner, requestsPerMinute=50)
    told = [
        (await client.get("/v1/billing/balance")).body["balance"]["creditLimit"] for client in (limited, free, owner)
    ]
    assert told == ["2.50", None, None]
