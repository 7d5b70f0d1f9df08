"""Requests that a page shows as calls of curl: what they would send, read as a shell reads words, and nothing is run."""

import re
import shlex
from collections.abc import Iterator
from typing import Final

from hub.analyser.markdown_code import METHOD, TARGET, Message

_CALL: Final = re.compile(r"^[ \t]*(?:\$[ \t]+)?curl[ \t]+((?:[^\n\\]|\\.|\\\n)*)", re.MULTILINE)
_METHOD: Final = re.compile(METHOD)
_TARGET: Final = re.compile(TARGET)
_OPTION: Final = re.compile(r"(-[A-Za-z]|--[a-z-]+)=?(.*)", re.DOTALL)
_DATA: Final = ("-d", "--data", "--data-raw", "--data-binary", "--data-urlencode", "--json", "-F", "--form")
_OTHERS: Final = ("-o", "--output", "-u", "--user", "-A", "--user-agent", "-b", "--cookie", "-m", "--max-time")
_TAKING: Final = ("-X", "--request", "-H", "--header", "--url", *_DATA, *_OTHERS)
_CALL_CHARS_MAX: Final = 10_000  # of one call; a longer one has a file in it


def calls_of(text: str) -> Iterator[Message]:
    """What each call of a block sends."""
    for found in _CALL.finditer(text):
        try:
            words = shlex.split(found[1][:_CALL_CHARS_MAX].replace("\\\n", " "))
        except ValueError:
            continue  # a quote without its end, as where a body has several lines
        if message := _message(words):
            yield message


def _message(words: list[str]) -> Message | None:
    made = Message()
    for option, value in _options(words):
        if option in ("-X", "--request"):
            made.method = value
        elif option in ("-H", "--header"):
            name, _, said = value.partition(":")
            made.headers[name.strip().lower()] = said.strip()
        elif option in _DATA:
            made.body = made.body or value
        elif option in ("", "--url") and _TARGET.fullmatch(value):
            made.target = made.target or value
    made.method = made.method or ("POST" if made.body else "GET")
    return made if made.target and _METHOD.fullmatch(made.method) else None


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Each option with its value; "" for what is none."""
    remaining = iter(words)
    for word in remaining:
        found = _OPTION.fullmatch(word)
        if found is None:
            yield "", word
        elif found[1] in _TAKING:
            yield found[1], found[2] or next(remaining, "")
