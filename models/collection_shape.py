"""What a collection is beside its documents: its name, indexes and, where a second guard pays, its schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Index:
    """An index of a collection family; `expire_after_seconds` makes it a TTL index on its one date field."""

    keys: Sequence[tuple[str, int]]
    unique: bool = False
    expire_after_seconds: int | None = None
    only_where: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class CollectionShape:
    name: str
    indexes: Sequence[Index] = ()
    schema: Mapping[str, Any] | None = None
