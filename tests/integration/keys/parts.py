"""What the tests of API keys share: an owner of keys, and completions asked for by a key."""

import asyncio
from dataclasses import dataclass
from typing import Any

from models import wallets
from models.database import Document
from tests.api_client import Answer, ApiClient
from tests.http_streams import Response, ask
from tests.site import Site

KEYS = "/v1/auth/api-keys"
COMPLETIONS = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Tell me something"}]


@dataclass(frozen=True)
class Key:
    """A key as the answer to its making showed it."""

    id: str
    secret: str
    shown: dict[str, Any]


@dataclass(frozen=True)
class Owner:
    """A registered user of a site, signed in."""

    site: Site
    user: str
    token: str

    @property
    def client(self) -> ApiClient:
        return self.site.client("ai_aggregator", token=self.token)

    def by(self, key: Key, dialect: str = "ai_aggregator") -> ApiClient:
        """Speaks by a key."""
        return self.site.client(dialect, token=key.secret)

    async def key(self, **fields: Any) -> Key:
        data = (await self.client.post(KEYS, {"name": "A key", **fields}, status=201)).data
        return Key(data["id"], data["key"], data)

    async def shown(self, key: Key) -> dict[str, Any]:
        data: dict[str, Any] = (await self.client.get(f"{KEYS}/{key.id}")).data
        return data

    async def change(self, key: Key, status: int = 200, **fields: Any) -> Answer:
        return await self.client.request("PUT", f"{KEYS}/{key.id}", fields, status=status)

    async def revoke(self, key: Key, status: int = 200) -> Answer:
        return await self.client.request("DELETE", f"{KEYS}/{key.id}", status=status)

    async def entries(self, key: Key) -> list[Document]:
        """What was charged by a key with a budget."""
        found, _ = await wallets.entries(self.site.services.database, self.user, "credit", skip=0, limit=1_000)
        return [entry for entry in found if entry["metadata"].get("key") == key.id]

    async def counters(self, key: Key) -> Document | None:
        wallet = await wallets.wallet(self.site.services.database, self.user)
        assert wallet is not None
        counted: Document | None = wallet.get("budgets", {}).get(key.id)
        return counted


async def owner_of(site: Site) -> Owner:
    registered = await site.register()
    return Owner(site, registered["data"]["user"]["id"], registered["access_token"])


async def complete(site: Site, key: Key, **fields: Any) -> Response:
    """Ask for a completion by a key; its head."""
    body = {"model": "gpt-4", "messages": MESSAGES, **fields}
    return await ask(site.port, "POST", COMPLETIONS, token=key.secret, body=body)


async def read(asked: Response) -> Any:
    """The whole of an answer: its events where it is streamed, else its body."""
    if asked.headers["content-type"].startswith("text/event-stream"):
        return [event.data for event in await asked.events()]
    return await asked.json()


async def complete_at_once(sites: list[Site], key: Key, count: int, **fields: Any) -> list[tuple[int, Any]]:
    """Statuses and bodies of so many completions, spread over the nodes of one hub."""

    async def one(site: Site) -> tuple[int, Any]:
        answer = await complete(site, key, **fields)
        return answer.status, await read(answer)

    return await asyncio.gather(*(one(sites[number % len(sites)]) for number in range(count)))
