"""`POST /api/history/messages/{id}/rating`: what the caller thinks of an answer."""

from handlers.access import scope
from handlers.base import ApiHandler
from handlers.routing import Route
from handlers.terms import takes
from hub.errors import Code
from hub.fields import Choice, Input
from hub.insight.ratings import RATINGS


class RatingInput(Input):
    rating = Choice(RATINGS, required=True, allow_none=True, example="up")


class Rating(ApiHandler):
    """One vote for each answer, which a later one replaces."""

    refuses = (Code.CONFLICT,)

    @scope("ai:write")
    @takes(RatingInput())
    async def post(self, message_id: str) -> None:
        """Think well or ill of one's own answer; null withdraws that."""
        rating = self.load_body()["rating"]
        self.answer(await self.services.insight.ratings.rate_message(self.caller.user_id, message_id, rating))


ROUTES = [Route("/api/history/messages/([A-Za-z0-9_]{1,64})/rating", Rating, ("ai_assistant",))]
