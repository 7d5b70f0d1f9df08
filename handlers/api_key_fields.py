"""What the APIs' own forms of an API key have in common: the fields by which one is made and changed, and its moments."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, ClassVar

from config import limits
from hub import fields
from hub.permissions import SCOPES
from models.clock import timestamp


class Names(fields.Strict):
    """A list of at least one text, each kept once; of `allowed` ones, where those are known by now."""

    form: ClassVar[fields.Form] = {"type": "array", "minItems": 1}

    def __init__(self, *, items_max: int, allowed: Collection[str] | None = None, **kwargs: Any) -> None:
        item = {"type": "string", **({"enum": sorted(allowed)} if allowed is not None else {})}
        super().__init__(bounds={"items": item, "maxItems": items_max}, **kwargs)
        self._items_max, self._allowed = items_max, allowed

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        if not isinstance(value, list) or not 0 < len(value) <= self._items_max:
            raise self.fail(f"must be a list of 1 to {self._items_max} names")
        if not all(isinstance(name, str) for name in value):
            raise self.fail("must be a list of strings")
        if self._allowed is not None and not all(name in self._allowed for name in value):
            raise self.fail(f"must be of {', '.join(sorted(self._allowed))}")
        return list(dict.fromkeys(value))


def key_name(**kwargs: Any) -> fields.Text:
    return fields.Line(low=1, high=limits.NAME_CHARS_MAX, **kwargs)


def key_permissions(**kwargs: Any) -> Names:
    return Names(items_max=len(SCOPES), allowed=SCOPES, **kwargs)


def moment_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)
