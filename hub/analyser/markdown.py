"""API documentation in Markdown: its endpoints, their parameters and examples, and how one signs in.

    ### List users          a heading: what follows belongs to it until the next of its level
    **GET** `/users`        an endpoint; also in a heading, in a table or a list of endpoints, as the first line of a code
                            block, or in a call of curl where nothing else tells it
    | Name | Type | ...     parameters, or statuses
    **Response (200):**     what the code block after it is an example of

It is prose for people: what is found is what such pages agree on, and what they leave open stays open (`security` is None).
"""

import re
from collections.abc import Sequence
from typing import Final

from hub.analyser.description import Described, Endpoint
from hub.analyser.failures import Unreadable
from hub.analyser.markdown_blocks import Block, Code, Heading, Line, Rows, blocks_of
from hub.analyser.markdown_code import METHOD, TARGET, Message, listed, messages_of
from hub.analyser.markdown_curl import calls_of
from hub.analyser.markdown_section import Section
from hub.analyser.markdown_signs import Signs
from hub.analyser.markdown_tables import parameters_of, statuses_of
from hub.analyser.merging import Endpoints
from hub.analyser.secrets import secret_addresses_in
from hub.analyser.taking import Taking

_AT_START: Final = re.compile(rf"(?i:(?:endpoint|url|request|route)\s*:\s*)?{METHOD}\s*:?\s+{TARGET}")
_ANYWHERE: Final = re.compile(rf"(?<![\w-]){METHOD}\s+{TARGET}")
_VERSION: Final = re.compile(r"version\s*:\s*v?(\d[\w.+-]*)", re.IGNORECASE)
_METHOD_ALONE: Final = re.compile(METHOD)
_TARGET_ALONE: Final = re.compile(TARGET)


class _Page:
    """A page that is being read, block by block."""

    def __init__(self, taking: Taking) -> None:
        self.taking = taking
        self.endpoints = Endpoints(taking)
        self.section = Section(taking, self.endpoints)
        self.signs = Signs(taking)
        self.title = ""
        self.version = ""
        self.statuses: set[str] = set()
        self._called: Endpoint | None = None  # the last one that a call of curl has named

    def read(self, block: Block) -> None:
        match block:
            case Heading():
                self._heading(block)
            case Line():
                self._line(block)
            case Code():
                self._code(block)
            case Rows():
                self._table(block)

    def _heading(self, heading: Heading) -> None:
        if heading.level == 1 and not self.title:
            self.title = self.taking.summary(heading.text)
        self.section.enter(heading)
        self.signs.look_at(heading.text, self.section.headings)
        if found := _ANYWHERE.search(heading.text):
            self.section.begin(found[1], found[2])

    def _line(self, line: Line) -> None:
        self.signs.look_at(line.text, self.section.headings)
        if not self.version and (version := _VERSION.search(line.text)):
            self.version = self.taking.name(version[1])
        if found := _AT_START.match(line.text):
            self.section.begin(found[1], found[2])
        else:
            self.section.line(line)

    def _code(self, code: Code) -> None:
        self.signs.look_at_code(code, self.section.headings)
        if found := listed(code):
            self._list(found)
        elif not self._calls(code):
            for message in messages_of(code):
                self._message(message, code)

    def _list(self, found: Sequence[tuple[str, str, str]]) -> None:
        if len(found) == 1:
            self.section.begin(*found[0][:2])
            return
        for method, target, summary in found:
            self.section.mention(method, target, summary)

    def _calls(self, code: Code) -> bool:
        """Calls of curl name an endpoint where nothing else does; below one that is named they are an example of it."""
        calls = list(calls_of(code.text)) if self.section.endpoint in (None, self._called) else []
        for message in calls:
            self.section.begin(message.method, message.target)
            self.section.sent(message)
            self._called = self.section.endpoint
        return bool(calls)

    def _message(self, message: Message, code: Code) -> None:
        if message.method:
            self.section.begin(message.method, message.target)
            self.section.sent(message)
        elif message.status:
            self.section.answered(message)
        else:
            self.section.example(code)

    def _table(self, table: Rows) -> None:
        for row in table.rows:
            self.signs.look_at(" ".join(row), self.section.headings)
        if self._table_of_endpoints(table):
            return
        endpoint = self.section.endpoint
        statuses = statuses_of(table)
        if statuses and endpoint is None:
            self.statuses |= set(statuses)
        elif endpoint is not None:
            self.section.add_statuses(statuses)
            self.section.add_parameters(parameters_of(table, endpoint, self.section.label, self.taking))

    def _table_of_endpoints(self, table: Rows) -> bool:
        found = [each for each in map(_endpoint_in, table.rows) if each]
        for method, target, summary in found:
            self.section.mention(method, target, summary)
        return bool(found)


def _endpoint_in(row: Sequence[str]) -> tuple[str, str, str] | None:
    """A method and a path in two cells or in one, and what the cell after them says."""
    for at, cell in enumerate(row):
        if found := _AT_START.fullmatch(cell):
            return found[1], found[2], next(iter(row[at + 1 :]), "")
        beside = row[at + 1] if at + 1 < len(row) else ""
        if _METHOD_ALONE.fullmatch(cell) and _TARGET_ALONE.fullmatch(beside):
            return cell, beside, next(iter(row[at + 2 :]), "")
    return None


def describe(page: str, taking: Taking) -> Described:
    """All that the page says. Raises `Unreadable` where it tells of no endpoint."""
    read = _Page(taking)
    for block in blocks_of(page):
        read.read(block)
    if not read.endpoints.total:
        raise Unreadable("The page tells of no endpoint: a method and a path such as GET /users")
    described = Described("markdown", "CommonMark", read.title, read.version)
    described.servers = read.signs.servers
    described.schemes = read.signs.schemes
    described.endpoints, described.endpoints_total = read.endpoints.found, read.endpoints.total
    described.statuses = read.statuses | read.signs.statuses
    described.secret_addresses = list(secret_addresses_in(page))
    return described
