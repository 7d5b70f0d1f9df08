"""Splits the bytes of an event stream into events; pure, and fed in pieces of any size.

Follows the WHATWG rules: CRLF, LF or CR end a line, `:` begins a comment, several data lines join with LF. `id` and `retry`
are dropped, because a generation is never resumed at a provider.
"""

from typing import Final

from config import limits

_BOM: Final = b"\xef\xbb\xbf"


class SseError(Exception):
    """The stream breaks its bound; nothing after it can be trusted."""


class SseSplitter:
    """Keeps what an unfinished event needs, at most `event_bytes_max`."""

    def __init__(self, event_bytes_max: int = limits.PROVIDER_LINE_BYTES_MAX) -> None:
        self._event_bytes_max = event_bytes_max
        self._parts: list[bytes] = []  # of the unfinished event; joined once, or a trickle would cost its square
        self._held_bytes = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """The events that `data` completes, as (event name or "", data). Raises `SseError` beyond the bound."""
        if self._after_cr or b"\r" in data:
            data = self._normalise(data)
        if b"\n\n" not in data and not (data[:1] == b"\n" and self._parts and self._parts[-1][-1:] == b"\n"):
            self._hold(data)
            return []
        if self._parts:
            data = b"".join((*self._parts, data))
        if self._at_start:
            self._at_start = False
            data = data.removeprefix(_BOM)
        blocks = data.split(b"\n\n")
        self._parts, self._held_bytes = [], 0
        self._hold(blocks.pop())
        return [event for block in blocks if (event := _event(block)) is not None]

    def end(self) -> list[tuple[str, bytes]]:
        """What stands at the end without its blank line. A browser drops it; servers that forget the line exist."""
        block = b"".join(self._parts)
        self._parts, self._held_bytes = [], 0
        event = _event(block)
        return [] if event is None else [event]

    def _hold(self, data: bytes) -> None:
        if data:
            self._parts.append(data)
            self._held_bytes += len(data)
        if self._held_bytes > self._event_bytes_max:
            raise SseError(f"an event has more than {self._event_bytes_max} bytes")

    def _normalise(self, data: bytes) -> bytes:
        """Every line end as LF. A CR at the end of one read and LF at the start of the next are one line end."""
        if not data:
            return data
        if self._after_cr:
            data = data.removeprefix(b"\n")
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _event(block: bytes) -> tuple[str, bytes] | None:
    if block.startswith(b"data: ") and b"\n" not in block:  # nearly every event of nearly every provider
        return "", block[6:]
    name, lines = "", []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            lines.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return (name, b"\n".join(lines)) if lines else None
