"""Which channels there are beside one's own, and who may listen."""

from typing import Final

from hub.errors import Code, HubError
from hub.identity_cache import Identity
from hub.realtime.broker import user_channel

ADMIN_METRICS: Final = "admin:metrics"
ADMIN_EVENTS: Final = "admin:events"
ADMIN_CHANNELS: Final = (ADMIN_METRICS, ADMIN_EVENTS)
OWN_PERMISSION: Final = "account:read"  # what a key needs for its owner's balance and events


def is_administrator(identity: Identity) -> bool:
    """An administrator's API key is none."""
    return identity.role == "admin" and identity.kind != "key"


def may_listen(identity: Identity, channel: str) -> bool:
    return not channel.startswith("admin:") or is_administrator(identity)


def authorise(identity: Identity, channel: str) -> None:
    """Raises `HubError` FORBIDDEN or NOT_FOUND; somebody else's channel does not exist."""
    if not may_listen(identity, channel):
        raise HubError(Code.FORBIDDEN, "Only administrators may subscribe to this channel")
    if channel not in ADMIN_CHANNELS and channel != user_channel(identity.user_id):
        raise HubError(Code.NOT_FOUND, "There is no such channel")
    if channel not in ADMIN_CHANNELS and not identity.may(OWN_PERMISSION):
        raise HubError(Code.FORBIDDEN, f"This API key lacks the permission {OWN_PERMISSION}")
