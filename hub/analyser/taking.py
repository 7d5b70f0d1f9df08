"""What is taken from a stranger's document: of the kind that is expected, within bounds, and with a note of what is not.

Wrong types are noted and read as if absent: one broken endpoint does not cost its owner the whole analysis.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from config import assistant as bounds
from hub.analyser.description import Json
from hub.analyser.secrets import masked

T = TypeVar("T")

# What JSON, spreadsheets or the database do not take as text.
_UNWANTED: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class Taking:
    """The bounds of one document's analysis, and the notices that its results close with."""

    def __init__(self) -> None:
        self._bytes_left = bounds.ANALYSIS_TEXT_BYTES_MAX
        self._rows_left = bounds.ANALYSIS_ROWS_MAX
        self._left_out: Counter[str] = Counter()
        self._malformed: list[str] = []
        self._malformed_total = 0
        self._notices: list[Json] = []
        self._examples: dict[int, str] = {}

    def object(self, value: Any, where: str) -> Json:
        """A JSON object, or an empty one."""
        if isinstance(value, dict):
            return value
        if value is not None:
            self.malformed(f"{where} is not an object")
        return {}

    def array(self, value: Any, where: str) -> list[Any]:
        """A JSON array, or an empty one."""
        if isinstance(value, list):
            return value
        if value is not None:
            self.malformed(f"{where} is not an array")
        return []

    def name(self, value: Any) -> str:
        """A name, a type, a path or an address on one line. What is neither text nor a number is none."""
        return self.text(value, bounds.ANALYSIS_NAME_CHARS_MAX, "names").replace("\n", " ").strip()

    def summary(self, value: Any) -> str:
        """A sentence on one line."""
        return " ".join(self.text(value, bounds.ANALYSIS_SUMMARY_CHARS_MAX, "summaries").split())

    def description(self, value: Any) -> str:
        """Some paragraphs, without what looks like a secret."""
        return masked(self.text(value, bounds.ANALYSIS_DESCRIPTION_CHARS_MAX, "descriptions").strip())

    def example(self, value: Any) -> str:
        """An example as text: JSON, unless it is text already. None is no example; what looks like a secret is cut."""
        if value is None:
            return ""
        return masked(self.text(self._written(value), bounds.ANALYSIS_EXAMPLE_CHARS_MAX, "examples"))

    def _written(self, value: Any) -> str:
        """Each part of the document once: hundreds of references may lead to the same large example.

        Identities stay what they are, for the document is held while it is read.
        """
        if isinstance(value, str):
            return value
        if not isinstance(value, dict | list):
            return json.dumps(value)
        if id(value) not in self._examples:
            written = json.dumps(value, ensure_ascii=False, indent=1)
            self._examples[id(value)] = written[: bounds.ANALYSIS_EXAMPLE_CHARS_MAX + 1]
        return self._examples[id(value)]

    def text(self, value: Any, chars_max: int, what: str) -> str:
        """At most so many characters of a text or a number; none where the bytes of the whole are spent."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return ""
        text = value if isinstance(value, str) else str(value)
        if len(text) > chars_max:
            self._left_out[f"{what} are cut to {chars_max:,} characters"] += 1
            text = text[: chars_max - 1] + "…"
        text = _UNWANTED.sub(" ", text)
        return text if self._has_bytes(text, what) else ""

    def _has_bytes(self, text: str, what: str) -> bool:
        self._bytes_left -= len(text) if text.isascii() else len(text.encode())
        if self._bytes_left < 0:
            self._left_out[
                f"{what} are left out: all texts together exceed {bounds.ANALYSIS_TEXT_BYTES_MAX >> 20} MiB"
            ] += 1
        return self._bytes_left >= 0

    def first(self, items: Iterable[T], most: int, what: str) -> list[T]:
        """The first of them. What is beyond is counted, not looked at."""
        remaining = iter(items)
        taken = list(islice(remaining, most))
        if beyond := sum(1 for _ in remaining):
            self.left_out(what, most, beyond)
        return taken

    def rows(self, items: Iterable[T], most: int, what: str) -> list[T]:
        """As `first`, and no more than there are rows left for the whole."""
        taken = self.first(items, most, what)
        room = max(self._rows_left, 0)
        self._rows_left -= len(taken)
        if len(taken) > room:
            reason = f"{what} are left out: at most {bounds.ANALYSIS_ROWS_MAX:,} rows are taken in all"
            self._left_out[reason] += len(taken) - room
        return taken[:room]

    def left_out(self, what: str, most: int, beyond: int = 1) -> None:
        """Note that so many are beyond the bound of `most`."""
        self._left_out[f"{what} are left out: at most {most:,} are taken"] += beyond

    def malformed(self, message: str) -> None:
        """Note what is not as its format demands."""
        self._malformed_total += 1
        if len(self._malformed) < bounds.ANALYSIS_NOTICES_MAX:
            self._malformed.append(_UNWANTED.sub(" ", message)[: bounds.ANALYSIS_SUMMARY_CHARS_MAX])

    def notice(self, kind: str, message: str) -> None:
        """Note what a reader of the results has to know."""
        if sum(each["kind"] == kind for each in self._notices) < bounds.ANALYSIS_NOTICES_MAX:
            self._notices.append({"kind": kind, "message": _UNWANTED.sub(" ", message)})

    def notices(self) -> Sequence[Json]:
        """All that was noted, `{"kind": "cut" | "malformed" | …, "message"}`."""
        cut = [{"kind": "cut", "message": f"{times:,} {reason}"} for reason, times in self._left_out.items()]
        malformed = [{"kind": "malformed", "message": message} for message in self._malformed]
        if (more := self._malformed_total - len(malformed)) > 0:
            malformed.append({"kind": "malformed", "message": f"{more:,} more like these"})
        return [*self._notices, *cut, *malformed]
