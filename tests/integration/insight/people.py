"""Users of the AI Assistant's API, who ask and rate."""

from typing import Any, Final

from models.conversations import message_of_stream
from models.database import Document
from tests.api_client import ApiClient
from tests.site import Site

_CHAT: Final = {"messages": [{"role": "user", "content": "Hello"}], "maxTokens": 9}


class Person:
    """A user with a client."""

    def __init__(self, site: Site, registered: dict[str, Any]) -> None:
        self.id = str(registered["data"]["user"]["id"])
        self.token = str(registered["access_token"])
        self.client: ApiClient = site.client("ai_assistant", token=self.token)
        self._database = site.services.database

    @classmethod
    async def at(cls, site: Site) -> "Person":
        return cls(site, await site.register())

    async def answer(self, model: str) -> Document:
        """Ask something; the answer's message."""
        body = {"model": model, **_CHAT}
        asked = await self.client.post("/api/mcp/chat/completions", body, dialect="smart_ai_hub")
        message = await message_of_stream(self._database, asked.headers["X-Hub-Stream-Id"])
        assert message is not None
        return message
