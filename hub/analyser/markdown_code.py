"""Code blocks of a page: a list of endpoints, or the HTTP messages in them, or else an example as it stands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from hub.analyser.markdown_blocks import Code

METHOD: Final = r"(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)"
TARGET: Final = r"((?:https?://|/|\{)[^\s`]*)"
EXAMPLES: Final = frozenset({"", "json", "jsonc", "json5", "xml", "yaml", "text", "txt", "http"})

_REQUEST: Final = re.compile(rf"{METHOD}\s+{TARGET}(?:\s+HTTP/[\d.]+)?\s*")
_LISTED: Final = re.compile(rf"{METHOD}[ \t]+{TARGET}(?:([ \t]+)(?!HTTP/)(\S.*))?")
_NO_LIST: Final = re.compile(r"""[{}\[\]<"']|[A-Za-z][A-Za-z0-9-]*:""")  # at the left: a body or a header, of a message
_STATUS: Final = re.compile(r"HTTP/[\d.]+\s+([1-5]\d\d)\b.*")
_HEADER: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]*):\s*(.*)")


@dataclass(slots=True)
class Message:
    """A request (method and target), an answer (status), or neither: then the body is the whole block."""

    method: str = ""
    target: str = ""
    status: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def media_type(self) -> str:
        """JSON, where no header says otherwise: what such pages show."""
        return self.headers.get("content-type", "application/json").split(";")[0].strip()


def messages_of(code: Code) -> Iterator[Message]:
    """The messages of a block one after another; what stands before the first is a comment."""
    started: list[tuple[Message, list[str]]] = []
    for line in code.text.splitlines():
        if found := _REQUEST.fullmatch(line):
            started.append((Message(method=found[1], target=found[2]), []))
        elif found := _STATUS.fullmatch(line):
            started.append((Message(status=found[1]), []))
        elif started:
            started[-1][1].append(line)
    for message, lines in started:
        _fill(message, lines)
        yield message
    if not started:
        yield Message(body=code.text)


def listed(code: Code) -> list[tuple[str, str, str]]:
    """Methods, targets, and what is said of each: at least two lines begin so, or one that says more beside it."""
    if code.language not in EXAMPLES:
        return []
    lines = [(line, _LISTED.fullmatch(line.strip())) for line in code.text.splitlines() if line.strip()]
    found = [each for _, each in lines if each]
    if not found or any(each is None and _NO_LIST.match(line) for line, each in lines):
        return []
    return [(each[1], each[2], _about(each[4] or "")) for each in found] if len(found) > 1 or _tells(found[0]) else []


def _tells(found: re.Match[str]) -> bool:
    """Whether what stands beside one endpoint is set off from it, as a column, a body or an answer is."""
    return bool(found[4]) and (len(found[3]) > 1 or found[4].startswith(("{", "->", "→", "#", "//")))


def _about(said: str) -> str:
    """Words, but neither the body that is sent nor the answer that comes."""
    return "" if said.startswith(("{", "[", "->", "→")) else said.lstrip("#/- ")


def headers_of(text: str) -> Iterator[tuple[str, str]]:
    """Lines that are headers, their names in lower case."""
    for line in text.splitlines():
        if found := _HEADER.fullmatch(line.strip()):
            yield found[1].lower(), found[2]


def _fill(message: Message, lines: list[str]) -> None:
    """Headers as far as they go, then the body, with or without the empty line between them."""
    at = 0
    while at < len(lines) and (found := _HEADER.fullmatch(lines[at])):
        message.headers[found[1].lower()] = found[2]
        at += 1
    message.body = "\n".join(lines[at:]).strip()
