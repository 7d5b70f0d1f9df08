"""Integrations: the caller's accounts at other companies, of which Google is the one there is."""

from typing import Any, Final
from urllib.parse import urlencode

from config import assistant, limits
from handlers.access import login, public, scope
from handlers.ai_assistant.numbers import NUMBER_MAX
from handlers.base import ApiHandler
from handlers.connected import PATH as CONNECTED
from handlers.dialects import Page
from handlers.routing import Route
from handlers.smart_ai_hub.google import GoogleHandler
from handlers.terms import PAGE, Parameter, answers, asks, takes
from hub import belongings
from hub.errors import Code, HubError, invalid
from hub.fields import Choice, Input, Integer, Text
from hub.integrations.google_consent import CALLBACK
from models.clock import timestamp
from models.database import DatabaseError, Document
from models.integrations import TYPES

Json = dict[str, Any]

_TYPE: Final = Parameter(
    "integration_type", "Which of the caller's integrations", {"type": "string", "enum": list(TYPES)}, required=True
)
_TOLD: Final = tuple(Parameter(name, "As Google says it") for name in ("state", "code", "error"))


class ConnectInput(Input):
    """`redirect_uri` is the address that the code was made for; without it, the hub's own callback. It becomes a part of the
    project, where one is named.
    """

    integration_type = Choice(TYPES, required=True)
    oauth_code = Text(low=1, high=assistant.INTEGRATION_CODE_CHARS_MAX, example="4/0AX4XfWh...", required=True)
    redirect_uri = Text(low=1, high=limits.OAUTH_VALUE_CHARS_MAX, example="postmessage")
    project_id = Integer(low=1, high=NUMBER_MAX)


class All(ApiHandler):
    @scope("account:read")
    @asks(*PAGE)
    async def get(self) -> None:
        """The caller's integrations."""
        limit, offset = self.page_window()
        found = await self.services.integrations.of_user(self.caller.user_id)
        shown = [view(each) for each in found[offset : offset + limit]]
        self.answer_page("integrations", shown, Page(limit, offset, len(found)))


class Connect(ApiHandler):
    @scope("account:write")
    @takes(ConnectInput())
    async def post(self) -> None:
        """Connect an account by the code that its company gave; one that is connected already is changed."""
        given, user = self.load_body(), self.caller.user_id
        project = given.get("project_id")
        if project is not None:
            await belongings.project(self.services.database, user, project)
        made = await self.services.integrations.connect(user, given["oauth_code"], given.get("redirect_uri"), project)
        self.answer(view(made))


class OfType(ApiHandler):
    def integration_type(self) -> str:
        """Raises `HubError` INVALID."""
        kind = self.query_choice(_TYPE.name)
        if kind is None:
            raise invalid(_TYPE.name, "is required")
        return kind


class Test(OfType):
    @scope("account:write")
    @asks(_TYPE)
    async def post(self) -> None:
        """Ask the company whether the account can still be used."""
        account, writes = await self.services.integrations.test(self.caller.user_id, self.integration_type())
        details = {"account": account, "can_write_spreadsheets": writes}
        self.answer({"status": "success", "message": "Connection test successful", "details": details})


class Disconnect(OfType):
    @scope("account:write")
    @asks(_TYPE)
    async def post(self) -> None:
        """End an integration, at its company too."""
        await self.services.integrations.disconnect(self.caller.user_id, self.integration_type())
        self.answer(message="Integration disconnected successfully")


class Authorize(GoogleHandler):
    @login
    async def get(self) -> None:
        """The address of Google's consent page, for the browser that asks."""
        beginning = await self.services.integrations.begin(self.caller.user_id, self.browser)
        self.keep_browser(beginning.browser)
        self.answer({"authorization_url": beginning.address})


class Callback(GoogleHandler):
    @public
    @asks(*_TOLD)
    @answers(302, enveloped=False)
    async def get(self) -> None:
        """Where Google leads the browser back to; leads on to a page that says what came of it."""
        given = {each.name: self.query(each.name, limits.OAUTH_VALUE_CHARS_MAX) for each in _TOLD}
        result = await self._result(given["state"] or "", given["code"])
        self.redirect(f"{self.services.settings.public_url}{CONNECTED}?{urlencode({'result': result})}")

    async def _result(self, state: str, code: str | None) -> str:
        if code is None:
            return "refused"
        try:
            await self.services.integrations.finish(state, self.browser, code)
        except HubError as error:
            return {Code.FORBIDDEN: "unknown", Code.INVALID: "refused"}.get(error.code, "later")
        except DatabaseError:
            return "later"
        return "connected"


def view(integration: Document) -> Json:
    """Without what is sealed. `error` says why one that does not work has to be connected anew."""
    last_used = integration["last_used"]
    return {
        "id": integration["number"],
        "type": integration["type"],
        "name": integration["name"],
        "status": integration["status"],
        "connected_at": timestamp(integration["connected_at"]),
        "last_used": None if last_used is None else timestamp(last_used),
        "error": integration.get("error"),
        "project_id": integration.get("project"),
    }


ROUTES = [
    Route("/api/integrations", All, ("ai_assistant",)),
    Route("/api/integrations/connect", Connect, ("ai_assistant",)),
    Route("/api/integrations/test", Test, ("ai_assistant",)),
    Route("/api/integrations/disconnect", Disconnect, ("ai_assistant",)),
    Route("/api/integrations/google/authorize", Authorize, ("ai_assistant",)),
    Route(CALLBACK, Callback, ("ai_assistant",)),
]
