"""What whoever uses an integration needs: one that works, and a note of when that was, as its owner is shown."""

import structlog

from hub.errors import Code
from hub.integrations.endings import not_connected, not_working
from models import integrations
from models.clock import now
from models.database import Database, DatabaseError, Document

log = structlog.get_logger(__name__)


async def connected(database: Database, user: str, kind: str) -> Document:
    """One that can be used. Raises `HubError` CONFLICT, and how to connect it."""
    found = await integrations.of_type(database, user, kind)
    if found is None:
        raise not_connected(kind, Code.CONFLICT)
    if found["status"] != "connected":
        raise not_working(kind, found["error"])
    return found


async def note(database: Database, found: Document) -> None:
    """It was, just now. What was done by it is done, whether this can be written or not."""
    try:
        await integrations.used(database, found["_id"], now())
    except DatabaseError as error:
        log.warning("a use of an integration is not noted", integration=found["_id"], error=str(error)[:200])
