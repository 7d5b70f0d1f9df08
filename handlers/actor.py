"""Who does something to others' things, as the audit log keeps it."""

from handlers.base import ApiHandler
from hub.audit_trail import Actor


def actor_of(handler: ApiHandler) -> Actor:
    return Actor(handler.caller.user_id, handler.address, handler.request_id)
