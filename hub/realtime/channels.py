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
_WEBHOOKS_PERMISSION: Final = "webhooks:read"
_ACCOUNT: Final = ("account:read", "credits:read")  # a user's events, and the balance


def webhooks_channel(owner: str | None) -> str:
    """Where attempts at webhooks are told live; `owner` as `models/webhook_endpoints.py` has it."""
    return ADMIN_WEBHOOKS if owner is None else _WEBHOOKS + owner


def workflows_channel(user: str) -> str:
    """Where the progress of a user's executions is told live."""
    return _WORKFLOWS + user


def is_of_webhooks(channel: str) -> bool:
    return channel == ADMIN_WEBHOOKS or channel.startswith(_WEBHOOKS)


def is_administrator(identity: Identity) -> bool:
    """An administrator's API key is none."""
    return identity.role == "admin" and identity.kind != "key"


def may_listen(identity: Identity, channel: str) -> bool:
    if channel.startswith("admin:"):
        return is_administrator(identity)
    return not is_of_webhooks(channel) or identity.may(_WEBHOOKS_PERMISSION)


def may_hear_account(identity: Identity) -> bool:
    """Whether a connection is told its user's name, balance and events."""
    return all(identity.may(permission) for permission in _ACCOUNT)


def authorise(identity: Identity, channel: str) -> None:
    """Raises `HubError` FORBIDDEN or NOT_FOUND; somebody else's channel does not exist."""
    if not may_listen(identity, channel):
        who = (
            "administrators" if channel.startswith("admin:") else f"API keys with the permission {_WEBHOOKS_PERMISSION}"
        )
        raise HubError(Code.FORBIDDEN, f"Only {who} may subscribe to this channel")
    own = user_channel(identity.user_id)
    if channel not in (*ADMIN_CHANNELS, ADMIN_WEBHOOKS, own, webhooks_channel(identity.user_id)):
        raise HubError(Code.NOT_FOUND, "There is no such channel")
    if channel == own and not may_hear_account(identity):
        raise HubError(Code.FORBIDDEN, f"This API key lacks one of the permissions {' and '.join(_ACCOUNT)}")
