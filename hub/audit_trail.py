"""The audit trail: who an acting administrator is, and the row that each of their changes leaves.

The row is part of the change's own operation, so that neither exists without the other. Nothing reads it back to decide.
"""

from dataclasses import dataclass

from hub.operations import Insert
from models import audit_log
from models.clock import now
from models.database import Document
from models.ids import new_id


@dataclass(frozen=True, slots=True)
class Actor:
    """An administrator with the request by which they act."""

    user: str
    address: str
    request_id: str


def row(
    actor: Actor,
    action: str,
    target: str,
    *,
    before: Document | None = None,
    after: Document | None = None,
    reason: str | None = None,
    kind: str | None = None,
) -> Insert:
    """The row of one change, to be written with it."""
    document = audit_log.new_row(
        new_id("audit"),
        actor.user,
        action,
        target,
        before=before,
        after=after,
        reason=reason,
        kind=kind,
        request_id=actor.request_id,
        address=actor.address,
        moment=now(),
    )
    return Insert(audit_log.AUDIT_LOG, document)
