"""The page at which the connection of an account at another company ends, whatever came of it. It only says so."""

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from tornado.web import RequestHandler

from handlers.access import public
from handlers.pages import HEADERS, content_security_policy
from handlers.routing import Route

PATH: Final = "/integrations/google"
_PAGE: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
).get_template("connected.html")
_HEADERS: Final = {
    **HEADERS,
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": content_security_policy(b""),
    "Cache-Control": "no-cache",
}
_SAYS: Final = {
    "connected": ("Google is connected", "The hub can make spreadsheets in your Google account now."),
    "refused": ("Google is not connected", "Google did not give the hub what it needs. Allow it, and try once more."),
    "unknown": (
        "Google is not connected",
        "This connection was not begun in this browser, or too long ago. Begin once more.",
    ),
    "later": ("Not just now", "Google or the hub cannot do this at the moment. Try again in a minute."),
}


class Connected(RequestHandler):
    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    @public
    def get(self) -> None:
        """What came of it."""
        asked = self.request.query_arguments.get("result", [b""])[-1].decode(errors="replace")
        title, text = _SAYS.get(asked, _SAYS["unknown"])
        self.finish(_PAGE.render(title=title, text=text))

    @public
    def head(self) -> None:
        """The same without the page."""
        self.get()


ROUTES = [Route(PATH, Connected)]
