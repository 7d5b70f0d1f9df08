"""Results of an analysis as tables, for a workbook and for Google Sheets alike.

A document's author writes what a reader's spreadsheet will hold: no text of theirs may become a formula there, whether it
is typed in, pasted, or goes through a CSV file on its way. Such texts get the apostrophe that spreadsheets know.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from config import assistant as bounds
from hub.analyser.description import Json

Cell = str | int
Row = Sequence[Cell]

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_YES: Final = {True: "yes", False: "no"}
_CUT: Final = "…"


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet: its title, the names of its columns, and its rows, made as they are read and only once."""

    title: str
    header: Sequence[str]
    rows: Iterable[Row]


def tables(results: dict[str, Any], include_examples: bool) -> list[Table]:
    """The sheets Endpoints, Schemas and Security; with their columns of examples, if these are asked for."""
    endpoints = [
        "Method",
        "Path",
        "Summary",
        "Description",
        "Tags",
        "Signing in",
        "Parameters",
        "Request body",
        "Responses",
    ]
    schemas = ["Schema", "Schema type", "Field", "Field type", "Required", "Description"]
    if include_examples:
        endpoints += ["Request example", "Response example"]
        schemas += ["Example"]
    return [
        Table(
            "Endpoints", [*endpoints, "Deprecated"], _bounded(_endpoint_rows(results["endpoints"], include_examples))
        ),
        Table("Schemas", schemas, _bounded(_schema_rows(results["schemas"], include_examples))),
        Table(
            "Security",
            ["Severity", "Rule", "Method", "Path", "Issue"],
            _bounded(_issue_rows(results["security_issues"])),
        ),
    ]


def _endpoint_rows(endpoints: Sequence[Json], examples: bool) -> Iterator[list[str]]:
    for each in endpoints:
        row = [each["method"], each["path"], each["summary"], each["description"], ", ".join(each["tags"])]
        row += [_ways(each["security"]), _lines(map(_parameter, each["parameters"])), _body(each["request_body"])]
        row += [_lines(_response(status, about) for status, about in each["responses"].items())]
        if examples:
            row += [_first_example([each["request_body"] or {}]), _first_example(each["responses"].values())]
        yield [*row, _YES[each["deprecated"]]]


def _ways(security: list[list[str]] | None) -> str:
    if security is None:
        return "not said"
    return " or ".join(" and ".join(way) or "nothing" for way in security) or "nothing"


def _parameter(about: Json) -> str:
    kind = f": {about['type']}" if about["type"] else ""
    return f"{about['name']} ({about['in']}{', required' if about['required'] else ''}){kind}"


def _body(body: Json | None) -> str:
    return _lines(map(_content, body["content"])) if body else ""


def _response(status: str, about: Json) -> str:
    bodies = "; ".join(map(_content, about["content"]))
    return " ".join(part for part in (f"{status}:", about["description"].replace("\n", " "), bodies) if part)


def _content(about: Json) -> str:
    return f"{about['media_type']}: {about['type']}" if about["type"] else str(about["media_type"])


def _first_example(bodies: Iterable[Json]) -> str:
    """Of a request, or of its answers in the order of the document: the successes stand first there."""
    return next((each["example"] for body in bodies for each in body.get("content", ()) if each["example"]), "")


def _schema_rows(schemas: Sequence[Json], examples: bool) -> Iterator[list[str]]:
    """A row for each field, after one for the schema itself."""
    for schema in schemas:
        row = [schema["name"], schema["type"], "", "", "", schema["description"]]
        yield [*row, schema["example"]] if examples else row
        for each in schema["fields"]:
            row = [
                schema["name"],
                schema["type"],
                each["name"],
                each["type"],
                _YES[each["required"]],
                each["description"],
            ]
            yield [*row, ""] if examples else row


def _issue_rows(issues: Sequence[Json]) -> Iterator[list[str]]:
    for each in issues:
        yield [each["severity"], each["rule"], each["method"] or "", each["path"] or "", each["message"]]


def _lines(texts: Iterable[str]) -> str:
    return "\n".join(texts)


def _bounded(rows: Iterable[Sequence[str]]) -> Iterator[Row]:
    return ([_cell(text) for text in row] for row in rows)


def _cell(text: str) -> str:
    """No formula, and no longer than a cell may be, by UTF-16 units as spreadsheets count them."""
    if text.startswith(_FORMULA_STARTS):
        text = "'" + text
    most = bounds.ANALYSIS_CELL_CHARS_MAX
    if len(text) * 2 <= most or len(encoded := text.encode("utf-16-le")) // 2 <= most:
        return text
    return encoded[: (most - len(_CUT)) * 2].decode("utf-16-le", "ignore") + _CUT
