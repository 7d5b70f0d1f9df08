"""What the hub says of its own API: the OpenAPI document, the Postman collection, and the page that shows the former.

Each document is made when it is first asked for, and kept as bytes: it changes only with the code. Who has it already is
told so by its hash.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import orjson
from tornado.web import RequestHandler

from handlers.access import public
from handlers.dialects import Json
from handlers.openapi import document
from handlers.pages import HEADERS, Page, given
from handlers.postman import collection
from handlers.routing import Route

OPENAPI: Final = "/openapi.json"
POSTMAN: Final = "/docs/postman-collection.json"
_HEADERS: Final = {
    **HEADERS,
    "Content-Type": "application/json",
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Access-Control-Allow-Origin": "*",
}


class Made:
    """One document as it is sent, made by `make` from the address of the hub."""

    def __init__(self, make: Callable[[str], Json]) -> None:
        self._make = make
        self._made: dict[str, tuple[bytes, str]] = {}

    def at(self, public_url: str) -> tuple[bytes, str]:
        """The bytes, and what tells them from any others."""
        if public_url not in self._made:
            text = orjson.dumps(self._make(public_url))
            self._made = {public_url: (text, f'"{hashlib.sha256(text).hexdigest()}"')}
        return self._made[public_url]


class ApiDocument(RequestHandler):
    """A document for programs, on any site."""

    def initialize(self, made: Made) -> None:
        self._body, self._etag = made.at(self.settings["public_url"])

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    @public
    def get(self) -> None:
        self.finish(self._body)

    @public
    def head(self) -> None:
        self.get()

    def compute_etag(self) -> str:
        return self._etag


def routes(folder: Path, described: Sequence[Route]) -> list[Route]:
    """`described` are the routes of the APIs."""
    page = given(folder / "api.html")
    openapi = Made(lambda _: document(described, "/"))
    postman = Made(lambda public_url: collection(document(described, "/"), public_url))
    return [
        Route("/api", Page, extra=page),
        Route("/api/", Page, extra=page),
        Route(OPENAPI, ApiDocument, extra={"made": openapi}),
        Route(POSTMAN, ApiDocument, extra={"made": postman}),
    ]
