"""Sign-up, sign-in, sign-out and "who am I", shared by three APIs.

The address decides the form, then the cookie; who signs in has neither, so that answer is the union of all three.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, Final

from marshmallow import validates_schema

from config import limits
from handlers import user_views
from handlers.access import login, public, scope
from handlers.ai_playground.api_keys import key_view
from handlers.base import ApiHandler
from handlers.cookies import clear_cookie, set_cookie
from handlers.credentials import credential_of
from handlers.routing import Route
from handlers.terms import answers, takes
from hub import quotas
from hub.errors import HubError, invalid
from hub.fields import Input, failure
from hub.identity import LoginResult, Registration
from hub.passwords import check_composition
from hub.profile_fields import Email, NewPassword, Password, PersonName, SecondCode, Username
from models.clock import now, timestamp

Json = dict[str, Any]


class LoginInput(Input):
    """`code` is of the second factor, for who has one: six digits, or a recovery code."""

    email = Email(required=True)
    password = Password(required=True)
    code = SecondCode()


class RegisterInput(Input):
    email = Email(required=True)
    password = NewPassword(required=True)
    firstName = PersonName(load_default="")
    lastName = PersonName(load_default="")
    username = Username(load_default=None, allow_none=False)  # else null would be taken

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _composition(self, data: Mapping[str, Any], original: Any, **kwargs: Any) -> None:
        """Who chooses a username, a wrong one too, is held to the AI Playground's rule."""
        if "password" in data and "username" in original:
            try:
                check_composition(data["password"])
            except HubError as error:
                raise failure(error) from None


class Register(ApiHandler):
    @public
    @takes(RegisterInput())
    @answers(201)
    async def post(self) -> None:
        """Sign up; with a username at the AI Playground."""
        given = self.load_body(self._check_username)
        result = await self.services.identities.register(registration(given, self.address))
        _LOGGED_IN[self.dialect.name](self, result, "User registered successfully")

    def _check_username(self, given: Mapping[str, Any]) -> None:
        is_missing = "username" in given and given["username"] is None  # a wrong one does not stand here at all
        if self.dialect.username_required and is_missing:
            raise invalid("username", "is required")


def registration(given: Mapping[str, Any], address: str) -> Registration:
    """Who signs up from an address, by what `RegisterInput` loaded."""
    return Registration(
        email=given["email"],
        password=given["password"],
        username=given["username"],
        first_name=given["firstName"],
        last_name=given["lastName"],
        address=address,
    )


class Login(ApiHandler):
    @public
    @takes(LoginInput())
    async def post(self) -> None:
        """Sign in by address and password."""
        given = self.load_body()
        device = credential_of(self.request)
        login = self.services.identities.login
        result = await login(given["email"], given["password"], self.address, device, given.get("code"))
        _LOGGED_IN[self.dialect.name](self, result, "Login successful")


class Logout(ApiHandler):
    @login
    async def post(self) -> None:
        """End this login: its tokens, its sockets and its running answers."""
        await self.services.identities.logout(self.caller)
        clear_cookie(self)
        self.answer(message="Logout successful", extra={"timestamp": timestamp(now())})


class Me(ApiHandler):
    limit_classes: ClassVar[Mapping[str, str]] = {"ai_playground": "auth"}

    @scope("account:read")
    async def get(self) -> None:
        """Who is asking, with the fields of all APIs."""
        self.renew_cookie()
        self.answer(await _ME[self.dialect.name](self))


def union_logged_in(handler: ApiHandler, result: LoginResult, message: str) -> None:
    """Smart AI Hub's `data`, with AI Playground's fields in it and AI Assistant's beside it."""
    set_cookie(handler, result.cookie)
    beside = {"timestamp": timestamp(now()), **user_views.assistant_login(result)}
    handler.answer(user_views.union_login(result), message=message, extra=beside)


def _playground_logged_in(handler: ApiHandler, result: LoginResult, message: str) -> None:
    handler.answer(user_views.playground_login(result), message=message)


def _assistant_logged_in(handler: ApiHandler, result: LoginResult, message: str) -> None:
    set_cookie(handler, result.cookie)
    handler.answer(user_views.assistant_login(result))


_LOGGED_IN: Final[dict[str, Callable[[ApiHandler, LoginResult, str], None]]] = {
    "smart_ai_hub": union_logged_in,
    "ai_playground": _playground_logged_in,
    "ai_assistant": _assistant_logged_in,
}


async def _union_me(handler: ApiHandler) -> Json:
    return {**user_views.hub_profile(handler.caller.user), **await _playground_me(handler)}


async def _playground_me(handler: ApiHandler) -> Json:
    services, user = handler.services, handler.caller.user
    quota = await quotas.usage(services.database, services.plans, user)
    return user_views.playground_profile(user, quota, await _keys_of(handler))


async def _keys_of(handler: ApiHandler) -> list[Json]:
    """All of the caller's; who asks by one of them sees that alone, since keys list no keys."""
    asking = handler.caller
    if asking.key_id is not None:
        return [key_view(await handler.services.api_keys.find(asking.user_id, asking.key_id))]
    found, _ = await handler.services.api_keys.page(asking.user_id, skip=0, limit=limits.KEYS_PER_USER_MAX)
    return [key_view(key) for key in found]


async def _assistant_me(handler: ApiHandler) -> Json:
    return user_views.assistant_profile(handler.caller.user)


_ME: Final[dict[str, Callable[[ApiHandler], Awaitable[Json]]]] = {
    "smart_ai_hub": _union_me,
    "ai_playground": _playground_me,
    "ai_assistant": _assistant_me,
}

ROUTES = [
    Route("/api/auth/register", Register, ("smart_ai_hub", "ai_playground"), "auth"),
    Route("/api/auth/login", Login, ("smart_ai_hub", "ai_playground", "ai_assistant"), "auth"),
    Route("/api/auth/logout", Logout, ("smart_ai_hub", "ai_playground"), "auth"),
    Route("/api/auth/me", Me, ("smart_ai_hub", "ai_playground", "ai_assistant")),
]
