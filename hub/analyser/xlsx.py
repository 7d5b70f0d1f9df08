"""Tables as the bytes of an .xlsx workbook, written row by row: a large one is never held as cells."""

from collections.abc import Iterable
from io import BytesIO
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, TYPE_STRING
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from hub.analyser.sheets import Cell, Table

_WIDTH: Final = 28  # of a column, in characters
_HEADER: Final = Font(bold=True)


def workbook(tables: Iterable[Table]) -> bytes:
    """The bytes of a workbook with a sheet for each table; its header stays in view."""
    book = Workbook(write_only=True)
    for table in tables:
        sheet: Any = book.create_sheet(table.title)
        sheet.freeze_panes = "A2"
        for column in range(1, len(table.header) + 1):
            sheet.column_dimensions[get_column_letter(column)].width = _WIDTH
        sheet.append([_cell(sheet, name, header=True) for name in table.header])
        for row in table.rows:
            sheet.append([_cell(sheet, value) for value in row])
    written = BytesIO()
    book.save(written)
    return written.getvalue()


def _cell(sheet: Any, value: Cell, header: bool = False) -> Any:
    """A text stays text, whatever it begins with."""
    if isinstance(value, int):
        return WriteOnlyCell(sheet, value)
    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub(" ", value))
    cell.data_type = TYPE_STRING
    if header:
        cell.font = _HEADER
    return cell
