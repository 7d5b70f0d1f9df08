"""What a page says outside of its endpoints: how one signs in, where the API is served, and statuses of all endpoints."""

import re
from collections.abc import Iterable
from typing import Final

from config import assistant as bounds
from hub.analyser.description import Scheme
from hub.analyser.markdown_blocks import Code
from hub.analyser.markdown_code import headers_of
from hub.analyser.taking import Taking

_ABOUT_SIGNING_IN: Final = re.compile(r"auth|sign.?in|log.?in|security|аутентиф|авториз", re.IGNORECASE)
_ABOUT_SERVERS: Final = re.compile(r"base ur[li]|^servers?$|^hosts?$|базовый", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9._~:/@%{}-]{1,300}")
_STATUSES: Final = re.compile(r"(?<![\d.,])(401|429)(?![\d.,]\d|\d)")

# Ways to sign in by the words of prose about it; a way that the page turns down is none.
_WORDS: Final = {
    "bearer": re.compile(r"(?<!not )\b(?:bearer|jwt|json web token)", re.IGNORECASE),
    "basic": re.compile(r"(?<!not )\b(?:http )?basic auth", re.IGNORECASE),
    "api_key": re.compile(r"(?<!not )\bapi[ _-]?(?:key|ключ)", re.IGNORECASE),
    "cookie": re.compile(r"(?<!not )\bcookie", re.IGNORECASE),
    "oauth2": re.compile(r"(?<!not )\boauth", re.IGNORECASE),
}
_BY_HEADER: Final = re.compile(r"(bearer|basic|digest)\b", re.IGNORECASE)
_KEY_HEADERS: Final = ("x-api-key", "api-key", "x-auth-token")


def way_of(header: str, value: str) -> str:
    """The way to sign in that a request's header shows, or none."""
    if header == "authorization":
        found = _BY_HEADER.match(value)
        return found[1].lower() if found else "api_key"
    if header in _KEY_HEADERS:
        return "api_key"
    return "cookie" if header == "cookie" else ""


class Signs:
    """What has been seen so far; `schemes` and `servers` in the order in which they were."""

    def __init__(self, taking: Taking) -> None:
        self._taking = taking
        self.schemes: dict[str, Scheme] = {}
        self.servers: list[str] = []
        self.statuses: set[str] = set()

    def look_at(self, text: str, headings: list[str]) -> None:
        """A line, a heading, or a row of a table."""
        self.statuses |= set(_STATUSES.findall(text))
        if any(map(_ABOUT_SIGNING_IN.search, headings)):
            self._see(way for way, words in _WORDS.items() if words.search(text))
        if _ABOUT_SERVERS.search(text) or (headings and _ABOUT_SERVERS.search(headings[-1])):
            self._serve(text)

    def look_at_code(self, code: Code, headings: list[str]) -> None:
        """Headers that show how one signs in; and addresses, where the section is about them."""
        self._see(way for name, value in headers_of(code.text) if (way := way_of(name, value)))
        if any(map(_ABOUT_SIGNING_IN.search, headings)) and _WORDS["api_key"].search(code.text):
            self._see(["api_key"])
        if headings and _ABOUT_SERVERS.search(headings[-1]):
            self._serve(code.text)

    def _see(self, ways: Iterable[str]) -> None:
        for way in ways:
            self.schemes.setdefault(way, Scheme(way, way))

    def _serve(self, text: str) -> None:
        for address in _ADDRESS.findall(text):
            if address not in self.servers and len(self.servers) < bounds.ANALYSIS_NAMES_MAX:
                self.servers.append(self._taking.name(address))
