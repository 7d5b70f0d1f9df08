"""How a change of who may sign in is committed: one operation, made in the transaction that writes it, and told."""

from collections.abc import Awaitable, Callable

from hub.ledger import Ledger
from hub.mail_jobs import MailJobs
from hub.operations import Composed, Operation
from hub.revocations import Revocations
from models.database import Document, Transaction
from models.ids import new_id

Compose = Callable[[Transaction], Awaitable[tuple[Operation, Document]]]


async def commit(ledger: Ledger, revocations: Revocations, mail: MailJobs, compose: Compose) -> None:
    """Commit what `compose` makes, an operation and the revocation among its documents; its last run is the one that stands.

    Then every node hears of it, and the mail that it promises goes. Raises `HubError` as `Ledger.commit` does.
    """
    written: list[Document] = []

    async def composed(transaction: Transaction) -> Operation:
        operation, revocation = await compose(transaction)
        written[:] = [revocation]
        return operation

    await ledger.commit(Composed(new_id("account"), composed))
    revocations.announce(written[0])
    mail.wake()
