"""References within a document (RFC 6901 in the fragment of a URI), followed as far as bounds allow.

What lies outside the document is never fetched: it is told of, and read as if it were empty.
"""

from typing import Any, Final
from urllib.parse import unquote

from config import assistant as bounds
from hub.analyser.description import Json

_ABSENT: Final = object()


class References:
    """The references of one document; `remote` and `missing` name those that led nowhere, in the order of their use."""

    def __init__(self, document: Json) -> None:
        self._document = document
        self._targets: dict[str, Any] = {}
        self._remote: dict[str, None] = {}
        self._missing: dict[str, None] = {}

    @property
    def remote(self) -> list[str]:
        return list(self._remote)

    @property
    def missing(self) -> list[str]:
        return list(self._missing)

    def resolve(self, value: Any) -> Any:
        """The value itself, or what it refers to in the end. A circle, or nothing at all, is an empty object."""
        seen: set[str] = set()
        while (reference := reference_of(value)) is not None:
            if reference in seen or len(seen) >= bounds.ANALYSIS_REFERENCE_HOPS_MAX:
                return {}
            seen.add(reference)
            value = self._target(reference)
        return value

    def follow_all(self) -> None:
        """Look up every reference of the document, also where nothing else has led to it. Examples are no schemas."""
        waiting: list[Any] = [self._document]
        seen: set[int] = set()  # what YAML's aliases repeat
        while waiting:
            value = waiting.pop()
            if isinstance(value, list):
                waiting += reversed(value)
            elif isinstance(value, dict) and id(value) not in seen:
                seen.add(id(value))
                if (reference := reference_of(value)) is not None:
                    self._target(reference)
                waiting += [inner for key, inner in reversed(value.items()) if not _is_data(key)]

    def _target(self, reference: str) -> Any:
        if reference not in self._targets:
            self._targets[reference] = self._look_up(reference)
        return self._targets[reference]

    def _look_up(self, reference: str) -> Any:
        if not reference.startswith("#"):
            self._note(self._remote, reference)
            return {}
        found = _at(self._document, unquote(reference[1:]))
        if found is _ABSENT:
            self._note(self._missing, reference)
            return {}
        return found

    def _note(self, kind: dict[str, None], reference: str) -> None:
        if len(kind) < bounds.ANALYSIS_NOTICES_MAX:
            kind[reference] = None


def reference_of(value: Any) -> str | None:
    """What an object refers to, if it does. A property that is called `$ref` has no text there."""
    reference = value.get("$ref") if isinstance(value, dict) else None
    return reference if isinstance(reference, str) else None


def _is_data(key: str) -> bool:
    """Whether what stands below this key is anybody's data; an example may well have a `$ref` of its own."""
    return key in ("example", "examples") or key.startswith("x-")


def name_of(reference: str) -> str:
    """The last part of a reference: `Pet` of `#/components/schemas/Pet`."""
    return _unescaped(unquote(reference).rstrip("/").rsplit("/", 1)[-1])


def _at(document: Any, pointer: str) -> Any:
    """What stands at a JSON pointer, or `_ABSENT`."""
    if pointer and not pointer.startswith("/"):
        return _ABSENT
    value = document
    for part in pointer.split("/")[1:]:
        value = _part(value, _unescaped(part))
        if value is _ABSENT:
            break
    return value


def _part(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        return value.get(part, _ABSENT)
    if isinstance(value, list) and part.isascii() and part.isdigit() and int(part[:9]) < len(value):
        return value[int(part[:9])]
    return _ABSENT


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
