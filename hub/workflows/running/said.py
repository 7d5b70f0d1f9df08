"""What was said in a step, its output or its items: JSON text, as it is stored, read only where somebody looks into it.

An execution has many of them, each may be large, and most looks at it want none: the next step is found by what has ended.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import orjson


@dataclass(frozen=True)
class Said:
    """One value. `text` is what `orjson` wrote of it."""

    text: str

    @classmethod
    def of(cls, value: Any) -> Self:
        """Raises `TypeError` for what JSON has no words for."""
        return cls(orjson.dumps(value).decode())

    @classmethod
    def listed(cls, all_said: Sequence["Said"]) -> Self:
        """A list of these, of which none is read."""
        return cls.of([said.fragment for said in all_said])

    @classmethod
    def named(cls, all_said: Mapping[str, "Said"]) -> Self:
        """An object of these, of which none is read."""
        return cls.of({name: said.fragment for name, said in all_said.items()})

    @cached_property
    def value(self) -> Any:
        """To be looked at only: all who ask have the same one."""
        return orjson.loads(self.text)

    @cached_property
    def size_bytes(self) -> int:
        return len(self.text.encode())

    def is_deeper_than(self, levels: int) -> bool:
        """Whether it has more objects and lists within each other. It is read only where it has so many at all."""
        if self.text.count("[") + self.text.count("{") <= levels:
            return False
        layer = _nested([self.value])
        for _ in range(levels):
            layer = _nested([inner for outer in layer for inner in _within(outer)])
        return bool(layer)

    @property
    def fragment(self) -> orjson.Fragment:
        """To be written as part of something larger."""
        return orjson.Fragment(self.text)

    @property
    def words(self) -> str:
        """As a text would have it: a string as it stands, null as nothing, everything else as JSON."""
        if self.text == NOTHING.text:
            return ""
        return str(self.value) if self.text.startswith('"') else self.text


def _nested(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]


def _within(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


NOTHING = Said("null")
