"""POST /api/auth/refresh: a refresh token for a new pair, once."""

from config import limits
from handlers import user_views
from handlers.access import public
from handlers.base import ApiHandler
from handlers.routing import Route
from handlers.terms import takes
from hub.fields import Input, Text


class RefreshInput(Input):
    refreshToken = Text(low=1, high=limits.ACCESS_TOKEN_CHARS_MAX, required=True)


class Refresh(ApiHandler):
    @public
    @takes(RefreshInput())
    async def post(self) -> None:
        """A refresh token for a new pair, once."""
        given = self.load_body()
        result = await self.services.identities.refresh(given["refreshToken"])
        self.answer(user_views.union_login(result))


ROUTES = [Route("/api/auth/refresh", Refresh, ("smart_ai_hub",), "auth")]
