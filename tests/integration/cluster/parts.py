"""What the tests of two nodes work with: the nodes, and sockets that note what came to them and when."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.identity import LoginResult
from hub.redis.broker import RedisBroker
from hub.services import Services
from tests.factories import sign_up, tell
from tests.patience import until
from tests.ws_client import Client, Closed


def served_seconds() -> float:
    """A clock that stands while the main thread of this process, which has both nodes, could run and another had the core.

    The second word is how long that was so far, in nanoseconds (proc_pid_schedstat).
    """
    waited = int(Path("/proc/self/schedstat").read_text().split()[1])
    return time.monotonic() - waited / 1e9


@dataclass(frozen=True, slots=True)
class Node:
    """One served node."""

    services: Services
    port: int

    @property
    def broker(self) -> RedisBroker:
        assert isinstance(self.services.broker, RedisBroker)
        return self.services.broker

    async def connect(self, login: LoginResult, path: str = "/ws", **fields: Any) -> tuple[Client, dict[str, Any]]:
        client = await Client.open(self.port, path)
        reply = await client.request("connect", token=login.access_token, **fields)
        assert reply["type"] == "connected", reply
        return client, reply


class Listener:
    """A connected socket that is read all the time. `heard` has when each event came, by its offset and `served_seconds`;
    `offsets` in which order; `balance` is the last one, `others` all else that is no error.
    """

    def __init__(self, client: Client, reply: dict[str, Any]) -> None:
        self.client = client
        self.first: int = reply["position"]["offset"]
        self.balance: dict[str, Any] = reply["balance"]
        self.heard: dict[int, float] = {}
        self.offsets: list[int] = []
        self.others: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        self.closed: int | None = None
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while self.closed is None:
            try:
                self._take(await self.client.receive())
            except Closed as closed:
                self.closed = closed.code or 0
            except TimeoutError:
                pass  # nothing came for as long as a test waits, which is no end

    def _take(self, frame: dict[str, Any]) -> None:
        self.client.frames.clear()
        self.client.pushes.clear()
        if "error" in frame:
            self.errors.append(frame)
        elif frame.get("type") == "event":
            self.heard[frame["offset"]] = served_seconds()
            self.offsets.append(frame["offset"])
        elif frame.get("type") == "balance":
            self.balance = frame
        else:
            self.others.append(frame)

    async def end(self) -> None:
        self._reading.cancel()
        self.client.abort()  # ends the reading too where it is cancelled as a frame comes, which `wait_for` passes over
        await asyncio.wait([self._reading])
        if not self._reading.cancelled():
            self._reading.result()

    def assert_whole(self, last: int) -> None:
        """Every event once and in order."""
        assert self.offsets == list(range(self.first + 1, last + 1))
        assert not self.errors and self.closed is None


@dataclass(frozen=True, slots=True)
class Cluster:
    """Two nodes."""

    one: Node
    two: Node

    @property
    def nodes(self) -> tuple[Node, Node]:
        return self.one, self.two

    @asynccontextmanager
    async def listeners(self, login: LoginResult, each: int = 1) -> AsyncIterator[list[Listener]]:
        """A user's sockets on every node: first those of the one, then those of the other."""
        made = [Listener(*await node.connect(login)) for node in self.nodes for _ in range(each)]
        try:
            yield made
        finally:
            for listener in made:
                await listener.end()

    async def linked(self) -> None:
        await until(lambda: self.one.broker.up and self.two.broker.up)

    async def user(self) -> LoginResult:
        return await sign_up(self.one.services)


async def event(node: Node, user: str) -> tuple[int, float]:
    """Make one; its offset, and when it stood."""
    await tell(node.services, user, "title", "text")
    state = node.services.ledger.last_known(user)
    assert state is not None
    return state.offset, served_seconds()
