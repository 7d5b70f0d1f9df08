"""A document that comes in as a form's file: parsed, looked at and packed piece by piece, and nothing of it on a disk.

    body --feed--> multipart parser --file--> TextCheck --> zlib --> Uploaded
                                    +--format

The file's name is for lists alone. What a sender says of its kind is not asked; its bytes tell it.
"""

import zlib
from dataclasses import dataclass
from typing import Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from config import assistant
from hub.analyser.formats import FORMATS
from hub.analyser.looks import NotText, TextCheck
from hub.errors import Code, HubError, invalid

MULTIPART: Final = "multipart/form-data"
_FILE: Final = "file"
_FORMAT: Final = "format"
_LEVEL: Final = 1  # API documents shrink to a sixth by it, at a hundred megabytes a second


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A whole document, packed by zlib; `name` is None where its sender gave none."""

    packed: bytes
    format: str
    name: str | None


class Upload:
    """One body. All methods raise `HubError`: MALFORMED, TOO_LARGE, or INVALID naming the form's field."""

    def __init__(self, content_type: str) -> None:
        boundary = parse_options_header(content_type)[1].get("boundary", "")
        if not 0 < len(boundary) <= assistant.ANALYSIS_FORM_VALUE_BYTES_MAX * 2 or not boundary.isascii():
            raise HubError(Code.MALFORMED, f"The body must be {MULTIPART} with a boundary")
        self._parser = PushMultipartParser(boundary, max_segment_count=assistant.ANALYSIS_FORM_FIELDS_MAX)
        self._part: str | None = None
        self._seen: set[str] = set()
        self._name: str | None = None
        self._format = bytearray()
        self._size = 0
        self._check = TextCheck()
        self._packer = zlib.compressobj(_LEVEL)
        self._packed = bytearray()

    def feed(self, piece: bytes) -> None:
        try:
            for event in self._parser.parse(piece):
                self._take(event)
        except MultipartError as error:
            raise _unreadable(error) from error
        except NotText as error:
            raise invalid(_FILE, f"must be text (JSON, YAML or Markdown), and is {error}") from None

    def _take(self, event: MultipartSegment | bytes | None) -> None:
        if event is None:
            self._part = None
        elif isinstance(event, MultipartSegment):
            self._begin(event)
        elif self._part == _FILE:
            self._take_file(bytes(event))
        else:
            self._format += event
            if len(self._format) > assistant.ANALYSIS_FORM_VALUE_BYTES_MAX:
                raise _bad_format()

    def _begin(self, segment: MultipartSegment) -> None:
        name = segment.name
        if name not in (_FILE, _FORMAT):
            raise invalid(name[:100] or "body", "unknown field")
        if name in self._seen:
            raise invalid(name, "must be given once")
        self._part = name
        self._seen.add(name)
        if name == _FILE:
            self._name = shown_name(segment.filename)

    def _take_file(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > assistant.ANALYSIS_UPLOAD_BYTES_MAX:
            raise HubError(Code.TOO_LARGE, f"A file may have {assistant.ANALYSIS_UPLOAD_BYTES_MAX >> 20} MiB")
        self._check.feed(piece)
        self._packed += self._packer.compress(piece)

    def finish(self) -> Uploaded:
        """Once the body has ended."""
        try:
            self._parser.close()
            self._check.finish()
        except MultipartError as error:
            raise _unreadable(error) from error
        except NotText as error:
            raise invalid(_FILE, f"must be text (JSON, YAML or Markdown), and is {error}") from None
        if _FILE not in self._seen:
            raise invalid(_FILE, "is required")
        if self._size == 0:
            raise invalid(_FILE, "must not be empty")
        document_format = self._format.decode(errors="replace") or "auto"
        if document_format not in FORMATS:
            raise _bad_format()
        self._packed += self._packer.flush()
        return Uploaded(bytes(self._packed), document_format, self._name)


def _unreadable(error: MultipartError) -> HubError:
    return HubError(Code.MALFORMED, f"The form cannot be read: {error}"[:200])


def _bad_format() -> HubError:
    return invalid(_FORMAT, f"must be one of {', '.join(FORMATS)}")


def shown_name(given: str | None) -> str | None:
    """What of a file's name may be shown: its last part, printable, and not too long."""
    last = (given or "").replace("\\", "/").rpartition("/")[2]
    kept = "".join(char for char in last if char.isprintable()).strip()
    return kept[: assistant.ANALYSIS_FILE_NAME_CHARS_MAX] or None
