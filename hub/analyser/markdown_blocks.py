"""A Markdown page as the blocks that documentation is written in: headings, lines, list items, code and tables.

CommonMark with tables, by markdown-it-py; emphasis, links and code marks are gone from the texts: `**GET** `/users`` is the
line "GET /users".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

_LINE_ENDS: Final = ("softbreak", "hardbreak")


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a paragraph. `code` is the code that it begins with, as items that explain a field do.

    `depth` is how many lists it stands in.
    """

    text: str
    code: str = ""
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Code:
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Rows:
    """A table: its header in lower case, and its other rows."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


Block = Heading | Line | Code | Rows


def blocks_of(page: str) -> Iterator[Block]:
    """The blocks of a page in their order."""
    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(page)
    lists = 0
    position = 0
    while position < len(tokens):
        token = tokens[position]
        lists += (token.type == "list_item_open") - (token.type == "list_item_close")
        if token.type == "heading_open":
            yield Heading(int(token.tag[1:]), " ".join(line for line, _ in _lines(tokens[position + 1])))
            position += 2
        elif token.type == "table_open":
            end = next(at for at in range(position, len(tokens)) if tokens[at].type == "table_close")
            yield _table(tokens[position:end])
            position = end
        elif token.type in ("fence", "code_block"):
            yield Code(token.info.strip().split(" ")[0].lower(), token.content)
        elif token.type == "inline":
            yield from (Line(text, code, lists) for text, code in _lines(token))
        position += 1


def _table(tokens: Sequence[Token]) -> Rows:
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows:
            rows[-1].append(" ".join(text for text, _ in _lines(token)))
    return Rows([name.lower() for name in rows[0]] if rows else [], rows[1:])


def _lines(inline: Token) -> Iterator[tuple[str, str]]:
    """Each line's plain text, and the code that it begins with."""
    text, code = "", ""
    for child in inline.children or ():
        if child.type in _LINE_ENDS:
            yield text.strip(), code
            text, code = "", ""
        elif child.type in ("text", "code_inline", "text_special"):
            code = child.content if child.type == "code_inline" and not text.strip() else code
            text += child.content
    yield text.strip(), code
