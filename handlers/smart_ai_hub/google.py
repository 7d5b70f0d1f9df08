"""Signing in by Google: the way out, the way back, and the exchange of its code for a login."""

from typing import Final

from config import limits
from handlers.access import public
from handlers.base import ApiHandler
from handlers.cookies import is_secure
from handlers.routing import Route
from handlers.shared.auth import union_logged_in
from handlers.terms import Parameter, answers, asks, takes
from hub.fields import Input, Text
from hub.profile_fields import SecondCode

_PASSED_CHARS_MAX: Final = 255
_SECOND: Final = "two_factor_code"


class ExchangeInput(Input):
    """`two_factor_code` is of the second factor, for who has one."""

    code = Text(low=1, high=limits.ONE_TIME_CHARS_MAX, required=True)
    two_factor_code = SecondCode()


_ASKED: Final = (
    Parameter("redirect_uri", "Where the browser is led in the end"),
    Parameter("state", "Comes back with it, as it is"),
)
_TOLD: Final = tuple(Parameter(name, "As Google says it") for name in ("state", "code", "error"))


class Methods(ApiHandler):
    @public
    def get(self) -> None:
        """How one may sign in here."""
        self.answer({"password": True, "google": self.services.google.configured})


class GoogleHandler(ApiHandler):
    """Knows the cookie by which the browser that comes back is told from any other."""

    @property
    def _cookie(self) -> str:
        return "__Host-oauth_state" if is_secure(self) else "oauth_state"

    @property
    def browser(self) -> str:
        return self.get_cookie(self._cookie) or ""

    def keep_browser(self, secret: str) -> None:
        """`Lax`, because Google's page is what sends the browser back. It ends by itself: another tab may need it still."""
        self.set_cookie(
            self._cookie,
            secret,
            path="/",
            max_age=limits.OAUTH_STATE_SECONDS,
            httponly=True,
            samesite="Lax",
            secure=is_secure(self),
        )


class Begin(GoogleHandler):
    @public
    @asks(*_ASKED)
    @answers(302, enveloped=False)
    async def get(self) -> None:
        """Lead the browser to Google, to sign in there."""
        redirect = self.query("redirect_uri", limits.OAUTH_VALUE_CHARS_MAX)
        passed = self.query("state", _PASSED_CHARS_MAX)
        beginning = await self.services.google.begin(redirect, passed, self.browser)
        self.keep_browser(beginning.browser)
        self.redirect(beginning.address)


class Callback(GoogleHandler):
    @public
    @asks(*_TOLD)
    @answers(302, enveloped=False)
    async def get(self) -> None:
        """Where Google leads the browser back to; leads on to where it began."""
        given = {each.name: self.query(each.name, limits.OAUTH_VALUE_CHARS_MAX) for each in _TOLD}
        address = await self.services.google.finish(given["state"] or "", self.browser, given["code"], given["error"])
        self.redirect(address)


class Exchange(GoogleHandler):
    @public
    @takes(ExchangeInput())
    async def post(self) -> None:
        """The code that came by the redirect for a login, once; who has a second factor shows it here."""
        given = self.load_body()
        second = given.get(_SECOND)
        result = await self.services.google.exchange(given["code"], self.browser, second, _SECOND)
        union_logged_in(self, result, "Login successful")


ROUTES = [
    Route("/api/auth/methods", Methods, ("smart_ai_hub",)),
    Route("/api/auth/google", Begin, ("smart_ai_hub",), "auth"),
    Route("/api/auth/google/callback", Callback, ("smart_ai_hub",), "auth"),
    Route("/api/auth/google/exchange", Exchange, ("smart_ai_hub",), "auth"),
]
