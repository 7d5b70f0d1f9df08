"""A user, or the hub's administrator, with webhooks at a receiver of the tests."""

from dataclasses import dataclass
from typing import Any

import orjson

from hub.operations import NewEvent, Operation
from models.ids import new_id
from tests.api_client import ApiClient
from tests.patience import until
from tests.site import Site
from tests.stand_ins.webhook_receiver import Received, WebhookReceiver

SECRET = "CANARY_webhook_secret"
PATHS = {
    "smart_ai_hub": "/api/admin/webhooks",
    "ai_aggregator": "/v1/webhooks",
    "ai_playground": "/api/v1/webhooks",
}
CHAT: dict[str, Any] = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}


@dataclass(frozen=True)
class Owner:
    """Of webhooks by one API; `client` speaks for them, by their access `token`."""

    site: Site
    api: str
    client: ApiClient
    user: str
    token: str

    @property
    def path(self) -> str:
        return PATHS[self.api]

    async def hook(self, url: str, *events: str, **fields: Any) -> dict[str, Any]:
        """A new webhook; its secret is SECRET unless another is given."""
        body = {"url": url, "events": list(events), "secret": SECRET, **fields}
        made = (await self.client.post(self.path, body, status=201)).data
        return dict(made["webhook"] if self.api == "ai_playground" else made)

    async def get(self, path: str, status: int = 200) -> Any:
        answer = await self.client.get(f"{self.path}/{path}", status=status)
        return answer.data if status == 200 else answer

    async def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        answer = await self.client.request("POST", f"{self.path}/{path}", body, status=status)
        return answer.data if status == 200 else answer

    async def put(self, path: str, body: Any) -> None:
        await self.client.request("PUT", f"{self.path}/{path}", body, status=200)

    async def asks(self, **fields: Any) -> dict[str, Any]:
        """Ask a model, by the Aggregator's API."""
        answer = await self.client.post("/v1/chat/completions", {**CHAT, **fields}, plain=True, dialect="ai_aggregator")
        return dict(answer.body)


async def owner(site: Site, api: str = "ai_aggregator") -> Owner:
    """A new user, or a new administrator where the API is the hub's own."""
    registered = await site.register()
    user, token = registered["data"]["user"]["id"], registered["access_token"]
    if api == "smart_ai_hub":
        await site.services.identities.change_user(user, {"role": "admin"})
    return Owner(site, api, site.client(api, token=token), user, token)


async def arrived(receiver: WebhookReceiver, path: str, number: int = 1) -> list[Received]:
    """What a path was sent, once it is so many."""
    await until(lambda: len(receiver.got[path]) >= number)
    return receiver.got[path]


def payload(received: Received) -> dict[str, Any]:
    loaded: dict[str, Any] = orjson.loads(received.body)
    return loaded


async def happens(who: Owner, kind: str, data: dict[str, Any]) -> None:
    """An event whose cause is another part's matter."""
    event = NewEvent(who.user, kind, data)
    await who.site.services.ledger.commit(Operation(id=new_id("op"), events=[event]))
