"""What is sent to Google Sheets: no call is larger than it may be, and every row arrives at its place."""

import orjson
import pytest

from config import assistant
from hub.analyser.export_child import lines
from hub.analyser.sheets import Table


def test_rows_go_in_portions_to_where_they_belong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant, "SHEET_CELLS_AT_ONCE", 10)
    rows = [[f"name {number}", number] for number in range(13)]
    first, *calls = lines([Table("One", ("Name", "Number"), iter(rows)), Table("None", ("A", "B", "C"), [])])
    assert first == {"sheets": [{"title": "One", "rows": 14, "columns": 2}, {"title": "None", "rows": 1, "columns": 3}]}
    (ranges,) = zip(*([call["data"][0]["range"]] for call in calls), strict=True)
    assert ranges == ("'One'!A1", "'One'!A6", "'One'!A11", "'None'!A1")
    sent = [row for call in calls[:3] for row in call["data"][0]["values"]]
    assert sent == [["Name", "Number"], *rows]
    assert {call["valueInputOption"] for call in calls} == {"RAW"}, "a text that looks like a formula stays a text"


def test_long_rows_go_alone_and_long_cells_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant, "SHEET_CALL_BYTES", 1_000)
    monkeypatch.setattr(assistant, "SHEET_CELL_CHARS_MAX", 1_500)
    _, *calls = lines([Table("One", ("Name",), [["x" * 2_000], ["y"], ["z" * 900]])])
    values = [call["data"][0]["values"] for call in calls]
    assert values == [[["Name"]], [["x" * 1_500]], [["y"], ["z" * 900]]]
    assert all(len(orjson.dumps(each)) < 2_000 for each in values)
