"""What stands behind Chromium's push: Google's check-in of a browser, its registration for a page, and the connection by
which pushes come to it. With it a page really subscribes, and the browser itself decrypts what is delivered.

    Chromium --POST /checkin, /register--> BrowserCloud          BrowserCloud.deliver(body) --MCS, by TLS--> Chromium

The frames of MCS are protocol buffers in a tag and a length; the few that are needed are written by hand. The addresses that
subscriptions get are Google's, and no test may send to them.
"""

import asyncio
import secrets
import ssl
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_VERSION: Final = 41
_LOGIN_REQUEST, _LOGIN_RESPONSE, _DATA_MESSAGE = 2, 3, 8
# `stats_ok` (1), `android_id` (7) and `security_token` (8) of an AndroidCheckinResponse.
_CHECKED_IN: Final = b"\x08\x01" + b"\x39" + struct.pack("<Q", 4_711) + b"\x41" + struct.pack("<Q", 4_712)


class BrowserCloud:
    """Of one browser. `refuses`: whether it registers no page, as a push service does that is away."""

    def __init__(self) -> None:
        self.refuses = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: web.AppRunner | None = None
        self._mcs: asyncio.Server | None = None
        self._browser: asyncio.StreamWriter | None = None
        self._registered: dict[str, str] = {}
        self._connected = asyncio.Event()

    @property
    def flags(self) -> tuple[str, ...]:
        """Chromium's, by which it comes here."""
        assert self._runner is not None and self._mcs is not None
        http = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return (
            f"--gcm-checkin-url={http}/checkin",
            f"--gcm-registration-url={http}/register",
            f"--gcm-mcs-endpoint=https://localhost:{self._mcs.sockets[0].getsockname()[1]}",
            "--ignore-certificate-errors",  # its own certificate is nobody else's
        )

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        application = web.Application()
        application.router.add_post("/checkin", self._check_in)
        application.router.add_post("/register", self._register)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._mcs = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=_own_tls())

    async def stop(self) -> None:
        assert self._runner is not None and self._mcs is not None
        self._mcs.close()
        if self._browser is not None:
            self._browser.close()
        await self._runner.cleanup()

    def deliver(self, body: bytes) -> None:
        """Send a push's body, as it was posted, to the page that was registered last; from any thread."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._deliver(body), self._loop).result(10)

    async def _deliver(self, body: bytes) -> None:
        async with asyncio.timeout(10):
            await self._connected.wait()
        assert self._browser is not None
        page = self._registered
        message = [
            *(_bytes(3, page["sender"]), _bytes(5, page["app"])),
            _bytes(7, _bytes(1, "subtype") + _bytes(2, page["X-subtype"])),
            _bytes(7, _bytes(1, "content-encoding") + _bytes(2, "aes128gcm")),
            *(_bytes(9, secrets.token_hex(8)), _bytes(21, body)),
        ]
        self._browser.write(_frame(_DATA_MESSAGE, b"".join(message)))
        await self._browser.drain()

    async def _check_in(self, request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=_CHECKED_IN, content_type="application/x-protobuf")

    async def _register(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if self.refuses:
            return web.Response(text="Error=INVALID_SENDER")
        if "X-subtype" in form:  # the other one is the browser's own
            self._registered = form
        return web.Response(text=f"token={secrets.token_urlsafe(24)}:APA91b")

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Let it log in, and hear whatever else it says."""
        try:
            await reader.readexactly(1)  # the version
            while True:
                tag = (await reader.readexactly(1))[0]
                await reader.readexactly(await _length(reader))
                if tag == _LOGIN_REQUEST:
                    writer.write(bytes([_VERSION]) + _frame(_LOGIN_RESPONSE, _bytes(1, "chrome-1")))
                    self._browser = writer
                    self._connected.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


async def _length(reader: asyncio.StreamReader) -> int:
    number = shift = 0
    while True:
        (byte,) = await reader.readexactly(1)
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number


def _bytes(field: int, value: str | bytes) -> bytes:
    """A field of text or bytes."""
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _frame(tag: int, message: bytes) -> bytes:
    return bytes([tag]) + _varint(len(message)) + message


def _own_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with _own_certificate() as path:
        context.load_cert_chain(path)
    return context


@contextmanager
def _own_certificate() -> Iterator[str]:
    """A file with a new key and its certificate for `localhost`."""
    key, moment = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(moment - timedelta(days=1))
        .not_valid_after(moment + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.write(certificate.public_bytes(Encoding.PEM))
        file.flush()
        yield file.name
