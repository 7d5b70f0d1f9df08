"""The page at which the connection of an account at another company ends, whatever came of it. It only says so."""

from typing import Final

from handlers.access import public
from handlers.cards import Card
from handlers.routing import Route

PATH: Final = "/integrations/google"
_SAYS: Final = {
    "connected": ("Google is connected", "The hub can make spreadsheets in your Google account now."),
    "refused": ("Google is not connected", "Google did not give the hub what it needs. Allow it, and try once more."),
    "unknown": (
        "Google is not connected",
        "This connection was not begun in this browser, or too long ago. Begin once more.",
    ),
    "later": ("Not just now", "Google or the hub cannot do this at the moment. Try again in a minute."),
}


class Connected(Card):
    template = "connected.html"

    @public
    def get(self) -> None:
        """What came of it."""
        asked = self.request.query_arguments.get("result", [b""])[-1].decode(errors="replace")
        title, text = _SAYS.get(asked, _SAYS["unknown"])
        self.show(title=title, text=text)

    @public
    def head(self) -> None:
        """The same without the page."""
        self.get()


ROUTES = [Route(PATH, Connected)]
