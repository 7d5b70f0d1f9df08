"""All collection families, for the database to make at start-up."""

from models import (
    audit_log,
    conversations,
    counters,
    events,
    idempotency,
    logins,
    nodes,
    notifications,
    revocations,
    usage,
    users,
    wallets,
)

ALL = (
    *audit_log.SHAPES,
    *conversations.SHAPES,
    *counters.SHAPES,
    *events.SHAPES,
    *idempotency.SHAPES,
    *logins.SHAPES,
    *nodes.SHAPES,
    *notifications.SHAPES,
    *revocations.SHAPES,
    *usage.SHAPES,
    *users.SHAPES,
    *wallets.SHAPES,
)
