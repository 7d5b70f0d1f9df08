"""A served hub for tests: a real server on a free port, over real services, and accounts on it.

The conftests that name these fixtures make them known to their folders.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port

from handlers.application import HubApplication, make_application, make_server
from hub.services import Services
from tests.api_client import ApiClient

PASSWORD = "CorrectHorse9"
OUR_ORIGIN = "http://localhost:3001"


class Site:
    """A served hub with one user."""

    def __init__(self, application: HubApplication, port: int) -> None:
        self.application = application
        self.services: Services = application.services
        self.port = port
        self._users = 0

    def client(self, dialect: str = "smart_ai_hub", **credentials: Any) -> ApiClient:
        return ApiClient(self.port, dialect, **credentials)

    async def register(self, **fields: Any) -> dict[str, Any]:
        self._users += 1
        body = {"email": f"user{self._users}@example.com", "password": PASSWORD, **fields}
        return (await self.client().post("/api/auth/register", body, status=201)).body

    async def token(self) -> str:
        return str((await self.register())["access_token"])

    async def admin_token(self) -> str:
        """A new administrator's access token."""
        registered = await self.register()
        await self.services.identities.change_user(registered["data"]["user"]["id"], {"role": "admin"})
        return str(registered["access_token"])

    async def cookie(self) -> str:
        """A fresh login's cookie, as a browser would keep it."""
        await self.register()
        body = {"email": f"user{self._users}@example.com", "password": PASSWORD}
        answer = await self.client().post("/api/auth/login", body)
        return answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0]


@pytest.fixture
def serve(io_loop: IOLoop, open_hub: Callable[..., Services]) -> Iterator[Callable[..., Site]]:
    servers = []

    def start(**environ: str) -> Site:
        application = make_application(open_hub(**environ))
        server = make_server(application)
        listening, port = bind_unused_port()
        io_loop.run_sync(lambda: asyncio.sleep(0, server.add_socket(listening)))
        servers.append(server)
        return Site(application, port)

    yield start
    for server in servers:
        server.stop()
        io_loop.run_sync(server.close_all_connections)


@pytest.fixture
def site(serve: Callable[..., Site]) -> Site:
    return serve(HUB_RATE_LIMITS="off", HUB_SANDBOX_TOKENS_PER_SECOND="100000")


@pytest.fixture
def limited_site(serve: Callable[..., Site]) -> Site:
    return serve()


@pytest.fixture
def https_site(serve: Callable[..., Site]) -> Site:
    return serve(HUB_RATE_LIMITS="off", HUB_PUBLIC_URL="https://hub.example.com")
