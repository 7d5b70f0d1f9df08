"""What the bytes of a document say that it is, whatever its name or its sender say: text is taken, and nothing else.

Only the beginning is looked at for a kind; that all of it is UTF-8 without control characters is looked at as it comes in.
"""

import codecs
import re
from typing import Final

HEAD_BYTES: Final = 1_024
_BOM: Final = b"\xef\xbb\xbf"
_MAGIC: Final = (
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"PK\x05\x06", "a ZIP archive or an Office document"),
    (b"PK\x07\x08", "a ZIP archive or an Office document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"),
    (b"%PDF-", "a PDF"),
    (b"\x89PNG", "an image"),
    (b"GIF8", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"RIFF", "an image, a sound or a film"),
    (b"\x1f\x8b", "a packed file"),
    (b"BZh", "a packed file"),
    (b"\xfd7zXZ\x00", "a packed file"),
    (b"7z\xbc\xaf\x27\x1c", "a packed file"),
    (b"Rar!", "a packed file"),
    (b"(\xb5/\xfd", "a packed file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"#!", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\xfe\xed\xfa", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\xff\xfe", "text in UTF-16, which is not UTF-8"),
    (b"\xfe\xff", "text in UTF-16, which is not UTF-8"),
)
# Markdown may begin with a tag of HTML, for a heading that stands in the middle: what makes a page or a picture may not.
_MARKUP: Final = re.compile(rb"<(?:\?xml|!doctype|html|head|body|script|svg|math|rss|feed|iframe)\b", re.I)
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


class NotText(ValueError):
    """A document is something else than text; the message says what, to stand after "is"."""


def check_head(head: bytes) -> None:
    """Look at the first `HEAD_BYTES` of a document. Raises `NotText`."""
    for magic, what in _MAGIC:
        if head.startswith(magic):
            raise NotText(what)
    if _MARKUP.match(_uncommented(head.removeprefix(_BOM))):
        raise NotText("a page or picture of HTML or XML")


def _uncommented(head: bytes) -> bytes:
    """Without the white space and the comments that it begins with: this runs in the hub, and nothing is tried twice."""
    head = head.lstrip()
    while head.startswith(b"<!--") and (end := head.find(b"-->", 4)) >= 0:
        head = head[end + 3 :].lstrip()
    return head


class TextCheck:
    """Looks at a document piece by piece."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._head = b""
        self._head_seen = False

    def feed(self, piece: bytes) -> None:
        """Raises `NotText`."""
        if not self._head_seen:
            self._head += piece[: HEAD_BYTES - len(self._head)]
            if len(self._head) == HEAD_BYTES:
                self._see_head()
        self._check(piece, final=False)

    def finish(self) -> None:
        """At its end. Raises `NotText`."""
        if not self._head_seen:
            self._see_head()
        self._check(b"", final=True)

    def _see_head(self) -> None:
        self._head_seen = True
        check_head(self._head)

    def _check(self, piece: bytes, final: bool) -> None:
        try:
            self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            self._see_head()  # a better word for it, where there is one
            raise NotText("not text in UTF-8") from None
        if _CONTROLS.search(piece):
            self._see_head()
            raise NotText("not text: it has control characters")
