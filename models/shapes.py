"""All collection families, for the database to make at start-up."""

from models import (
    audit_log,
    conversations,
    counters,
    entry_totals,
    events,
    idempotency,
    logins,
    nodes,
    notification_settings,
    notifications,
    request_stats,
    revocations,
    usage,
    users,
    wallets,
)

ALL = (
    *audit_log.SHAPES,
    *conversations.SHAPES,
    *counters.SHAPES,
    *entry_totals.SHAPES,
    *events.SHAPES,
    *idempotency.SHAPES,
    *logins.SHAPES,
    *nodes.SHAPES,
    *notification_settings.SHAPES,
    *notifications.SHAPES,
    *request_stats.SHAPES,
    *revocations.SHAPES,
    *usage.SHAPES,
    *users.SHAPES,
    *wallets.SHAPES,
)
