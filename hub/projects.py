"""Projects of users: made, changed, deleted and restored, each with its counters in the owner's wallet.

    create  --> document, counters          delete --> the counters closed: nothing more is held for it
    restore --> the counters open again, where they stopped

What is asked in a project, and by which budget, is `hub/belongings.py`'s; no limit is enforced here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from config import assistant
from config import workflows as limits
from config.catalogue import AiModel
from hub.ai_models import chat_model
from hub.budgets import BudgetChange, CloseBudget, EndBudget, OpenBudget
from hub.errors import Code, HubError, invalid
from hub.ledger import Ledger
from hub.operations import Composed, Delete, Insert, Operation, Update, in_turn
from models import counters, integrations, projects, wallets, workflows
from models.clock import now
from models.database import Database, Document, Transaction
from models.ids import new_id
from models.projects import PROJECTS

# Of one that went for good while it was being looked at.
_UNCOUNTED: Final[Document] = {"held": 0, "spent": {"amount": 0}}


@dataclass(frozen=True, slots=True)
class NewProject:
    """A project as it is asked for; `settings` holds those of `models/projects.py` that are wanted."""

    name: str
    description: str = ""
    settings: Document = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListedProject:
    """A project as its owner sees it; what its answers have cost in all, and what running ones hold, in micro-credits."""

    document: Document
    spent: int
    held: int
    integrations: Sequence[Document] = ()
    workflows: Sequence[Document] = ()  # without their definitions


class Projects:
    """One per process. All methods raise `HubError` where the ledger does, and let `DatabaseError`s of reads out."""

    def __init__(self, database: Database, ledger: Ledger, catalogue: Mapping[str, AiModel]) -> None:
        self._database = database
        self._ledger = ledger
        self._catalogue = catalogue

    def check_settings(self, given: Mapping[str, Any]) -> None:
        """Raises `HubError` INVALID for a default model that does not exist or answers nothing."""
        name = given.get("settings", {}).get("default_model")
        if name is None:
            return
        try:
            chat_model(self._catalogue, name)
        except HubError as error:
            says = error.details[0].message if error.details else error.message
            raise invalid("settings.default_model", says, name) from None

    async def create(self, user: str, wanted: NewProject) -> ListedProject:
        """Raises `HubError` CONFLICT where there are too many."""
        number = await counters.next_number(self._database, projects.NUMBERS)
        made = projects.new_project(
            *(new_id("proj"), number, user, wanted.name, wanted.description, wanted.settings, now())
        )

        async def compose(transaction: Transaction) -> Operation:
            await _check_room(transaction, user)
            opened = OpenBudget(user, made["_id"], "total")
            return Operation(made["_id"], inserts=[Insert(PROJECTS, made)], updates=[_turn(user)], budgets=[opened])

        await self._ledger.commit(Composed(made["_id"], compose))
        return ListedProject(made, spent=0, held=0)

    async def change(self, user: str, number: int, fields: Mapping[str, Any]) -> ListedProject:
        """Set some of the fields, settings by their dotted names; a budget holds from the next request on.

        Raises `HubError` NOT_FOUND.
        """
        changed = _there(await projects.change(self._database, user, number, fields, now()))
        (listed,) = await self._listed(user, [changed])
        return listed

    async def delete(self, user: str, number: int) -> None:
        """Nothing more is asked in it. Beyond what is kept for restoring, the one deleted longest ago goes for good.

        Raises `HubError` NOT_FOUND.
        """
        operation_id, moment = new_id("project"), now()

        async def compose(transaction: Transaction) -> Operation:
            found = _there(await projects.within(transaction, user, number))
            if found["deleted_at"] is not None:
                raise _no_such()
            gone = (await projects.deleted_within(transaction, user))[assistant.PROJECTS_DELETED_MAX - 1 :]
            closed: list[BudgetChange] = [CloseBudget(user, found["_id"])]
            return Operation(
                operation_id,
                updates=[Update(PROJECTS, {"_id": found["_id"]}, {"$set": {"deleted_at": moment}}), _turn(user)],
                deletes=[Delete(PROJECTS, {"_id": project["_id"]}) for project in gone],
                budgets=[*closed, *(EndBudget(user, project["_id"]) for project in gone)],
            )

        await self._ledger.commit(Composed(operation_id, compose))

    async def restore(self, user: str, number: int) -> ListedProject:
        """Take a deletion back; of one that is not deleted nothing changes.

        Raises `HubError`: NOT_FOUND, CONFLICT where there are too many.
        """
        operation_id = new_id("project")

        async def compose(transaction: Transaction) -> Operation:
            found = _there(await projects.within(transaction, user, number))
            if found["deleted_at"] is None:
                return Operation(operation_id)
            await _check_room(transaction, user)
            restored = Update(PROJECTS, {"_id": found["_id"]}, {"$set": {"deleted_at": None}})
            opened = OpenBudget(user, found["_id"], "total")
            return Operation(operation_id, updates=[restored, _turn(user)], budgets=[opened])

        await self._ledger.commit(Composed(operation_id, compose))
        return await self.find(user, number)

    async def find(self, user: str, number: int) -> ListedProject:
        """Raises `HubError` NOT_FOUND, for somebody else's and for a deleted one too."""
        found = _there(await projects.by_number(self._database, user, number))
        (listed,) = await self._listed(user, [found])
        return listed

    async def page(self, user: str, *, deleted: bool, skip: int, limit: int) -> tuple[list[ListedProject], int]:
        """A user's, newest first, and how many there are in all; or those that may be restored."""
        found, total = await projects.page(self._database, user, deleted=deleted, skip=skip, limit=limit)
        return await self._listed(user, found), total

    async def _listed(self, user: str, found: Sequence[Document]) -> list[ListedProject]:
        wallet = await wallets.wallet(self._database, user) or {}
        counted, connected = wallet.get("budgets", {}), await integrations.of_user(self._database, user)
        working = await workflows.in_projects(self._database, user, limits.WORKFLOWS_PER_USER_MAX)
        return [_listed(document, counted.get(document["_id"], _UNCOUNTED), connected, working) for document in found]


def _listed(
    document: Document, counted: Document, connected: Sequence[Document], working: Sequence[Document]
) -> ListedProject:
    both = ([each for each in some if each.get("project") == document["number"]] for some in (connected, working))
    return ListedProject(document, counted["spent"]["amount"], counted["held"], *both)


async def _check_room(transaction: Transaction, user: str) -> None:
    if await projects.count_within(transaction, user) >= assistant.PROJECTS_PER_USER_MAX:
        raise HubError(Code.CONFLICT, f"There are {assistant.PROJECTS_PER_USER_MAX} projects already")


def _turn(user: str) -> Update:
    """Those that count a user's projects see each other's outcome."""
    return in_turn(f"projects:{user}")


def _there(project: Document | None) -> Document:
    if project is None:
        raise _no_such()
    return project


def _no_such() -> HubError:
    return HubError(Code.NOT_FOUND, "No such project")
