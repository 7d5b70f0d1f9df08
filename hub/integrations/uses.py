"""When an integration was used last, as its owner is shown."""

import structlog

from models import integrations
from models.clock import now
from models.database import Database, DatabaseError, Document

log = structlog.get_logger(__name__)


async def note(database: Database, found: Document) -> None:
    """It was, just now. What was done by it is done, whether this can be written or not."""
    try:
        await integrations.used(database, found["_id"], now())
    except DatabaseError as error:
        log.warning("a use of an integration is not noted", integration=found["_id"], error=str(error)[:200])
