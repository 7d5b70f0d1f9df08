"""A document's bytes as text, and as the values that its JSON or YAML stands for.

Both are read by the rules of JSON: keys are text, no key stands twice in an object, and there are no other values than
JSON's. YAML's own traps are shut: tags that name other kinds of values are refused, dates and `yes` stay text (YAML 1.2
has them so), and aliases are counted as if they were written out, before any of them is.
"""

import json
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final, NoReturn

import yaml

from config import assistant as bounds
from hub.analyser.description import Json
from hub.analyser.failures import Unreadable

_TAG: Final = "tag:yaml.org,2002:"
_JSON: Final = re.compile(r"\s*\{\s*(?:[\"}]|\Z)")
_TOO_DEEP: Final = f"The document has values in values more than {bounds.ANALYSIS_DEPTH_MAX} deep"
_TOO_MANY: Final = f"The document has more than {bounds.ANALYSIS_VALUES_MAX:,} values, its aliases written out"


def text_of(source: bytes) -> str:
    """The text of UTF-8. Raises `Unreadable`."""
    try:
        text = source.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise Unreadable(f"The document is not text in UTF-8: byte {error.start:,} cannot be read") from None
    if not text.strip():
        raise Unreadable("The document is empty")
    return text


def is_json(text: str) -> bool:
    """Whether it begins as a JSON object does; in the flow form of YAML the first name may have other quotes, or none."""
    return _JSON.match(text) is not None


def object_of(text: str) -> Json:
    """The object that a text in JSON or YAML stands for. Raises `Unreadable`."""
    document = _from_json(text) if is_json(text) else _from_yaml(text)
    if not isinstance(document, dict):
        raise Unreadable("The document is not an object")
    return document


def _from_json(text: str) -> Any:
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_int=_integer, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Unreadable(f"The document is not JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise Unreadable(_TOO_DEEP) from None
    _check_size(document)
    return document


def _object(pairs: list[tuple[str, Any]]) -> Json:
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = sorted(key for key, _ in pairs)
        _refuse_twice(next(one for one, other in pairwise(keys) if one == other))
    return made


def _refuse_twice(key: str, line: int | None = None) -> NoReturn:
    where = f" (line {line})" if line else ""
    raise Unreadable(f"The key {key[:100]!r} stands twice in the same object{where}")


def _integer(digits: str) -> int:
    if len(digits) > bounds.ANALYSIS_INTEGER_DIGITS_MAX:
        raise Unreadable(f"The document has a number of more than {bounds.ANALYSIS_INTEGER_DIGITS_MAX} digits")
    return int(digits)


def _no_number(name: str) -> NoReturn:
    raise Unreadable(f"The document is not JSON: {name} is no number there")


def _check_size(document: Any) -> None:
    """Level by level, for recursion has bounds of its own. Raises `Unreadable`."""
    level, values = [document], 1
    for _ in range(bounds.ANALYSIS_DEPTH_MAX):
        level = [inner for value in level for inner in _inner(value)]
        values += len(level)
        if values > bounds.ANALYSIS_VALUES_MAX:
            raise Unreadable(_TOO_MANY)
        if not level:
            return
    raise Unreadable(_TOO_DEEP)


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


class _Loader(yaml.CSafeLoader):
    """Only JSON's values, as YAML 1.2 writes them."""

    def object_of(self, node: yaml.MappingNode) -> Any:
        """An object whose keys are text; empty at first, so that PyYAML can fill it after what it stands in."""
        made: Json = {}
        yield made
        if not isinstance(node, yaml.MappingNode):
            raise ValueError("what is tagged as an object is none")
        self._check_keys(node)
        self.flatten_mapping(node)
        for key, value in node.value:
            # A key that was merged in stands before the object's own of the same name, which it yields to.
            made[key.value] = self.construct_object(value)

    def _check_keys(self, node: yaml.MappingNode) -> None:
        seen: set[str] = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise Unreadable(f"A key that is not text stands in line {line}")
            if key.value in seen:
                _refuse_twice(key.value, line)
            seen.add(key.value)

    def boolean_of(self, node: yaml.ScalarNode) -> bool:
        text = self.construct_scalar(node).lower()
        if text not in ("true", "false"):
            raise ValueError(f"{text[:100]!r} is neither true nor false")
        return bool(text == "true")

    def integer_of(self, node: yaml.ScalarNode) -> int:
        return _integer(self.construct_scalar(node))

    def number_of(self, node: yaml.ScalarNode) -> float:
        return float(self.construct_scalar(node).lower().replace(".inf", "inf").replace(".nan", "nan"))


_Loader.yaml_implicit_resolvers = {}
for _name, _form, _first in (
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))", list("-+.")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"^{_form}$"), _first)
_Loader.yaml_constructors = {
    _TAG + "map": _Loader.object_of,
    _TAG + "seq": _Loader.construct_yaml_seq,
    _TAG + "str": _Loader.construct_yaml_str,
    _TAG + "null": _Loader.construct_yaml_null,
    _TAG + "bool": _Loader.boolean_of,
    _TAG + "int": _Loader.integer_of,
    _TAG + "float": _Loader.number_of,
    None: _Loader.construct_undefined,
}


def _from_yaml(text: str) -> Any:
    try:
        _Sizes().check(yaml.parse(text, Loader=_Loader))
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise Unreadable(f"The document is not YAML: {error.problem or error.context}{line}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable(f"The document is not YAML: {str(error).splitlines()[0][:200]}") from None


class _Sizes:
    """How large a YAML document is with its aliases written out, from its events alone: nothing is built yet."""

    def __init__(self) -> None:
        self._anchors: dict[str, int] = {}
        self._open: list[tuple[str | None, int]] = []  # anchor, and the values up to there
        self._values = 0

    def check(self, events: Iterable[Any]) -> None:
        """Raises `Unreadable`."""
        for event in events:
            if isinstance(event, yaml.CollectionStartEvent):
                self._begin(event.anchor)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end(*self._open.pop())
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.ScalarEvent):
                self._end(event.anchor, self._values)
            if self._values > bounds.ANALYSIS_VALUES_MAX:
                raise Unreadable(_TOO_MANY)

    def _begin(self, anchor: str | None) -> None:
        self._open.append((anchor, self._values))
        if len(self._open) > bounds.ANALYSIS_DEPTH_MAX:
            raise Unreadable(_TOO_DEEP)

    def _end(self, anchor: str | None, before: int) -> None:
        self._values += 1
        if anchor is not None:
            self._anchors[anchor] = self._values - before

    def _alias(self, event: yaml.AliasEvent) -> None:
        """One that stands within what it names has no size yet: it would have no end."""
        line = event.start_mark.line + 1 if event.start_mark else 0
        if event.anchor in (anchor for anchor, _ in self._open) or event.anchor not in self._anchors:
            raise Unreadable(f"The alias *{event.anchor} in line {line} names what it stands in, or nothing")
        self._values += self._anchors[event.anchor]
