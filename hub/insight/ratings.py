"""What users think of answers: a thumb up or down, one for each answer, changed and withdrawn at will.

    rate() --> nothing to change: told at once
           --> one operation: the message's `rating`, its model's votes of its day, the event `chat.rated`

The operation is made inside the transaction that writes it, so that the votes are always the sum of the messages', however
often and from how many tabs one votes at once.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from hub.errors import Code, HubError
from hub.ledger import Ledger
from hub.operations import Composed, NewEvent, Operation, Update
from hub.throttle import Throttle
from models import conversations, model_days
from models.conversations import MESSAGES
from models.database import Database, Document, Transaction
from models.ids import new_id

Rating = Literal["up", "down"]
RATINGS: Final[tuple[Rating, Rating]] = ("up", "down")


class Ratings:
    """One per process."""

    def __init__(self, database: Database, ledger: Ledger, throttle: Throttle) -> None:
        self._database = database
        self._ledger = ledger
        self._throttle = throttle

    async def rate_message(self, user: str, message: str, rating: Rating | None) -> Document:
        """`{message_id, stream_id, conversation_id, rating}` as it then stands; None withdraws.

        Raises `HubError`: NOT_FOUND (others' answers do not exist), CONFLICT for an answer that is still being written or of
        which nothing came, RATE_LIMITED, UNAVAILABLE, OUTCOME_UNKNOWN.
        """
        return await self._rate(user, {"_id": {"$eq": message}}, rating)

    async def rate_stream(self, user: str, stream: str, rating: Rating | None) -> Document:
        """The same of the answer that a stream became."""
        return await self._rate(user, {"stream": {"$eq": stream}}, rating)

    async def _rate(self, user: str, query: Mapping[str, Any], rating: Rating | None) -> Document:
        """An operation that is composed stands alone in its commit: what changes nothing, or comes too often, makes none."""
        standing = _rateable(await conversations.answer(self._database, user, query))
        if standing.get("rating") == rating:
            return _told(standing, rating)
        await self._throttle.rated(user)
        rated: list[Document] = []

        async def compose(transaction: Transaction) -> Operation:
            answer = await conversations.answer_within(transaction, user, query)
            rated[:] = [_told(_rateable(answer), rating)]
            return _operation(_rateable(answer), user, rating, rated[0])

        await self._ledger.commit(Composed(new_id("rate"), compose))
        return rated[0]


def _rateable(answer: Document | None) -> Document:
    if answer is None:
        raise HubError(Code.NOT_FOUND, "No such answer")
    if answer["status"] == "streaming":
        raise HubError(Code.CONFLICT, "This answer is still being written")
    if not answer.get("lengths"):
        raise HubError(Code.CONFLICT, "Nothing came of this answer")
    return answer


def _told(answer: Document, rating: Rating | None) -> Document:
    return {
        "message_id": answer["_id"],
        "stream_id": answer["stream"],
        "conversation_id": answer["conversation"],
        "rating": rating,
    }


def _operation(answer: Document, user: str, rating: Rating | None, told: Document) -> Operation:
    """Nothing where nothing changes."""
    before = answer.get("rating")
    if before == rating:
        return Operation(new_id("rate"))
    votes: dict[str, int] = {name: (name == rating) - (name == before) for name in RATINGS}
    kept = {"$unset": {"rating": ""}} if rating is None else {"$set": {"rating": rating}}
    query, change = model_days.voted(answer["model"], answer["created_at"], votes)
    return Operation(
        new_id("rate"),
        updates=[
            Update(MESSAGES, {"_id": answer["_id"]}, kept),
            Update(model_days.MODEL_DAYS, query, change, upsert=True),
        ],
        events=[NewEvent(user, "chat.rated", told)],
    )
