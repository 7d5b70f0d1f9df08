"""Results as tables and as a workbook: what stands in a cell, and that no text of a stranger becomes a formula."""

import json
from io import BytesIO
from typing import Any

import pytest
from openpyxl import load_workbook

from config import assistant
from hub.analyser.analysis import analyse
from hub.analyser.sheets import Table, tables
from hub.analyser.xlsx import workbook

_HOSTILE = '=HYPERLINK("http://evil.example","x")'


def _results(summary: str = "One") -> dict[str, Any]:
    operation = {
        "summary": summary,
        "tags": ["a", "b"],
        "security": [{"k": [], "o": []}, {}],
        "parameters": [{"name": "id", "in": "path", "schema": {"type": "integer"}}, {"name": "q", "in": "query"}],
        "requestBody": {
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}, "example": {"x": 1}}}
        },
        "responses": {"200": {"description": "Fine", "content": {"text/plain": {"example": "done"}}}, "204": {}},
    }
    schema = {
        "type": "object",
        "required": ["x"],
        "properties": {"x": {"type": "integer"}, "y": {}},
        "example": {"x": 2},
    }
    document = {
        "openapi": "3.1.0",
        "paths": {"/a/{id}": {"post": operation, "get": {"deprecated": True}}},
        "components": {"schemas": {"A": schema, "@B": {}}, "securitySchemes": {"k": {}, "o": {}}},
    }
    return analyse(json.dumps(document).encode(), "auto")


def _rows(results: dict[str, Any], examples: bool = False) -> dict[str, list[dict[str, Any]]]:
    made = tables(results, examples)
    return {table.title: [dict(zip(table.header, row, strict=True)) for row in table.rows] for table in made}


def test_endpoints_have_a_row_each() -> None:
    got, posted = _rows(_results())["Endpoints"]
    assert posted == {
        "Method": "POST",
        "Path": "/a/{id}",
        "Summary": "One",
        "Description": "",
        "Tags": "a, b",
        "Signing in": "k and o or nothing",
        "Parameters": "id (path, required): integer\nq (query)",
        "Request body": "application/json: A",
        "Responses": "200: Fine text/plain\n204:",
        "Deprecated": "no",
    }
    assert (got["Signing in"], got["Deprecated"], got["Request body"]) == ("nothing", "yes", "")


def test_schemas_have_a_row_and_one_for_each_field() -> None:
    assert _rows(_results())["Schemas"] == [
        {"Schema": "A", "Schema type": "object", "Field": "", "Field type": "", "Required": "", "Description": ""},
        {
            "Schema": "A",
            "Schema type": "object",
            "Field": "x",
            "Field type": "integer",
            "Required": "yes",
            "Description": "",
        },
        {
            "Schema": "A",
            "Schema type": "object",
            "Field": "y",
            "Field type": "any",
            "Required": "no",
            "Description": "",
        },
        {"Schema": "'@B", "Schema type": "any", "Field": "", "Field type": "", "Required": "", "Description": ""},
    ]


def test_issues_have_a_row_each_the_gravest_first() -> None:
    results = _results()
    rows = _rows(results)["Security"]
    assert len(rows) == len(results["security_issues"]) > 0
    assert rows[0] == {
        "Severity": "medium",
        "Rule": "endpoint_without_security",
        "Method": "GET",
        "Path": "/a/{id}",
        "Issue": "It asks for no way to sign in",
    }


def test_examples_add_their_columns() -> None:
    plain, more = _rows(_results()), _rows(_results(), examples=True)
    assert set(more["Endpoints"][0]) - set(plain["Endpoints"][0]) == {"Request example", "Response example"}
    assert set(more["Schemas"][0]) - set(plain["Schemas"][0]) == {"Example"}
    assert more["Security"] == plain["Security"]
    posted = more["Endpoints"][1]
    assert (posted["Request example"], posted["Response example"]) == ('{\n "x": 1\n}', "done")
    assert [row["Example"] for row in more["Schemas"]] == ['{\n "x": 2\n}', "", "", ""]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝"])
def test_no_text_becomes_a_formula(start: str) -> None:
    summary = start + "1+1"
    assert _rows(_results(summary))["Endpoints"][1]["Summary"] == "'" + summary
    sheet = load_workbook(BytesIO(workbook(tables(_results(summary), True))))["Endpoints"]
    assert sheet["C3"].value == "'" + summary and sheet["C3"].data_type == "s"


def test_a_text_that_came_around_the_guard_is_still_text() -> None:
    made = workbook([Table("T", [_HOSTILE], [[_HOSTILE, "\x07bell\x00"]])])
    sheet = load_workbook(BytesIO(made))["T"]
    assert sheet["A1"].value == _HOSTILE and sheet["A1"].data_type == "s"
    assert sheet["A2"].value == _HOSTILE and sheet["A2"].data_type == "s"
    assert sheet["B2"].value == " bell "


@pytest.mark.parametrize("letter", ["a", "я", "😀"])
def test_cells_are_no_longer_than_a_spreadsheet_takes(letter: str) -> None:
    results = _results()
    results["endpoints"][0]["description"] = letter * 40_000
    cell = _rows(results)["Endpoints"][0]["Description"]
    units = len(cell.encode("utf-16-le")) // 2
    assert assistant.ANALYSIS_CELL_CHARS_MAX - 1 <= units <= assistant.ANALYSIS_CELL_CHARS_MAX
    assert cell.endswith(letter + "…") and set(cell) == {letter, "…"}
    assert load_workbook(BytesIO(workbook(tables(results, False))))["Endpoints"]["D2"].value == cell


def test_a_workbook_reads_back_as_the_tables() -> None:
    results = _results()
    book = load_workbook(BytesIO(workbook(tables(results, True))))
    assert book.sheetnames == ["Endpoints", "Schemas", "Security"]
    for table in tables(results, True):
        header, *rows = book[table.title].iter_rows(values_only=True)
        assert list(header) == list(table.header)
        assert [["" if cell is None else cell for cell in row] for row in rows] == [list(row) for row in table.rows]
        assert book[table.title].freeze_panes == "A2" and book[table.title]["A1"].font.bold
