"""Browser push (RFC 8030, 8291): notifications for browsers in which no page of ours is open.

    tell(user, notes) -> each browser of the user's: JSON -> encrypted for it -> signed for its push service -> SafeHttp
                              push service --whenever the browser runs--> static/sw.js shows it

A push service sees sizes and times, never the text. What it is asked for twice is shown once: the service worker gives each
notification its id as the tag, and `Topic` lets a push that still waits be replaced.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import orjson
import structlog
from pywebpush import WebPusher

from config import outgoing
from config.settings import Settings
from hub.notices.media import TellFailed
from hub.notices.push_subscriptions import PushSubscriptions
from hub.notices.vapid import Vapid, origin_of
from hub.retry_after import retry_after_seconds
from hub.safe_http import Answer, SafeHttp, Unanswered
from models import push_subscriptions as subscriptions
from models.database import Database, Document

log = structlog.get_logger(__name__)

_GONE: Final = frozenset({404, 410})
_REFUSED: Final = frozenset({400, 401, 403})
_PAGE: Final = "/"  # where a click leads, seen from the service worker
_URGENT: Final = "security"
_TOPIC_CHARS_MAX: Final = 32  # RFC 8030, 5.4


@dataclass
class _Outcome:
    """What became of one browser's pushes: which notifications it has now, whether it goes, why it is to be tried again."""

    subscription: str
    told: list[str] = field(default_factory=list)
    ended: bool = False
    failure: TellFailed | None = None


class BrowserPush:
    """One per process; a `Medium` (`hub/notices/media.py`)."""

    def __init__(self, settings: Settings, database: Database, http: SafeHttp, vapid: Vapid) -> None:
        self._database = database
        self._http = http
        self._vapid = vapid
        self.subscriptions = PushSubscriptions(settings, database, http, vapid)

    @classmethod
    async def open(cls, settings: Settings, database: Database, http: SafeHttp) -> Self:
        """With the hub's own key. Raises `DatabaseError`."""
        return cls(settings, database, http, await Vapid.open(database, settings.mail_from))

    async def tell(self, user: Document, notes: Sequence[Document]) -> None:
        """Tell a user in each of their browsers, up to `outgoing.PUSH_NOTES_MAX` notifications one by one, more in one push.

        A browser whose push service does not know it any more (404, 410) is forgotten. So is one for which our request is
        refused (400, 401, 403): its push service wants another key than ours, and would say the same for every
        notification. Should the fault have been ours, such as a clock that is wrong, nothing is lost for long: a page
        posts the subscription that its browser still has whenever it is opened.

        Raises `TellFailed` where some browser could not be told now: those that were are not told again by the next call.
        Raises `DatabaseError`.
        """
        standing = await self.subscriptions.standing(user["_id"])
        outcomes = await asyncio.gather(*(self._tell_one(each, notes) for each in standing))
        ended = [outcome.subscription for outcome in outcomes if outcome.ended]
        if ended:
            await subscriptions.remove(self._database, user["_id"], ended)
        failures = [outcome.failure for outcome in outcomes if outcome.failure is not None]
        if failures:
            for outcome in outcomes:
                if outcome.told and not outcome.ended:
                    await subscriptions.note_told(self._database, outcome.subscription, outcome.told)
            raise _together(failures)

    async def _tell_one(self, subscription: Document, notes: Sequence[Document]) -> _Outcome:
        outcome = _Outcome(subscription["_id"])
        fresh = [note for note in notes if note["_id"] not in subscription["told"]]
        try:
            async with asyncio.timeout(outgoing.PUSH_SECONDS_MAX):
                for together in _pushes(fresh):
                    await self._send(subscription, together, outcome)
                    if outcome.ended or outcome.failure:
                        break
        except TimeoutError:
            outcome.failure = TellFailed(f"{origin_of(subscription['endpoint'])}: too slow")
        return outcome

    async def _send(self, subscription: Document, notes: Sequence[Document], outcome: _Outcome) -> None:
        """One push, of one notification or of many together."""
        endpoint = subscription["endpoint"]
        try:
            answer = await self._http.post(endpoint, self._headers(endpoint, notes), _encrypted(subscription, notes))
        except Unanswered as error:
            outcome.failure = TellFailed(f"{origin_of(endpoint)}: {error}")
            return
        if 200 <= answer.status < 300:
            outcome.told += [note["_id"] for note in notes]
        elif answer.status in _GONE | _REFUSED:
            outcome.ended = True
            _log_end(subscription, answer)
        else:
            outcome.failure = _failed(endpoint, answer)

    def _headers(self, endpoint: str, notes: Sequence[Document]) -> dict[str, str]:
        urgent = any(note["category"] == _URGENT for note in notes)
        return {
            "Authorization": self._vapid.authorization(endpoint),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(outgoing.PUSH_LIFE_SECONDS),
            "Urgency": "high" if urgent else "normal",
            "Topic": notes[-1]["_id"].rpartition("_")[2][:_TOPIC_CHARS_MAX],
        }


def _pushes(notes: Sequence[Document]) -> list[Sequence[Document]]:
    """What goes in one push each."""
    if len(notes) > outgoing.PUSH_NOTES_MAX:
        return [notes]
    return [[note] for note in notes]


def _encrypted(subscription: Document, notes: Sequence[Document]) -> bytes:
    keys = {"p256dh": subscription["p256dh"], "auth": subscription["auth"]}
    pusher = WebPusher({"endpoint": subscription["endpoint"], "keys": keys})
    return bytes(pusher.encode(payload(notes), "aes128gcm")["body"])


def payload(notes: Sequence[Document]) -> bytes:
    """What the service worker gets, as JSON of at most `outgoing.PUSH_PAYLOAD_BYTES_MAX` bytes; `notes` are oldest first.

    `{id, title, body, category, url, tag}`: of many notifications the newest one's id, and the category if they share one.
    """
    newest, categories = notes[-1], {note["category"] for note in notes}
    many = len(notes) > 1
    title = f"{len(notes)} new notifications" if many else newest["title"]
    body = "\n".join(note["title"] for note in reversed(notes)) if many else newest["message"]
    told = {
        "id": newest["_id"],
        "title": _cut(title, outgoing.PUSH_TITLE_CHARS_MAX),
        "body": _cut(body, outgoing.PUSH_BODY_CHARS_MAX),
        "category": newest["category"] if len(categories) == 1 else None,
        "url": _PAGE,
        "tag": newest["_id"],
    }
    while len(encoded := orjson.dumps(told)) > outgoing.PUSH_PAYLOAD_BYTES_MAX:
        told["body"] = _cut(told["body"], len(told["body"]) // 2)
    return encoded


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else f"{text[: chars_max - 1]}…"


def _failed(endpoint: str, answer: Answer) -> TellFailed:
    return TellFailed(f"{origin_of(endpoint)} answered {answer.status}", retry_after_seconds(answer.retry_after))


def _together(failures: Sequence[TellFailed]) -> TellFailed:
    """One for all of them, with the longest pause that anybody asks for."""
    pauses = [failure.retry_after_seconds for failure in failures if failure.retry_after_seconds is not None]
    return TellFailed("; ".join(sorted({str(failure) for failure in failures})), max(pauses, default=None))


def _log_end(subscription: Document, answer: Answer) -> None:
    """Without the endpoint itself: who knows it may send to it."""
    told = {"subscription": subscription["_id"], "service": origin_of(subscription["endpoint"])}
    if answer.status in _GONE:
        log.info("push subscription ended", **told, status=answer.status)
    else:
        log.warning("push refused, subscription removed", **told, status=answer.status, text=answer.text)
