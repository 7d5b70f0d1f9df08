"""A document behind an address that a user gave: fetched over SafeHttp, in a bounded time, and no more than fits.

    url -> checked, called -> redirect? checked and called anew, three times at most -> unpacked -> looked at -> bytes

Each hop is a request of its own: nothing is carried from one to the next, and none leads from https back to http.
"""

import asyncio
import re
import zlib
from typing import Final

import aiohttp

from config import assistant
from hub.analyser.looks import NotText, TextCheck
from hub.errors import HubError
from hub.redirects import Misled, led_to
from hub.safe_http import REDIRECTS, SafeHttp, reason

_READ_BYTES: Final = 65_536
_ANY_WINDOW: Final = 47  # zlib's or gzip's head, whichever comes
_TYPES: Final = re.compile(
    r"application/(?:json|x-json|yaml|x-yaml|octet-stream|vnd\.oai\.openapi|[\w.+-]+\+(?:json|yaml))"
    r"|binary/octet-stream|text/(?:plain|markdown|x-markdown|json|yaml|x-yaml|vnd\.yaml|x-web-markdown)"
)
_MEMBERS_MAX: Final = 100  # of gzip's that follow one another: each costs some time, and may be empty
_PACKED: Final = ("gzip", "x-gzip", "deflate")


class FetchFailed(Exception):
    """There is no document; the message says why, for whoever gave the address."""


async def fetched(http: SafeHttp, url: str) -> bytes:
    """The document, as text in UTF-8. Raises `FetchFailed`."""
    try:
        async with asyncio.timeout(assistant.ANALYSIS_FETCH_SECONDS_MAX):
            return await _followed(http, url)
    except TimeoutError:
        seconds = assistant.ANALYSIS_FETCH_SECONDS_MAX
        raise FetchFailed(f"The address did not give the whole document within {seconds:g} seconds") from None
    except NotText as error:
        raise FetchFailed(f"What the address gives must be text (JSON, YAML or Markdown), and is {error}") from None
    except Misled as error:
        raise FetchFailed(str(error)) from None
    except (aiohttp.ClientError, OSError, HubError, ValueError) as error:
        raise FetchFailed(f"The address cannot be read: {reason(error)}") from error


async def _followed(http: SafeHttp, url: str) -> bytes:
    for _ in range(assistant.ANALYSIS_REDIRECTS_MAX + 1):
        async with http.get(url) as response:
            if response.status not in REDIRECTS:
                return await _document(response)
            url = led_to(url, response.headers.get("Location"))
    raise FetchFailed(f"The address redirects more than {assistant.ANALYSIS_REDIRECTS_MAX} times")


async def _document(response: aiohttp.ClientResponse) -> bytes:
    if response.status != 200:
        raise FetchFailed(f"The address answers with status {response.status}")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind and not _TYPES.fullmatch(kind):
        raise FetchFailed(f"The address gives {kind[:100]}, and not JSON, YAML or Markdown")
    if (response.content_length or 0) > assistant.ANALYSIS_FETCHED_BYTES_MAX:
        raise _too_large()
    return await _read(response, _Unpacker(response.headers.get("Content-Encoding", "")))


async def _read(response: aiohttp.ClientResponse, unpacker: "_Unpacker") -> bytes:
    check, kept = TextCheck(), bytearray()
    async for piece in response.content.iter_chunked(_READ_BYTES):
        text = unpacker.unpacked(piece, assistant.ANALYSIS_FETCHED_BYTES_MAX - len(kept))
        check.feed(text)
        kept += text
    unpacker.finish()
    check.finish()
    if not kept:
        raise FetchFailed("The address gives nothing")
    return bytes(kept)


class _Unpacker:
    """The hub asks for what is not packed; some servers pack it all the same."""

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in ("", "identity", *_PACKED):
            raise FetchFailed(f"The address gives its document packed as {name[:50]}, for which nobody asked")
        self._packer = zlib.decompressobj(_ANY_WINDOW) if name in _PACKED else None
        self._begun = False  # the member that is being unpacked
        self._members_left = _MEMBERS_MAX

    def unpacked(self, piece: bytes, left: int) -> bytes:
        """Raises `FetchFailed` for more than what is `left`, of which no more than a byte is made."""
        try:
            text = piece if self._packer is None else self._members(self._packer, piece, left + 1)
        except zlib.error:
            raise FetchFailed("The address gives its document packed in a way that cannot be unpacked") from None
        if len(text) > left:
            raise _too_large()
        return text

    def _members(self, packer: "zlib._Decompress", piece: bytes, most: int) -> bytes:
        text = bytearray()
        while piece and len(text) < most:
            text += packer.decompress(piece, most - len(text))
            piece, self._begun = packer.unused_data.lstrip(b"\0"), not packer.eof
            if packer.eof:
                packer = self._packer = self._next()
        return bytes(text)

    def _next(self) -> "zlib._Decompress":
        self._members_left -= 1
        if not self._members_left:
            raise FetchFailed(f"The address gives its document packed in more than {_MEMBERS_MAX} pieces")
        return zlib.decompressobj(_ANY_WINDOW)

    def finish(self) -> None:
        """At its end. Raises `FetchFailed` where what is packed goes on."""
        if self._begun:
            raise FetchFailed("The address gives its document packed, and it breaks off in the middle")


def _too_large() -> FetchFailed:
    return FetchFailed(f"The document is larger than {assistant.ANALYSIS_FETCHED_BYTES_MAX >> 20} MiB")
