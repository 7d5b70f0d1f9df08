"""Which channels there are beside one's own, and who may listen."""

from typing import Final

from hub.errors import Code, HubError
from hub.identity_cache import Identity
from hub.realtime.broker import user_channel

ADMIN_METRICS: Final = "admin:metrics"
ADMIN_EVENTS: Final = "admin:events"
ADMIN_CHANNELS: Final = (ADMIN_METRICS, ADMIN_EVENTS)  # those that `/ws/admin` listens to from the beginning
ADMIN_WEBHOOKS: Final = "admin:webhooks"  # attempts at the hub's own webhooks
_WEBHOOKS: Final = "webhooks:"  # and at a user's
_WORKFLOWS: Final = "workflows:"  # progress of a user's executions
# What an API key needs for those of a user's channels that are told things as they happen.
_PERMISSIONS: Final = {_WEBHOOKS: "webhooks:read", _WORKFLOWS: "ai:read"}
_ACCOUNT: Final = ("account:read", "credits:read")  # a user's events, and the balance


def webhooks_channel(owner: str | None) -> str:
    """Where attempts at webhooks are told live; `owner` as `models/webhook_endpoints.py` has it."""
    return ADMIN_WEBHOOKS if owner is None else _WEBHOOKS + owner


def workflows_channel(user: str) -> str:
    """Where the progress of a user's executions is told live."""
    return _WORKFLOWS + user


def is_told(channel: str) -> bool:
    """Whether a channel has notices of what happens, one after the other: attempts at webhooks, progress of executions."""
    return channel == ADMIN_WEBHOOKS or channel.startswith(tuple(_PERMISSIONS))


def is_administrator(identity: Identity) -> bool:
    """An administrator's API key is none."""
    return identity.role == "admin" and identity.kind != "key"


def may_listen(identity: Identity, channel: str) -> bool:
    if channel.startswith("admin:"):
        return is_administrator(identity)
    needed = _permission(channel)
    return needed is None or identity.may(needed)


def _permission(channel: str) -> str | None:
    return next((needed for prefix, needed in _PERMISSIONS.items() if channel.startswith(prefix)), None)


def may_hear_account(identity: Identity) -> bool:
    """Whether a connection is told its user's name, balance and events."""
    return all(identity.may(permission) for permission in _ACCOUNT)


def authorise(identity: Identity, channel: str) -> None:
    """Raises `HubError` FORBIDDEN or NOT_FOUND; somebody else's channel does not exist."""
    if not may_listen(identity, channel):
        needed = _permission(channel)
        who = "administrators" if needed is None else f"API keys with the permission {needed}"
        raise HubError(Code.FORBIDDEN, f"Only {who} may subscribe to this channel")
    own, told = (
        user_channel(identity.user_id),
        (webhooks_channel(identity.user_id), workflows_channel(identity.user_id)),
    )
    if channel not in (*ADMIN_CHANNELS, ADMIN_WEBHOOKS, own, *told):
        raise HubError(Code.NOT_FOUND, "There is no such channel")
    if channel == own and not may_hear_account(identity):
        raise HubError(Code.FORBIDDEN, f"This API key lacks one of the permissions {' and '.join(_ACCOUNT)}")
