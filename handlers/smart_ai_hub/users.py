"""GET /api/users/me: the caller's profile."""

from handlers import user_views
from handlers.access import user
from handlers.base import ApiHandler
from handlers.routing import Route


class CurrentUser(ApiHandler):
    @user
    def get(self) -> None:
        self.renew_cookie()
        self.answer(user_views.hub_profile(self.caller.user))


ROUTES = [Route("/api/users/me", CurrentUser, ("smart_ai_hub",))]
