"""Servers of API documents, by the path that is asked for: honest ones, and all that somebody's server may do instead.

server.url("/doc")            gives what `server.give("/doc", ...)` said
Trap()                        a port that nobody may connect to: it counts who does
"""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiohttp import web

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


def document(body: bytes, kind: str = "application/json", status: int = 200, **headers: str) -> Behaviour:
    async def behave(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers={"Content-Type": kind, **headers})

    return behave


def redirects(location: str, status: int = 302) -> Behaviour:
    return document(b"", status=status, Location=location, **{"Set-Cookie": "a=1"})


def packed(size: int) -> Behaviour:
    """So many bytes in a thousandth of them, for which nobody asked."""
    return document(gzip.compress(b" " * size), **{"Content-Encoding": "gzip"})


def dripping(piece: bytes, pause_seconds: float) -> Behaviour:
    """A body without an end."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(piece)
            await asyncio.sleep(pause_seconds)

    return behave


async def silent(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


async def overheaded(request: web.Request) -> web.StreamResponse:
    """A million headers."""
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1_000_000 + b"\r\n{}")
    return web.Response()


class DocumentServer:
    """`asked` has the path and the headers of each request, in order."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.host, self.port = host, port
        self._behaviours: dict[str, Behaviour] = {}
        self._runner: web.AppRunner | None = None

    async def start(self) -> Self:
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def give(self, path: str, behaviour: Behaviour) -> str:
        """The address at which it is given."""
        self._behaviours[path] = behaviour
        return self.url(path)

    def url(self, path: str) -> str:
        return f"http://{self.host}:{self.port}{path}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, {name.lower(): value for name, value in request.headers.items()}))
        return await self._behaviours[request.path](request)


class Trap:
    """Listens on every loopback address there is; `accepted` counts the connections."""

    def __init__(self) -> None:
        self.accepted = 0
        self.port = 0
        self._servers: list[Any] = []

    async def start(self) -> Self:
        self._servers = [await asyncio.start_server(self._accept, "127.0.0.1", 0)]
        self.port = self._servers[0].sockets[0].getsockname()[1]
        self._servers.append(await asyncio.start_server(self._accept, "::1", self.port))
        return self

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
            await server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()
