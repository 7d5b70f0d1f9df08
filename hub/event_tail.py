"""The tail of what happens to users, for administrators: a few times a second, lossy, and it says how lossy.

    ledger's commits --add()--> EventTail --> broker, admin:events --> listeners on every node

Nothing here shows a text, a credential or an address: of an event only what is listed in `_SHOWN` is passed on, and
strings only where they look like an identifier. It is made so before it leaves the node: what crosses Redis is as harmless.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

from config import limits
from hub.realtime.broker import Broker, Publication
from hub.realtime.channels import ADMIN_EVENTS
from models.clock import timestamp
from models.database import Document

# What of an event's data an administrator sees; of `receipt` and `usage` the same, one level in.
_SHOWN: Final = frozenset(
    {"id", "ids", "user_id", "stream_id", "message_id", "conversation_id", "model", "provider", "status", "detail"}
    | {"analysis_id"}
    | {"finish_reason", "usage_source", "category", "type", "kind", "unit", "tier", "role", "all", "read"}
    | {"amount", "credits", "points", "hold", "charged", "released", "seq", "cost"}
    | {"prompt_tokens", "completion_tokens", "total_tokens"}
)
_INSIDE: Final = ("receipt", "usage")
_IDENTIFIER: Final = re.compile(r"(?!sk_|ak_|whsec_|eyJ)[A-Za-z0-9][A-Za-z0-9_.:/-]{0,79}")


class EventTail:
    """Gathers events for a moment and sends them together; what is too much in that moment is only counted."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._waiting: list[dict[str, Any]] = []
        self._dropped = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, event: Document) -> None:
        if len(self._waiting) >= limits.ADMIN_EVENTS_AT_ONCE:
            self._dropped += 1
            return
        self._waiting.append(event_view(event))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(limits.ADMIN_EVENTS_SECONDS, self._flush)

    def _flush(self) -> None:
        waiting, dropped = self._waiting, self._dropped
        self._waiting, self._dropped, self._timer = [], 0, None
        publication = Publication("notice", "admin.events", {"events": waiting, "dropped": dropped})
        self._broker.publish(ADMIN_EVENTS, publication)

    def close(self) -> None:
        """Send what waits: the last that a node did is what its administrators want to see."""
        if self._timer is not None:
            self._timer.cancel()
            self._flush()


def event_view(event: Document) -> dict[str, Any]:
    """An event as an administrator sees it: what and whom, and figures, but no text."""
    return {
        "type": event["type"],
        "user": event["channel"].removeprefix("user:"),
        "offset": event["offset"],
        "created_at": timestamp(event["created_at"]),
        "data": shown(event["data"]),
    }


def shown(data: Mapping[str, Any]) -> dict[str, Any]:
    """What of an event's data is harmless."""
    view = {name: value for name, value in data.items() if name in _SHOWN and _is_harmless(value)}
    for name in _INSIDE:
        inner = data.get(name)
        if isinstance(inner, Mapping):
            view |= {f"{name}.{key}": value for key, value in inner.items() if key in _SHOWN and _is_harmless(value)}
    return view


def _is_harmless(value: Any) -> bool:
    if isinstance(value, str):
        return _IDENTIFIER.fullmatch(value) is not None
    if isinstance(value, list):
        return len(value) <= limits.ADMIN_EVENT_IDS_MAX and all(
            isinstance(one, str) and _is_harmless(one) for one in value
        )
    return value is None or isinstance(value, bool | int | float)
