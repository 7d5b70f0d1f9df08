"""An integration that does not work any more: marked, its user told once, and what whoever wanted to use it is told."""

from typing import Final

from hub.errors import Code, HubError
from hub.ledger import Ledger
from hub.notifications import notice
from hub.operations import Composed, Operation, Update
from models import integrations
from models.database import Document, Transaction
from models.ids import new_id

UNREADABLE: Final = "what was kept of this account cannot be read any more"
_CONNECT: Final = "connect one by POST /api/integrations/connect"
_HOW: Final = {"google": f"{_CONNECT}, or at GET /api/integrations/google/authorize", "telegram": _CONNECT}
COMPANIES: Final = {"google": "Google", "telegram": "Telegram"}


async def mark_broken(ledger: Ledger, found: Document, reason: str) -> HubError:
    """Mark one that does not work any more, and tell its user, once; what the caller is to be told."""
    operation_id, company = new_id("integ_end"), COMPANIES[found["type"]]

    async def compose(transaction: Transaction) -> Operation:
        latest = await integrations.within(transaction, found["user"], found["type"])
        if latest is None or latest["status"] != "connected" or latest["connected_at"] != found["connected_at"]:
            return Operation(operation_id)  # it was told, or connected anew meanwhile
        text = f"{reason[0].upper()}{reason[1:]} ({latest['name']}). Connect it again to use it."
        insert, event = notice(found["user"], "warning", "account", f"{company} is disconnected", text)
        change = {"$set": {"status": "error", "error": reason}}
        update = Update(integrations.INTEGRATIONS, {"_id": latest["_id"]}, change)
        return Operation(operation_id, inserts=[insert], updates=[update], events=[event])

    await ledger.commit(Composed(operation_id, compose))
    return not_working(found["type"], reason)


def not_connected(kind: str, code: Code) -> HubError:
    return HubError(code, f"No {kind} account is connected: {_HOW[kind]}")


def not_working(kind: str, reason: str) -> HubError:
    return HubError(Code.CONFLICT, f"The connection does not work: {reason}. To mend it, {_HOW[kind]}")
