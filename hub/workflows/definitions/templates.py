"""`{{path.to[0].value}}` in texts: what it leads to in plain objects and lists is put in its place. Nothing else is special.

    text --parse--> literal pieces and paths --rendered(scope)--> the value that a lone path leads to, or else a text

There are no expressions, calls, attributes or loops, and what was put in is not looked at again. `{{` that begins no path is
refused when a text is parsed, so that a slip is told when it is made; `}}` alone is text, for JSON ends with it.

What a path leads to:

- A text that is one path and nothing else becomes its value, whatever its type. Among other text a string stands as it is,
  null is empty, and everything else is written as JSON; what is more than a text, as an address is, has a `Writer` for it.
- What is null, or would lie inside null, is null. A node that was skipped has a null output, so what was left out is empty.
- What is absent is an error, because a prompt without its subject costs as much as one that has it. Conditions alone take
  it for null: they are where one asks whether something is there.

Pure; all bounds are in `config/workflows.py`. All functions raise `HubError` INVALID.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from config import workflows as limits
from hub.errors import invalid

_OPEN: Final = "{{"
_CLOSE: Final = "}}"
_NAME: Final = r"[\w-]+"
_POSITION: Final = f"[0-9]{{1,{limits.POSITION_DIGITS_MAX}}}"
_STEP: Final = re.compile(rf"\.({_NAME})|\[({_POSITION})\]")
_PATH: Final = re.compile(rf"{_NAME}(?:\.{_NAME}|\[{_POSITION}\])*+")

Step = str | int  # the name of a member, or a position in a list
Scope = Mapping[str, Any]
# Of a value and the text before it to what stands in its place. Raises `ValueError` for one that must not stand there.
Writer = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Path:
    """Where a value lies: `steps[0]` is looked up in the scope itself."""

    text: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A text in its pieces, in order."""

    pieces: tuple[str | Path, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, Path))

    @property
    def is_literal(self) -> bool:
        return not self.paths

    @property
    def lone_path(self) -> Path | None:
        """The path that is the whole text."""
        first = self.pieces[0] if len(self.pieces) == 1 else None
        return first if isinstance(first, Path) else None


def parse(text: str, field: str = "template") -> Template:
    """The pieces of a text, in time that grows with its length. Raises `HubError` INVALID naming `field`."""
    if len(text) > limits.TEMPLATE_CHARS_MAX:
        raise invalid(field, f"must have at most {limits.TEMPLATE_CHARS_MAX} characters")
    return Template(tuple(_pieces(text, field)))


def _pieces(text: str, field: str) -> Iterator[str | Path]:
    """Each character is looked at once: a `{{` that nothing closes ends it."""
    at = 0
    while (begin := text.find(_OPEN, at)) >= 0:
        end = text.find(_CLOSE, begin)
        if end < 0:
            raise invalid(field, "has {{ without }} after it")
        if begin > at:
            yield text[at:begin]
        yield _path(text[begin + len(_OPEN) : end].strip(" "), field)
        at = end + len(_CLOSE)
    if at < len(text):
        yield text[at:]


def _path(text: str, field: str) -> Path:
    if len(text) > limits.PATH_CHARS_MAX or not _PATH.fullmatch(text):
        raise invalid(field, f"has {_shown(text)}, which is no path such as {{{{email.from}}}} or {{{{rows[0].name}}}}")
    steps = tuple(name or int(position) for name, position in _STEP.findall(f".{text}"))
    if len(steps) > limits.PATH_STEPS_MAX:
        raise invalid(field, f"has a path of more than {limits.PATH_STEPS_MAX} steps")
    return Path(text, steps)


def _shown(path: str) -> str:
    return _OPEN + path[: limits.PATH_CHARS_MAX] + _CLOSE


def parsed(value: Any, field: str) -> Iterator[tuple[str, Template]]:
    """Every text of a value, parsed, by its own path. Keys are no templates."""
    if isinstance(value, str):
        yield field, parse(value, field)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from parsed(inner, f"{field}.{key}")
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from parsed(inner, f"{field}[{position}]")


_PLAIN: Final[Mapping[str, Writer]] = {}


# --- what they become -------------------------------------------------------------------------------------------


def rendered(
    value: Any,
    scope: Scope,
    field: str = "template",
    *,
    absent_is_null: bool = False,
    writers: Mapping[str, Writer] = _PLAIN,
) -> Any:
    """The value with all its templates replaced, however deep they lie; those of one call share the bound of output.
    `writers` are by field.

    Raises `HubError` INVALID naming the text that leads nowhere, or where it became too much.
    """
    return _Rendering(scope, absent_is_null, writers).of(value, field)


def as_text(value: Any) -> str:
    """A string as it stands, null as nothing, everything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _found(path: Path, scope: Scope, field: str, absent_is_null: bool) -> Any:
    value: Any = scope
    for number, step in enumerate(path.steps):
        if value is None:
            return None
        try:
            value = _inside(value, step)
        except LookupError:
            if absent_is_null:
                return None
            raise invalid(field, f"{_shown(path.text)}: there is no {_written(path.steps[: number + 1])}") from None
    return value


def _inside(value: Any, step: Step) -> Any:
    """A member by its name, an item by its position. Nothing else has an inside: no attribute is ever looked up."""
    if isinstance(step, str) and isinstance(value, Mapping):
        return value[step]
    if isinstance(step, int) and isinstance(value, list):
        return value[step]
    raise LookupError(step)


def _written(steps: tuple[Step, ...]) -> str:
    return "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in steps).removeprefix(".")


class _Rendering:
    """One call of `rendered`: what it may still put out."""

    def __init__(self, scope: Scope, absent_is_null: bool, writers: Mapping[str, Writer]) -> None:
        self._scope = scope
        self._absent_is_null = absent_is_null
        self._writers = writers
        self._left_bytes = limits.TEMPLATE_OUTPUT_BYTES_MAX

    def of(self, value: Any, field: str) -> Any:
        if isinstance(value, str):
            return self._of_text(parse(value, field), field)
        if isinstance(value, Mapping):
            return {key: self.of(inner, f"{field}.{key}") for key, inner in value.items()}
        if isinstance(value, list):
            return [self.of(inner, f"{field}[{position}]") for position, inner in enumerate(value)]
        return value

    def _of_text(self, template: Template, field: str) -> Any:
        if lone := template.lone_path:
            value = self._look_up(lone, field)
            self._spend(orjson.dumps(value), field)
            return value
        text = ""
        for piece in template.pieces:
            text += self._text_of(piece, text, field)
        return text

    def _text_of(self, piece: str | Path, before: str, field: str) -> str:
        """Text to be put in. It is counted before the next one is made: many large values are never there at once."""
        text = piece if isinstance(piece, str) else self._written(as_text(self._look_up(piece, field)), before, field)
        self._spend(text.encode(), field)
        return text

    def _written(self, value: str, before: str, field: str) -> str:
        writer = self._writers.get(field)
        try:
            return value if writer is None else writer(value, before)
        except ValueError as error:
            raise invalid(field, str(error)) from None

    def _look_up(self, path: Path, field: str) -> Any:
        return _found(path, self._scope, field, self._absent_is_null)

    def _spend(self, written: bytes, field: str) -> None:
        self._left_bytes -= len(written)
        if self._left_bytes < 0:
            raise invalid(field, f"becomes more than {limits.TEMPLATE_OUTPUT_BYTES_MAX} bytes")
