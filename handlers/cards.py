"""Pages of one card that are written here, for who follows a link from elsewhere: a title, a sentence, perhaps a form.

`handlers/templates/card.html` is what they share; each fills its block.
"""

from pathlib import Path
from typing import Any, ClassVar, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from tornado.web import RequestHandler

from handlers.pages import HEADERS, content_security_policy

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
_HEADERS: Final = {
    **HEADERS,
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": content_security_policy(b""),
    "Referrer-Policy": "no-referrer",  # the address may be a secret
    "Cache-Control": "no-store",
}


class Card(RequestHandler):
    """One such page; `template` is its file."""

    template: ClassVar[str]

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def show(self, status: int = 200, **says: Any) -> None:
        """Answer with the page; every name that its template has must be given."""
        self.set_status(status)
        self.finish(_TEMPLATES.get_template(self.template).render(says))
