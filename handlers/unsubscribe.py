"""The page behind a letter's link that ends mails of its kind; mail programs post to the same address (RFC 8058).

A GET changes nothing, for the scanners of mail servers follow links; the POST does, whoever sends it: the link's token is
all that it takes, no cookie counts, and its body is not looked at.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from tornado.web import stream_request_body

from config import limits
from handlers.access import public
from handlers.cards import Card
from handlers.routing import Route
from hub.errors import HubError
from hub.notices.unsubscribe import ALL, Unsubscribing
from models.database import DatabaseError

if TYPE_CHECKING:
    from handlers.application import HubApplication


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page says; `asks` gives it the button."""

    title: str
    text: str
    note: str = ""
    asks: bool = False


_BAD_LINK: Final = Shown(
    "This link does not work",
    "It is not one that the hub has mailed, or not all of it. Nothing has changed: open the link from the mail once more.",
)
_AWAY: Final = Shown(
    "Not just now", "The hub cannot do this at the moment. Nothing has changed: try again in a minute."
)


@stream_request_body
class Unsubscribe(Card):
    """Takes any body, as mail programs send forms of either kind, and drops it."""

    template = "unsubscribe.html"

    def data_received(self, chunk: bytes) -> None:
        pass

    @public
    def get(self) -> None:
        """Ask whether mails of this kind are to end."""
        try:
            _, what = self._unsubscribing.named(self._token())
        except HubError:
            self._show(_BAD_LINK, 400)
            return
        self._show(_question(what))

    @public
    def head(self) -> None:
        """The same without the page."""
        self.get()

    @public
    async def post(self) -> None:
        """End mails of this kind."""
        try:
            what = await self._unsubscribing.switch_off(self._token())
        except HubError:
            self._show(_BAD_LINK, 400)
        except DatabaseError:
            self.set_header("Retry-After", str(int(limits.UNAVAILABLE_RETRY_SECONDS)))
            self._show(_AWAY, 503)
        else:
            self._show(_done(what))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self._show(_BAD_LINK if status_code < 500 else _AWAY, status_code)

    @property
    def _unsubscribing(self) -> Unsubscribing:
        return cast("HubApplication", self.application).services.notices.unsubscribing

    def _token(self) -> str:
        return self.request.query_arguments.get("token", [b""])[-1].decode(errors="replace")

    def _show(self, shown: Shown, status: int = 200) -> None:
        self.show(status, **asdict(shown))


def _mails(what: str) -> str:
    return "mails of notifications" if what == ALL else f"mails about {what}"


def _question(what: str) -> Shown:
    note = "What you see in the hub itself stays as it is, and so do the mails that your account's safety needs."
    return Shown("Stop these mails?", f"You would get no more {_mails(what)}.", note, asks=True)


def _done(what: str) -> Shown:
    note = (
        "To have them again, sign in and switch them on in your notification settings. Mails that your account's safety "
        "needs, such as a link for a new password, still come."
    )
    return Shown("These mails have stopped", f"You get no more {_mails(what)}.", note)


ROUTES = [Route("/unsubscribe", Unsubscribe)]
