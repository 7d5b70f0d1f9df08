"""Servers that webhooks are sent to: well, failing, gone, slow, hanging, dripping or endless, by the path that is called.

receiver.url("a")            takes everything, as every path does at first
receiver.behave("a", fails)  from now on, until it is told otherwise
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

from aiohttp import web

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came; `at` by the loop's clock."""

    headers: dict[str, str]
    body: bytes
    at: float


async def takes(request: web.Request) -> web.StreamResponse:
    return web.Response(text="thank you")


def answers(status: int, **headers: str) -> Behaviour:
    async def behave(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers, text=f"status {status}")

    return behave


def slowly(seconds: float) -> Behaviour:
    async def behave(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.Response()

    return behave


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


async def resets(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def endlessly(status: int, piece: bytes, pause_seconds: float) -> Behaviour:
    """A body that never ends."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        while True:
            await response.write(piece)
            await asyncio.sleep(pause_seconds)

    return behave


class WebhookReceiver:
    """`got` has the requests by path, in the order in which they came."""

    def __init__(self) -> None:
        self.got: defaultdict[str, list[Received]] = defaultdict(list)
        self._behaviours: dict[str, Behaviour] = {}
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=8 << 20)
        application.router.add_route("*", "/{path}", self._take)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def behave(self, path: str, behaviour: Behaviour) -> None:
        self._behaviours[path] = behaviour

    async def _take(self, request: web.Request) -> web.StreamResponse:
        path, body = request.match_info["path"], await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got[path].append(Received(headers, body, asyncio.get_running_loop().time()))
        return await self._behaviours.get(path, takes)(request)
