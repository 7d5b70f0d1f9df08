"""Which channels there are beside one's own, and who may listen."""

from typing import Final

from hub.errors import Code, HubError
from hub.identity_cache import Identity
from hub.realtime.broker import user_channel

ADMIN_METRICS: Final = "admin:metrics"
ADMIN_EVENTS: Final = "admin:events"
ADMIN_CHANNELS: Final = (ADMIN_METRICS, ADMIN_EVENTS)
_ACCOUNT: Final = ("account:read", "credits:read")  # a user's events, and the balance


def is_administrator(identity: Identity) -> bool:
    """An administrator's API key is none."""
    return identity.role == "admin" and identity.kind != "key"


def may_listen(identity: Identity, channel: str) -> bool:
    return not channel.startswith("admin:") or is_administrator(identity)


def may_hear_account(identity: Identity) -> bool:
    """Whether a connection is told its user's name, balance and events."""
    return all(identity.may(permission) for permission in _ACCOUNT)


def authorise(identity: Identity, channel: str) -> None:
    """Raises `HubError` FORBIDDEN or NOT_FOUND; somebody else's channel does not exist."""
    if not may_listen(identity, channel):
        raise HubError(Code.FORBIDDEN, "Only administrators may subscribe to this channel")
    if channel not in ADMIN_CHANNELS and channel != user_channel(identity.user_id):
        raise HubError(Code.NOT_FOUND, "There is no such channel")
    if channel not in ADMIN_CHANNELS and not may_hear_account(identity):
        raise HubError(Code.FORBIDDEN, f"This API key lacks one of the permissions {' and '.join(_ACCOUNT)}")
