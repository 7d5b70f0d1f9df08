"""What the tests of quotas share: a day that does not end meanwhile, requests on the AI Playground, how a quota stands."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from hub import quotas
from hub.ledger import Ledger
from hub.operations import Operation, SettleHold
from hub.services import Services
from models import users, wallets
from models.database import Database, Document
from models.events import EVENTS
from models.ids import new_id
from tests.http_streams import Response, ask
from tests.ledger_parts import place

CHAT: Final = "/api/v1/ai/chat"
MESSAGES: Final = [{"role": "user", "content": "Tell me something"}]
DAILY: Final = 50  # of a free user


def noon_zone() -> str:
    """A time zone in which it is noon: no test there is cut in two by midnight."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


async def at_noon(services: Services, user: str) -> None:
    """Move a user there."""
    await services.identities.change_user(user, {"timezone": noon_zone()})


async def chat(port: int, token: str, **fields: Any) -> Response:
    """Ask on the AI Playground; the answer's head."""
    headers = fields.pop("headers", None)
    body = {"model": "gpt-4", "messages": MESSAGES, "max_tokens": 5, **fields}
    return await ask(port, "POST", CHAT, token=token, body=body, headers=headers)


async def chat_at_once(ports: Sequence[int], token: str, count: int, **fields: Any) -> list[tuple[Response, str]]:
    """So many requests spread over these nodes, each with its whole body."""

    async def one(port: int) -> tuple[Response, str]:
        answer = await chat(port, token, **fields)
        return answer, await answer.text()

    return await asyncio.gather(*(one(ports[number % len(ports)]) for number in range(count)))


async def used(database: Database, user: str) -> tuple[int, ...]:
    """The requests that the wallet counts, by day, week and month."""
    wallet = await wallets.wallet(database, user)
    assert wallet is not None
    return tuple(wallet.get("quota", {}).get(period, {"used": 0})["used"] for period in quotas.PERIODS)


async def warnings(database: Database, user: str) -> list[Document]:
    """The data of all `quota.warning` events of a user, oldest first."""
    query = {"channel": f"user:{user}", "type": "quota.warning"}
    found = await database[EVENTS].find(query, sort=[("offset", 1)], limit=100)
    return [event["data"] for event in found]


async def use(services: Services, user: str, times: int) -> None:
    """Count so many requests, as holds that stand and are settled."""
    found = await users.by_id(services.database, user)
    assert found is not None
    quota = quotas.quota_of(services.plans, found["tier"], found["timezone"])
    await asyncio.gather(*(_use(services.ledger, user, quota) for _ in range(times)))


async def _use(ledger: Ledger, user: str, quota: quotas.Quota) -> None:
    hold = place(user, 1, quota=quota)
    await ledger.commit(Operation(new_id("place"), holds=[hold]))
    await ledger.commit(Operation(hold.hold, holds=[SettleHold(hold.hold, user, 0, "test")]))
