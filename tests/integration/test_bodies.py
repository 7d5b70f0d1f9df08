"""Bodies that are coming in: a large one only from who has a credential, and never too many of them at once."""

import asyncio
from collections.abc import Iterator
from typing import Final

import pytest
from tornado.ioloop import IOLoop

from config import limits
from tests.http_streams import OPEN, Connection, abort_all, ask, send
from tests.patience import until
from tests.site import Site

PATHS: Final = ("/v1/chat/completions", "/api/mcp/chat/completions")
CREDENTIALS: Final[tuple[dict[str, str], ...]] = (
    {"Authorization": "Bearer x"},
    {"X-API-Key": "x"},
    {"Cookie": "auth_token=x"},
)
LAST_CHUNK: Final = b"0\r\n\r\n"
LARGE: Final = limits.BODY_BYTES_MAX + 1


@pytest.fixture(autouse=True)
def ended(io_loop: IOLoop) -> Iterator[None]:
    yield
    io_loop.run_sync(abort_all)


async def announce(site: Site, path: str, size: int, headers: dict[str, str] | None = None) -> Connection:
    """A connection whose request has a head and nothing yet of its body."""
    return await send(site.port, "POST", path, headers={"Content-Length": str(size), **(headers or {})})


async def chunked(site: Site, headers: str) -> Connection:
    """A connection whose request says not how long its body is, and has sent one byte of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = f"POST {PATHS[0]} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    OPEN.append(writer)
    writer.write(f"{head}{headers}\r\n1\r\n \r\n".encode())
    return Connection(reader, writer)


async def arriving(site: Site, size: int) -> None:
    await until(lambda: site.application.bodies.arriving_bytes == size)


@pytest.mark.gen_test
async def test_a_large_body_of_nobody_is_not_kept(site: Site) -> None:
    for path in PATHS:
        connection = await announce(site, path, LARGE)
        for begin in range(0, LARGE, 2**16):
            assert site.application.bodies.arriving_bytes == 0
            connection.writer.write(b" " * min(2**16, LARGE - begin))
            await connection.writer.drain()
        response = await connection.response()
        assert response.status == 401 and response.headers["www-authenticate"] == "Bearer"
        assert (await ask(site.port, "POST", path, body=b" " * limits.BODY_BYTES_MAX)).status == 401


@pytest.mark.gen_test
async def test_a_large_body_comes_in_with_any_credential(site: Site) -> None:
    token = await site.token()
    for path, refused in zip(PATHS, (400, 422), strict=True):
        assert (await ask(site.port, "POST", path, token=token, body=b"{}".ljust(LARGE))).status == refused
        for headers in CREDENTIALS:
            connection = await announce(site, path, LARGE, headers)
            await arriving(site, LARGE)
            connection.reset()
            await arriving(site, 0)
    in_query = await announce(site, f"{PATHS[0]}?token=x", LARGE)
    await arriving(site, LARGE)
    in_query.reset()


@pytest.mark.gen_test
async def test_a_body_of_unknown_length_counts_as_the_largest(site: Site) -> None:
    stranger = await chunked(site, "")
    stranger.writer.write(LAST_CHUNK)
    assert (await stranger.response()).status == 401
    known = await chunked(site, f"Authorization: Bearer {await site.token()}\r\n")
    await arriving(site, limits.COMPLETION_BODY_BYTES_MAX)
    known.writer.write(LAST_CHUNK)
    assert (await known.response()).status == 400
    await arriving(site, 0)


@pytest.mark.gen_test
async def test_too_many_large_bodies_keep_no_small_one_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODIES_ARRIVING_BYTES_MAX", 3 * LARGE)
    known = {"Authorization": f"Bearer {await site.token()}"}
    first = await announce(site, PATHS[0], 2 * LARGE, known)
    await arriving(site, 2 * LARGE)
    for path in PATHS:
        response = await ask(site.port, "POST", path, headers=known, body=b" " * 2 * LARGE)
        assert response.status == 503 and int(response.headers["retry-after"]) >= 1
        assert (await response.json())["error"]["code"] == "SERVICE_UNAVAILABLE"
    assert (await ask(site.port, "POST", PATHS[0], headers=known, body=b" " * LARGE)).status == 400
    assert (await ask(site.port, "POST", PATHS[0], headers=known, body={})).status == 400
    first.reset()
    await arriving(site, 0)
    assert (await ask(site.port, "POST", PATHS[0], headers=known, body=b" " * 2 * LARGE)).status == 400


@pytest.mark.gen_test
async def test_a_body_that_is_too_large_is_refused_in_the_dialect_of_its_path(site: Site) -> None:
    for path, code in (("/nowhere", "VALIDATION_ERROR"), ("/v1/nowhere", "INVALID_REQUEST"), ("/", "VALIDATION_ERROR")):
        response = await ask(site.port, "POST", path, body=b" " * LARGE)
        assert response.status == 413 and (await response.json())["error"]["code"] == code, path
