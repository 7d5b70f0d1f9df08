"""POST /api/auth/refresh: a refresh token for a new pair, once."""

from config import limits
from handlers import user_views
from handlers.access import public
from handlers.base import ApiHandler
from handlers.routing import Route
from hub.fields import Input, Text


class RefreshInput(Input):
    refreshToken = Text(low=1, high=limits.ACCESS_TOKEN_CHARS_MAX, required=True)


_REFRESH = RefreshInput()


class Refresh(ApiHandler):
    @public
    async def post(self) -> None:
        given = self.load(_REFRESH)
        result = await self.services.identities.refresh(given["refreshToken"])
        self.answer(user_views.union_login(result))


ROUTES = [Route("/api/auth/refresh", Refresh, ("smart_ai_hub",), "auth")]
