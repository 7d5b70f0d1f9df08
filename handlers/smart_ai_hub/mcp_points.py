"""POST /api/v1/mcp/points/deduct: our own services take a user's points. Its fields stand at the top of the answer."""

import re
from typing import Any, Final

from config import limits
from handlers.access import service
from handlers.base import ApiHandler
from handlers.chat_headers import IDEMPOTENCY_KEY, key_check
from handlers.idempotent import replied
from handlers.routing import Route
from handlers.terms import asks, header, takes
from hub import amounts, fields
from hub.errors import invalid
from hub.points import Deduction

Json = dict[str, Any]
_USER_ID: Final = re.compile(r"[A-Za-z0-9_]{1,64}")


class DeductInput(fields.Input):
    amount = amounts.Points(required=True)
    description = fields.Text(low=1, high=limits.DESCRIPTION_CHARS_MAX, required=True)
    metadata = fields.Stored(bytes_max=limits.POINT_METADATA_BYTES_MAX, load_default=dict)


_USER: Final = header(
    "X-User-ID", "Whose points are taken", {"type": "string", "pattern": "^[A-Za-z0-9_]{1,64}$"}, required=True
)


class DeductPoints(ApiHandler):
    """Not counted against a rate limit: the service acts for all users. Who is no service is counted by address."""

    @service
    @takes(DeductInput())
    @asks(_USER, IDEMPOTENCY_KEY)
    async def post(self) -> None:
        """Take a user's points for a service."""
        body = self.json_body()
        user = self.header(_USER.name) or ""
        given = self.loaded(body, lambda _: _check_user(user), key_check(self))
        deduction = Deduction(user, given["amount"], given["description"], given["metadata"])
        reply = await replied(
            self, body, lambda key: self.services.points.deduct(deduction, key), owner=f"service:{user}"
        )
        self.answer(
            extra={
                "status": "ok",
                "new_balance": reply["balance"],
                "transaction_id": reply["transaction"],
                "autoTopupTriggered": reply["topped_up"],
            }
        )


def _check_user(user: str) -> None:
    """Raises `HubError` INVALID."""
    if not _USER_ID.fullmatch(user):
        raise invalid("X-User-ID", "must be the id of the user whose points are taken")


ROUTES = [Route("/api/v1/mcp/points/deduct", DeductPoints, ("smart_ai_hub",), "mcp", counted=False)]
