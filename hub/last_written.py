"""Wallets and holds as this process wrote them last: what a batch may assume without reading it again.

Never a ground by itself: every write names the version (of a hold, the amount) that it assumes, so that one made on an
outdated assumption finds nothing, and the batch is applied anew to what the database says. A refusal is told only after
such a fresh reading. Bounded; what is forgotten here is read.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from config import limits
from models.database import Document


class LastWritten:
    """Documents by id, the newest kept longest."""

    def __init__(self, entries_max: int = limits.WALLET_CACHE_ENTRIES) -> None:
        self._documents: OrderedDict[str, Document] = OrderedDict()
        self._entries_max = entries_max

    def of(self, ids: Iterable[str]) -> dict[str, Document]:
        """Those of these that are known. They must not be changed."""
        known = self._documents
        return {key: known[key] for key in ids if key in known}

    def keep(self, documents: Mapping[str, Document | None]) -> None:
        """After a commit: what stands now; None is gone."""
        for key, document in documents.items():
            if document is None:
                self._documents.pop(key, None)
            else:
                self._documents[key] = document
                self._documents.move_to_end(key)
        while len(self._documents) > self._entries_max:
            self._documents.popitem(last=False)

    def forget(self, ids: Iterable[str]) -> None:
        for key in ids:
            self._documents.pop(key, None)
