"""One attempt at a delivery: signed for this moment, sent, and what came of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from config import outgoing
from hub.retry_after import retry_after_seconds
from hub.safe_http import HOPS, Answer, SafeHttp, Unanswered
from hub.webhooks import payloads, signatures
from models.clock import now
from models.database import Document

GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Attempt:
    """`status` is None where nothing was answered, and `error` says why. `retry_after` in seconds, where it was asked
    for.
    """

    at: datetime
    status: int | None
    duration_ms: int
    answer: str = ""
    error: str | None = None
    retry_after: float = 0.0

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def document(self) -> Document:
        """As the log keeps it."""
        return {
            "at": self.at,
            "status": self.status,
            "duration_ms": self.duration_ms,
            "answer": self.answer,
            "error": self.error,
        }


async def attempt(http: SafeHttp, endpoint: Document, delivery: Document, tries: int) -> Attempt:
    """Send a delivery once, which was tried so often before. It never raises: what goes wrong is in the attempt."""
    moment = now()
    secrets = signatures.good_secrets(endpoint, moment)
    inside = payloads.has_signature(delivery["event"], endpoint["api"])
    text, plain = signatures.signed(delivery["body"], secrets, tries, inside)
    body = text.encode()
    headers = {
        "Content-Type": "application/json",
        "X-Webhook-Signature": plain,
        **signatures.headers(delivery["webhook_id"], moment, body, secrets),
        **({HOPS: str(delivery["hops"])} if "hops" in delivery else {}),
    }
    try:
        return _answered(moment, await http.post(endpoint["url"], headers, body))
    except Unanswered as error:
        return Attempt(moment, None, error.duration_ms, error=str(error))


def _answered(moment: datetime, answer: Answer) -> Attempt:
    pause = min(retry_after_seconds(answer.retry_after) or 0.0, outgoing.WEBHOOK_RETRY_AFTER_SECONDS_MAX)
    return Attempt(moment, answer.status, answer.duration_ms, answer.text, retry_after=pause)
