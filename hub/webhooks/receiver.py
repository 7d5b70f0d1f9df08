"""The hub's own receiver, at the address that the documents give as an example: what an administrator's webhook sends
there is verified as any receiver should do it, and told to administrators live. It is for trying a webhook out without
a server.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from config import limits
from hub.errors import Code, HubError
from hub.realtime.broker import Broker, Publication
from hub.realtime.channels import ADMIN_WEBHOOKS
from hub.webhooks import signatures
from hub.webhooks.signatures import NotGenuine
from models import received_webhooks, webhook_endpoints
from models.clock import now, timestamp
from models.database import Database

PATH: Final = "/webhooks/smartaihub"


class Receiver:
    """One per process."""

    def __init__(self, database: Database, broker: Broker) -> None:
        self._database = database
        self._broker = broker

    async def take(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Verify a delivery over the bytes that came; whether it is the first of its id. A second one is a retry whose
        answer was lost, or a replay: it is acknowledged, and nothing comes of it.

        Raises `HubError` UNAUTHENTICATED for what no webhook of ours that points here has signed, or not lately.
        """
        moment, reason = now(), "no webhook points here"
        for endpoint in await webhook_endpoints.of_hub(self._database, limits.WEBHOOK_ENDPOINTS_MAX):
            if urlsplit(endpoint["url"]).path.rstrip("/") != PATH:
                continue
            try:
                secrets = signatures.good_secrets(endpoint, moment)
                webhook_id = signatures.verify(headers, body, secrets, moment)
            except NotGenuine as error:
                reason = str(error)
                continue
            return await self._first(endpoint["_id"], webhook_id)
        raise HubError(Code.UNAUTHENTICATED, f"This webhook is not accepted: {reason}")

    async def _first(self, endpoint: str, webhook_id: str) -> bool:
        moment = now()
        first = await received_webhooks.first(self._database, endpoint, webhook_id, moment)
        if first:
            told = {"webhook_id": endpoint, "message_id": webhook_id, "received_at": timestamp(moment)}
            self._broker.publish(ADMIN_WEBHOOKS, Publication("notice", "webhook.received", told))
        return first
