"""Wallets and holds as this process wrote them last: what a batch may assume without reading it again.

Never a ground by itself: every write names the version (of a hold, the amount) that it assumes, so that one made on an
outdated assumption finds nothing, and the batch is applied anew to what the database says. A refusal is told only after
such a fresh reading. What others write as well, again and again, is read for each batch, until they have left it alone for
a while. Bounded: what is not here is read.
"""

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TypeVar

from config import limits
from models.database import Document

T = TypeVar("T")


class LastWritten:
    """Documents by id, the newest kept longest; `version` is the field by which another one's writing shows."""

    def __init__(self, version: str, entries_max: int = limits.WALLET_CACHE_ENTRIES) -> None:
        self._version = version
        self._documents: OrderedDict[str, Document] = OrderedDict()
        self._outdated_at: OrderedDict[str, float] = (
            OrderedDict()
        )  # by `time.monotonic()`, the last time it was found so
        self._shared_until: OrderedDict[str, float] = OrderedDict()
        self._entries_max = entries_max

    def of(self, ids: Iterable[str]) -> dict[str, Document]:
        """Those of these that are known, and ours alone. They must not be changed."""
        known, moment = self._documents, time.monotonic()
        return {key: known[key] for key in ids if key in known and self._shared_until.get(key, 0.0) <= moment}

    def correct(self, found: Mapping[str, Document]) -> None:
        """What the database has, where that is not what was written here: once a user has come over from another process,
        twice within a while others write it as well.
        """
        moment = time.monotonic()
        for key, document in found.items():
            known = self._documents.get(key)
            if known is not None and known[self._version] != document[self._version]:
                if moment - self._outdated_at.get(key, float("-inf")) < limits.WALLET_SHARED_SECONDS:
                    _put(self._shared_until, key, moment + limits.WALLET_SHARED_SECONDS, self._entries_max)
                _put(self._outdated_at, key, moment, self._entries_max)

    def keep(self, documents: Mapping[str, Document | None]) -> None:
        """After a commit: what stands now; None is gone."""
        for key, document in documents.items():
            if document is None:
                self._documents.pop(key, None)
            else:
                _put(self._documents, key, document, self._entries_max)


def _put(entries: OrderedDict[str, T], key: str, value: T, entries_max: int) -> None:
    entries[key] = value
    entries.move_to_end(key)
    if len(entries) > entries_max:
        entries.popitem(last=False)
