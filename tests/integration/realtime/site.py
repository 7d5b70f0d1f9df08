"""A whole hub on loopback: real services over the real mongod, and its server."""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from config import settings
from handlers.application import make_application, make_server
from hub.identity import LoginResult
from hub.services import Opened, Services, open_services
from hub.signup import Registration
from tests.patience import until
from tests.ws_client import Client

T = TypeVar("T")
PASSWORD = "Correct-Horse-9"
ORIGIN = "https://hub.example"
_numbers = itertools.count(1)


class Site:
    """`run` drives a coroutine on the loop that the hub lives on."""

    def __init__(self, runner: asyncio.Runner, opened: Opened, application: Application, server: HTTPServer) -> None:
        self._runner = runner
        self._application = application
        self._opened = opened
        self._server = server
        (listening,) = bind_sockets(0, "127.0.0.1")
        server.add_socket(listening)
        self.port: int = listening.getsockname()[1]

    @classmethod
    def open(cls, runner: asyncio.Runner, mongod_uri: str, folder: Path) -> "Site":
        return runner.run(cls._open(runner, mongod_uri, folder))

    @classmethod
    async def _open(cls, runner: asyncio.Runner, mongod_uri: str, folder: Path) -> "Site":
        environ = {
            "HUB_DATA_DIR": str(folder),
            "HUB_MONGODB_DATABASE": f"test_{secrets.token_hex(4)}",
            "HUB_RATE_LIMITS": "off",
            "HUB_SANDBOX_TOKENS_PER_SECOND": "2000",
            "HUB_ALLOWED_ORIGINS": ORIGIN,
        }
        opened = await open_services(settings.load(environ), mongod_uri, bcrypt_cost=4)
        assert opened.services is not None
        application = make_application(opened.services)
        return cls(runner, opened, application, make_server(application))

    @property
    def services(self) -> Services:
        assert self._opened.services is not None
        return self._opened.services

    def run(self, scenario: Callable[["Site"], Awaitable[T]]) -> T:
        return self._runner.run(self._run(scenario))

    async def _run(self, scenario: Callable[["Site"], Awaitable[T]]) -> T:
        """Every scenario leaves nothing behind: no connection, no subscription of one, no running command."""
        try:
            return await scenario(self)
        finally:
            Client.abort_all()
            await self.settled()

    async def settled(self) -> None:
        await until(lambda: len(self.services.connections) == 0)
        assert self.services.connections.pending == 0
        assert self.services.connections.users == 0

    def ping(self, interval_seconds: float, timeout_seconds: float) -> None:
        """For sockets opened from now on."""
        self._application.settings["websocket_ping_interval"] = interval_seconds
        self._application.settings["websocket_ping_timeout"] = timeout_seconds

    def close(self) -> None:
        async def end() -> None:
            self._server.stop()
            await self._server.close_all_connections()
            await self._opened.close()

        self._runner.run(end())

    # --- people ---

    async def user(self, role: str = "user") -> LoginResult:
        registration = Registration(f"user{next(_numbers)}@example.com", PASSWORD)
        return await self.services.identities.create(registration, role)

    async def connect(self, login: LoginResult, **options: Any) -> tuple[Client, dict[str, Any]]:
        """A connected client and the reply to its `connect`."""
        client = await Client.open(self.port, **options)
        reply = await client.request("connect", token=login.access_token)
        assert reply["type"] == "connected", reply
        return client, reply
