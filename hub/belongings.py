"""What a request for an answer belongs to: a kept conversation, a project, both or neither.

    project_id named ------------------> that project         conversation of a project --> the same, unnamed

A request without both costs no read; a project is read once. Nothing is written here: the project's budget counts at the
hold (`hub/budgets.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.budgets import Budget
from hub.chat_request import DEFAULT_MODEL, ChatRequest
from hub.errors import Code, HubError, invalid
from models import conversations, projects
from models.database import Database, Document


@dataclass(frozen=True, slots=True)
class Belonging:
    """The documents of what a request belongs to."""

    conversation: Document | None = None
    project: Document | None = None

    def model_for(self, request: ChatRequest) -> str:
        """The AI model that is asked: the request's own, the conversation's last, the project's, or that of the hub."""
        if request.model is None and self.conversation is not None:
            return str(self.conversation["model"])
        default = DEFAULT_MODEL if self.project is None else self.project["settings"]["default_model"] or DEFAULT_MODEL
        return request.model or default

    @property
    def budgets(self) -> Sequence[Budget]:
        """The project's; without a limit it is counted all the same."""
        if (project := self.project) is None:
            return ()
        return (Budget(project["_id"], project["settings"]["budget_micro"], "total", project["number"]),)


async def of(database: Database, user: str, request: ChatRequest) -> Belonging:
    """Raises `HubError`: NOT_FOUND for a conversation or a project that this user has not, or that was deleted; INVALID for
    a project that is not the conversation's.
    """
    conversation = await _conversation(database, user, request.conversation)
    number = request.project
    if conversation is not None:
        number = conversation.get("project")
        if request.project not in (None, number):
            raise _of_another(number, request.project)
    return Belonging(conversation, None if number is None else await project(database, user, number))


async def _conversation(database: Database, user: str, conversation_id: str | None) -> Document | None:
    if conversation_id is None:
        return None
    found = await conversations.conversation(database, user, conversation_id)
    if found is None:
        raise HubError(Code.NOT_FOUND, "No such conversation")
    return found


def _of_another(number: int | None, named: int | None) -> HubError:
    whose = "no project" if number is None else f"project {number}"
    return invalid("project_id", f"the conversation belongs to {whose}", named)


async def project(database: Database, user: str, number: int) -> Document:
    """A user's project. Raises `HubError` NOT_FOUND, for a deleted one too."""
    found = await projects.by_number(database, user, number)
    if found is None:
        raise HubError(Code.NOT_FOUND, "No such project")
    return found
