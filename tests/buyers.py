"""A user of a served hub who spends money, and what must be true of their wallet afterwards."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hub.audit import audit
from models import wallets
from models.payments import PAYMENTS
from tests.api_client import Answer, ApiClient
from tests.site import Site

# Amounts that are no JSON, each with whether it is at least the value of a field, and those that are JSON and no amounts.
NO_JSON = (("NaN", True), ("Infinity", True), ("-Infinity", True), ("\uff11", False))
WRONG = (
    *("-1", "0", "true", '"5"', "null", '"\uff11"', "[5]", "{}", "0.0000001"),
    *("1e400", "-1e400", str(2**63), str(10**300), "-0"),
)


@dataclass(frozen=True)
class Buyer:
    """`client` has the user's access token."""

    site: Site
    id: str
    client: ApiClient

    async def balance(self) -> tuple[int, int]:
        """Micro-credits and points."""
        wallet = await wallets.wallet(self.site.services.database, self.id)
        assert wallet is not None
        return wallet["credits"], wallet["points"]

    async def entries(self, unit: str) -> list[dict[str, Any]]:
        """Oldest first."""
        found, _ = await wallets.entries(self.site.services.database, self.id, unit, skip=0, limit=1_000)
        return found[::-1]

    async def payments(self) -> list[dict[str, Any]]:
        return await self.site.services.database[PAYMENTS].find({"user": self.id}, limit=1_000, sort=[("_id", 1)])

    async def deduct(self, amount: Any, key: str | None = None, **fields: Any) -> Any:
        """The service takes points; the bare answer."""
        headers = {"X-Service-Token": self.site.services.settings.service_token, "X-User-ID": self.id}
        body = {"amount": amount, "description": "Used for AI service", **fields}
        return await self.site.client().raw(
            "POST", "/api/v1/mcp/points/deduct", body, {**headers, **({"Idempotency-Key": key} if key else {})}
        )

    async def types(self) -> Counter[str]:
        """How often each type of event happened to the user."""
        found = await self.site.services.database["events"].find({"channel": f"user:{self.id}"}, limit=1_000)
        return Counter(event["type"] for event in found)


async def buyer(site: Site) -> Buyer:
    """With the ten welcome credits."""
    registered = await site.register()
    return Buyer(site, registered["data"]["user"]["id"], site.client(token=registered["access_token"]))


async def refuses_amounts(
    client: ApiClient, method: str, path: str, body: str, field: str, amounts: Iterable[str], **headers: str
) -> None:
    """Each of `amounts` in the place of the body's `%s`, and what is no JSON, is refused by the field's name."""
    for amount, is_value in NO_JSON:
        answer = await client.request(method, path, (body % amount).encode(), status=400, headers=headers)
        assert (answer.code, _fields(answer)) == ("VALIDATION_ERROR", [field] if is_value else []), amount
    for amount in amounts:
        answer = await client.request(method, path, (body % amount).encode(), status=422, headers=headers)
        assert (answer.code, _fields(answer)) == ("VALIDATION_ERROR", [field]), amount


def _fields(answer: Answer) -> list[str]:
    return [detail["field"] for detail in answer.body["error"]["details"]]


async def statuses(*calls: Any) -> Counter[int]:
    """How often each status came, of calls made at once; the answers' envelopes are checked by the client."""
    return Counter(response.code for response in await asyncio.gather(*calls))


async def check_books(site: Site) -> None:
    """Every wallet equals its entries, and every chain holds."""
    assert [difference async for difference in audit(site.services.database)] == []


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def hit(answer: Answer) -> bool:
    return answer.headers.get("Idempotency-Hit") == "true"
