"""Exports as a program: `python -m hub.analyser.export_child xlsx|sheets yes|no`, results as JSON in, what is sent out.
The second word says whether examples are wanted.

xlsx       the bytes of a workbook
sheets     a line with `{"sheets": [{title, rows, columns}]}`, then the bodies of Google's `values:batchUpdate`, one a line
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from config import assistant
from hub.analyser.sheets import Cell, Table, tables

_Rows = list[Sequence[Cell]]


def main() -> None:
    kind, examples = sys.argv[1:]
    found = tables(orjson.loads(sys.stdin.buffer.read()), examples == "yes")
    if kind == "xlsx":
        from hub.analyser.xlsx import workbook  # takes as long to import as all else does

        sys.stdout.buffer.write(workbook(found))
    else:
        sys.stdout.buffer.write(b"\n".join(orjson.dumps(line) for line in lines(found)))


def lines(found: Sequence[Table]) -> Iterator[dict[str, Any]]:
    """What is to be made at Google, in order: the sheets themselves, and then their cells in portions."""
    filled = [(table, _rows(table)) for table in found]
    yield {
        "sheets": [{"title": table.title, "rows": len(rows), "columns": max(map(len, rows))} for table, rows in filled]
    }
    for table, rows in filled:
        for first, portion in _portions(rows):
            values = {"range": f"'{table.title}'!A{first}", "majorDimension": "ROWS", "values": portion}
            yield {"valueInputOption": "RAW", "data": [values]}


def _rows(table: Table) -> _Rows:
    return [list(map(_cut, row)) for row in (table.header, *table.rows)]


def _cut(cell: Cell) -> Cell:
    return cell[: assistant.SHEET_CELL_CHARS_MAX] if isinstance(cell, str) else cell


def _portions(rows: _Rows) -> Iterator[tuple[int, _Rows]]:
    """Rows that one call carries, with the number of the first of them."""
    first, portion, cells, size = 1, _Rows(), 0, 0
    for number, row in enumerate(rows, 1):
        row_bytes = len(orjson.dumps(row))
        full = cells + len(row) > assistant.SHEET_CELLS_AT_ONCE or size + row_bytes > assistant.SHEET_CALL_BYTES
        if portion and full:
            yield first, portion
            first, portion, cells, size = number, [], 0, 0
        portion.append(row)
        cells, size = cells + len(row), size + row_bytes
    yield first, portion


if __name__ == "__main__":
    main()
