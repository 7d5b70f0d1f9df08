"""Integrations: the caller's accounts at other companies: Google's, and bots at Telegram."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from config import assistant, limits
from config import workflows as workflow_limits
from handlers.access import login, public, scope
from handlers.base import ApiHandler
from handlers.connected import PATH as CONNECTED
from handlers.dialects import Page
from handlers.numbers import NUMBER_MAX
from handlers.routing import Route
from handlers.smart_ai_hub.google import GoogleHandler
from handlers.terms import PAGE, Parameter, answers, asks, takes
from hub import belongings
from hub.errors import Code, FieldError, HubError, invalid
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
# What each type is connected by: what it needs, and what it may have.
_CREDENTIALS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "google": ("oauth_code", ("redirect_uri",)),
    "telegram": ("bot_token", ("chat_id",)),
}


class ConnectInput(Input):
    """Of Google, `redirect_uri` is the address that the code was made for; without it, the hub's own callback. Of Telegram,
    `chat_id` is the chat that the bot writes to and hears of. It becomes a part of the project, where one is named.
    """

    integration_type = Choice(TYPES, required=True)
    oauth_code = Text(low=1, high=assistant.INTEGRATION_CODE_CHARS_MAX, example="4/0AX4XfWh...")
    redirect_uri = Text(low=1, high=limits.OAUTH_VALUE_CHARS_MAX, example="postmessage")
    bot_token = Text(low=1, high=assistant.INTEGRATION_CODE_CHARS_MAX, example="123456:ABC-DEF")
    chat_id = Text(
        low=1,
        high=workflow_limits.LABEL_CHARS_MAX,
        pattern="-?[0-9]{1,20}|@[A-Za-z0-9_]+",
        says="must be a chat's number, or its public name with an @",
        example="123456789",
    )
    project_id = Integer(low=1, high=NUMBER_MAX)


def _check_credentials(given: Mapping[str, Any]) -> None:
    """Raises `HubError` INVALID where what a type is connected by is missing, or another type's is there."""
    kind = given["integration_type"]
    needed, allowed = _CREDENTIALS[kind]
    known = {name for needs, may in _CREDENTIALS.values() for name in (needs, *may)}
    failures = [FieldError(name, f"is not for {kind}") for name in sorted(known & set(given) - {needed, *allowed})]
    if needed not in given:
        failures.append(FieldError(needed, "is required"))
    if failures:
        raise HubError(Code.INVALID, f"{failures[0].field}: {failures[0].message}", failures)


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
        """Connect an account by the code or token that its company gave; one that is connected already is changed."""
        given, user, all_types = self.load_body(), self.caller.user_id, self.services.integrations
        _check_credentials(given)
        project = given.get("project_id")
        if project is not None:
            await belongings.project(self.services.database, user, project)
        made = await all_types.connect(user, given["integration_type"], given, project)
        self.answer({**view(made), "webhook_url": all_types.webhook_url(made)})


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
        details = await self.services.integrations.test(self.caller.user_id, self.integration_type())
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
        beginning = await self.services.integrations.google.begin(self.caller.user_id, self.browser)
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
            await self.services.integrations.google.finish(state, self.browser, code)
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
        **({"chat_id": integration["chat_id"]} if "chat_id" in integration else {}),
    }


ROUTES = [
    Route("/api/integrations", All, ("ai_assistant",)),
    Route("/api/integrations/connect", Connect, ("ai_assistant",)),
    Route("/api/integrations/test", Test, ("ai_assistant",)),
    Route("/api/integrations/disconnect", Disconnect, ("ai_assistant",)),
    Route("/api/integrations/google/authorize", Authorize, ("ai_assistant",)),
    Route(CALLBACK, Callback, ("ai_assistant",)),
]
