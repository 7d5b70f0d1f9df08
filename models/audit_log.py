"""The audit log: every change that an administrator made. Append-only; a row is written by the change's own operation.

`{_id: audit_..., actor, action, target, before, after, reason, kind, request_id, address, created_at}`: `actor` is a user's
id, `action` a name such as `user.change`, `target` the id of what was changed, `before` and `after` the fields that differ,
`kind` an adjustment's type (bonus, refund, ...).
"""

from datetime import datetime

from models.collection_shape import CollectionShape, Index
from models.database import Database, Document

AUDIT_LOG = "audit_log"
SHAPES = (
    CollectionShape(
        AUDIT_LOG,
        indexes=(
            Index([("created_at", -1)]),
            Index([("actor", 1), ("created_at", -1)]),
            Index([("target", 1), ("created_at", -1)]),
            Index([("action", 1), ("created_at", -1)]),
        ),
    ),
)


def new_row(
    row_id: str,
    actor: str,
    action: str,
    target: str,
    *,
    before: Document | None,
    after: Document | None,
    reason: str | None,
    kind: str | None,
    request_id: str,
    address: str,
    moment: datetime,
) -> Document:
    return {
        "_id": row_id,
        "actor": actor,
        "action": action,
        "target": target,
        "before": before,
        "after": after,
        "reason": reason,
        "kind": kind,
        "request_id": request_id,
        "address": address,
        "created_at": moment,
    }


async def page(database: Database, query: Document, *, skip: int, limit: int) -> tuple[list[Document], int]:
    """Newest first, and how many rows match in all."""
    return await database[AUDIT_LOG].page(query, skip=skip, limit=limit)
