"""Tables of a page: parameters by their columns, and statuses by what stands in their cells."""

import re
from collections.abc import Sequence
from typing import Final

from config import assistant as bounds
from hub.analyser.description import Endpoint, Parameter
from hub.analyser.markdown_blocks import Rows
from hub.analyser.markdown_section import place_of
from hub.analyser.taking import Taking

_NAME: Final = re.compile(
    r"(?:query |path |body )?(?:parameters?|param|name|field|property|header|key|параметр|поле|имя)"
)
_TYPE: Final = re.compile(r"(?:data )?type|тип")
_REQUIRED: Final = re.compile(r"required\??|mandatory|обязательн\w*")
_ABOUT: Final = re.compile(r"description|meaning|details|notes?|описание")
_EXAMPLE: Final = re.compile(r"example|sample|default|пример|по умолчанию")
_PLACE: Final = re.compile(r"in|location|where")
_YES: Final = re.compile(r"(?:yes|true|required|да|✓|✅|✔)\b.*|[✓✅✔].*", re.IGNORECASE)
_STATUS: Final = re.compile(r"([1-5]\d\d)(?:\s.*)?")
_STATUS_COLUMN: Final = re.compile(r"(?:http |status |response )*(?:code|status|код)s?(?: code)?")


def parameters_of(table: Rows, endpoint: Endpoint, label: str, taking: Taking) -> list[Parameter]:
    """The parameters that a table lists, if it is one of them: it has a column of names, and one of what they are."""
    name = _column(table, _NAME)
    about = {key: _column(table, form) for key, form in (("type", _TYPE), ("about", _ABOUT), ("required", _REQUIRED))}
    if name is None or all(at is None for at in about.values()):
        return []
    example, place = _column(table, _EXAMPLE), _column(table, _PLACE)
    made: list[Parameter] = []
    for row in taking.first(table.rows, bounds.ANALYSIS_PARAMETERS_MAX, "parameters"):
        named = _cell(row, name).strip("`* ")
        where = _cell(row, place).lower() or place_of(endpoint, named, label or table.header[name])
        parameter = Parameter(taking.name(named), taking.name(where), taking.name(_cell(row, about["type"])))
        parameter.required = _YES.fullmatch(_cell(row, about["required"])) is not None or parameter.place == "path"
        parameter.description = taking.description(_cell(row, about["about"]))
        parameter.example = taking.example(_cell(row, example))
        made += [parameter] if named else []
    return made


def statuses_of(table: Rows) -> dict[str, str]:
    """The HTTP statuses that a table lists, each with the last cell of its row."""
    columns = [at for at, name in enumerate(table.header) if _STATUS_COLUMN.fullmatch(name)]
    found: dict[str, str] = {}
    for row in table.rows[: bounds.ANALYSIS_RESPONSES_MAX]:
        for at in columns:
            if status := _STATUS.fullmatch(_cell(row, at).strip("` ")):
                found.setdefault(status[1], row[-1])
    return found


def _column(table: Rows, form: re.Pattern[str]) -> int | None:
    return next((at for at, name in enumerate(table.header) if form.fullmatch(name)), None)


def _cell(row: Sequence[str], at: int | None) -> str:
    return row[at] if at is not None and at < len(row) else ""
