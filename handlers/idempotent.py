"""What an `Idempotency-Key` does to a request that moves money: the first one works, later ones get its reply.

The reply is kept as plain data and rendered by the same view each time, so that its `meta` is that of the request at hand.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from handlers.base import ApiHandler
from handlers.chat_headers import key_of
from hub.idempotency import IdempotencyKey, SoFar, once
from models.database import Document


async def replied(
    handler: ApiHandler,
    body: Any,
    work: Callable[[IdempotencyKey | None], Awaitable[Document]],
    owner: str | None = None,
    so_far: SoFar | None = None,
) -> Document:
    """What `work` came to, now or when the same request came first; then `Idempotency-Hit: true` says so.

    `work` writes the key's record in the operation that it commits; `so_far` may know what unfinished work has
    come to. Raises `HubError`: INVALID for a bad key, KEY_REUSED, IN_FLIGHT, and whatever the two raise.
    """
    key = key_of(handler, body, owner)
    reply = await once(handler.services.database, key, lambda: work(key), so_far)
    if reply.repeated:
        handler.set_header("Idempotency-Hit", "true")
    return reply.data
