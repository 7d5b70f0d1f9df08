"""What a prompt has beside texts and pictures: files and sounds, sized by their bytes before anybody has read them. Pure.

    a file    a page of 3,000 tokens for every 96 kB of it: one page at least, a hundred at most
    a sound   a token for every 1,600 bytes: ten a second of MP3
    unseen    by an address or an id: one page

The sizes are for holds, and for charges where a provider never says what it read. Whether a prompt fits its model is the
provider's to say of these: a scanned page has many more bytes than a written one.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

PAGE_TOKENS: Final = 3_000  # of a PDF: its text, and a picture of it
PAGE_BYTES: Final = 96_000
PAGES_MAX: Final = 100  # no company takes more at once
SOUND_BYTES_PER_TOKEN: Final = 1_600
_BASE64_CHARS, _BASE64_BYTES = 4, 3
_READ_AS_TEXT: Final = ("text", "content")  # kinds of a document's source


def attached_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """The tokens of all files and sounds. The messages are such as `hub/messages_field.py` lets through."""
    return sum(_tokens(part) for message in messages for part in _parts(message.get("content")))


def _parts(content: object) -> list[Mapping[str, Any]]:
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _tokens(part: Mapping[str, Any]) -> int:
    sound, file = part.get("input_audio"), part.get("file") or part.get("source")
    if isinstance(sound, dict):
        return math.ceil(_bytes(sound.get("data")) / SOUND_BYTES_PER_TOKEN)
    if not isinstance(file, dict) or part.get("type") == "image" or file.get("type") in _READ_AS_TEXT:
        return 0
    pages = math.ceil(_bytes(file.get("file_data") or file.get("data")) / PAGE_BYTES)
    return PAGE_TOKENS * min(max(1, pages), PAGES_MAX)


def _bytes(data: object) -> int:
    """Of base64, or of a data URL, whose head is short."""
    return len(data) * _BASE64_BYTES // _BASE64_CHARS if isinstance(data, str) else 0
