"""`/api/projects`: a user's projects, each with an AI model and a budget of its own; deleted ones can be restored.

API keys may read them; whoever changes one says what its answers may cost, which takes the permission to administrate the
account.
"""

from collections.abc import Mapping
from typing import Any

from config import assistant
from handlers.access import scope
from handlers.ai_assistant import integrations, workflow_views
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.numbers import NUMBER, number_of
from handlers.routing import Route
from handlers.terms import PAGE, answers, asks, flag, takes
from hub import amounts, fields
from hub.prices import credits_number
from hub.projects import ListedProject, NewProject
from models.clock import timestamp

Json = dict[str, Any]
_DELETED = flag("deleted", "Those that were deleted, and can be restored, instead of those that were not")
# Each setting as this API calls it, and in a project's document.
_SETTINGS: Mapping[str, str] = {"default_model": "default_model", "budget_limit": "budget_micro"}


class SettingsInput(fields.Input):
    """`budget_limit` is in credits, in all; null is none."""

    default_model = fields.Text(low=1, high=100, allow_none=True, example="gpt-4")
    budget_limit = amounts.Credits(allow_none=True)


def _name(**kwargs: Any) -> fields.Line:
    return fields.Line(low=1, high=assistant.PROJECT_NAME_CHARS_MAX, **kwargs)


def _description(**kwargs: Any) -> fields.Text:
    return fields.Text(high=assistant.PROJECT_DESCRIPTION_CHARS_MAX, **kwargs)


class NewProjectInput(fields.Input):
    name = _name(required=True)
    description = _description(load_default="")
    settings = fields.Nested(SettingsInput, load_default={})


class ProjectInput(fields.Change):
    name = _name()
    description = _description()
    settings = fields.Nested(SettingsInput)


class Projects(ApiHandler):
    @scope("ai:read")
    @asks(*PAGE, _DELETED)
    async def get(self) -> None:
        """The caller's projects, newest first."""
        (limit, offset), deleted = fields.together(self.page_window, lambda: self.query_flag(_DELETED.name))
        user = self.caller.user_id
        found, total = await self.services.projects.page(user, deleted=deleted, skip=offset, limit=limit)
        self.answer_page("projects", [_listed(project) for project in found], Page(limit, offset, total))

    @scope("account:write")
    @takes(NewProjectInput())
    @answers(201)
    async def post(self) -> None:
        """Make a project."""
        given = self.load_body(self.services.projects.check_settings)
        wanted = NewProject(given["name"], given["description"], _stored(given["settings"]))
        self.answer(_listed(await self.services.projects.create(self.caller.user_id, wanted)))


class Project(ApiHandler):
    @scope("ai:read")
    async def get(self, project_id: str) -> None:
        """One project, with what it holds and what its answers have cost."""
        found = await self.services.projects.find(self.caller.user_id, _number(project_id))
        self.answer(_shown(found))

    @scope("account:write")
    @takes(ProjectInput())
    async def put(self, project_id: str) -> None:
        """Change a project; a budget holds from the next request on."""
        given = self.load_body(self.services.projects.check_settings)
        settings = {f"settings.{name}": value for name, value in _stored(given.pop("settings", {})).items()}
        number = _number(project_id)
        self.answer(_shown(await self.services.projects.change(self.caller.user_id, number, {**given, **settings})))

    @scope("account:write")
    async def delete(self, project_id: str) -> None:
        """Delete a project; it can be restored."""
        number = _number(project_id)
        await self.services.projects.delete(self.caller.user_id, number)
        self.answer({"id": number}, message="Project deleted successfully")


class Restored(ApiHandler):
    @scope("account:write")
    async def post(self, project_id: str) -> None:
        """Take a project's deletion back; its budget goes on with what was spent."""
        self.answer(_shown(await self.services.projects.restore(self.caller.user_id, _number(project_id))))


def _number(project_id: str) -> int:
    return number_of(project_id, "project")


def _stored(settings: Mapping[str, Any]) -> Json:
    """The settings that are given, as they are stored."""
    return {_SETTINGS[name]: value for name, value in settings.items()}


def _fields(project: ListedProject) -> Json:
    """What a project is by itself, wherever it is shown."""
    document = project.document
    deleted_at, limit = document["deleted_at"], document["settings"]["budget_micro"]
    return {
        "id": document["number"],
        "name": document["name"],
        "description": document["description"],
        "created_at": timestamp(document["created_at"]),
        "updated_at": timestamp(document["updated_at"]),
        "deleted_at": None if deleted_at is None else timestamp(deleted_at),
        "settings": {
            "default_model": document["settings"]["default_model"],
            "budget_limit": None if limit is None else credits_number(limit),
        },
    }


def _listed(project: ListedProject) -> Json:
    return {
        **_fields(project),
        "workflow_count": len(project.workflows),
        "integration_count": len(project.integrations),
        "credits_used": credits_number(project.spent),
        "credits_held": credits_number(project.held),
    }


def _shown(project: ListedProject) -> Json:
    """`credits_held` is what running answers have reserved, of which they use what they cost."""
    stats = {
        "total_workflows": len(project.workflows),
        "total_executions": sum(each["execution_count"] for each in project.workflows),
        "credits_used": credits_number(project.spent),
        "credits_held": credits_number(project.held),
    }
    working = [workflow_views.listed(each) for each in project.workflows]
    connected = [integrations.view(each) for each in project.integrations]
    return {**_fields(project), "workflows": working, "integrations": connected, "stats": stats}


ROUTES = (
    Route("/api/projects", Projects, ("ai_assistant",)),
    Route(f"/api/projects/{NUMBER}", Project, ("ai_assistant",)),
    Route(f"/api/projects/{NUMBER}/restore", Restored, ("ai_assistant",)),
)
