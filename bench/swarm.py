"""Thousands of sockets in a process of their own, so that what they cost the load generator is in nobody's figure.

python -m bench.swarm idle|herd --port N --tokens FILE --addresses N --seconds N

It prints READY once a socket is connected for each token, works from SIGUSR1 on, and then prints one line: what it saw, as
JSON. Sockets come from 127.0.0.1, 127.0.0.2 and so on, each of which has ports of its own.

idle    for some seconds one user after another causes an operation, and it is measured when the balance arrives
herd    all sockets are cut and come back at once, each with the position that it had
"""

import argparse
import asyncio
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import uvloop

from bench.load_ws import Socket, open_socket, upgrade

READY = b"READY"
DONE = b'{"opened":'
_OPENED_AT_ONCE = 40
_PROBES_PER_SECOND = 10
_TICK_SECONDS = 0.005  # between two looks at how late this process itself is
_READ_ALL = orjson.dumps({"id": 3, "type": "notifications.read_all"})
_BALANCE = b'"type":"balance"'


class Member:
    """A user's socket, and how far it is in that user's events."""

    def __init__(self, port: int, token: str, address: str) -> None:
        self._port = port
        self._token = token
        self._address = address
        self._position: dict[str, Any] | None = None
        self.recovered = False
        self.socket: Socket | None = None

    async def connect(self) -> None:
        self.socket = await open_socket(
            self._port, lambda: Socket(upgrade(self._port, token=self._token)), self._address
        )
        since = {} if self._position is None else {"recover": self._position}
        connected = orjson.loads(
            await self.socket.ask(orjson.dumps({"id": 1, "type": "connect"} | since), b'"connected"')
        )
        self._position, self.recovered = connected["position"], connected["recovered"]

    async def balance_ms(self) -> float:
        """How long after the command of an operation the balance comes. A user has one such operation."""
        assert self.socket is not None
        asked_at = time.perf_counter()
        await self.socket.ask(_READ_ALL, _BALANCE)
        return (time.perf_counter() - asked_at) * 1e3


async def idle(members: Sequence[Member], seconds: float) -> dict[str, Any]:
    probes = random.sample(members, int(seconds * _PROBES_PER_SECOND))
    late_ms: list[float] = []
    watching = asyncio.create_task(_watch(late_ms))
    balance_ms = []
    for member in probes:
        started = time.perf_counter()
        balance_ms.append(await member.balance_ms())
        await asyncio.sleep(max(0.0, 1 / _PROBES_PER_SECOND - (time.perf_counter() - started)))
    watching.cancel()
    lost = sum(member.socket is None or member.socket.ended for member in members)
    return {"opened": len(members), "lost": lost, "balance_ms": balance_ms, "late_ms": late_ms}


async def _watch(late_ms: list[float]) -> None:
    """How late this process is served by its own loop: what is measured here is wrong by so much at most."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(_TICK_SECONDS)
        late_ms.append((time.perf_counter() - before - _TICK_SECONDS) * 1e3)


async def herd(members: Sequence[Member], seconds: float) -> dict[str, Any]:
    for member in members:
        assert member.socket is not None
        member.socket.cut()
    started = time.perf_counter()
    back_seconds: list[float] = []

    async def come_back(member: Member) -> None:
        await member.connect()
        back_seconds.append(time.perf_counter() - started)

    async with asyncio.timeout(seconds):
        await asyncio.gather(*(come_back(member) for member in members))
    recovered = sum(member.recovered for member in members)
    return {"opened": len(members), "recovered": recovered, "back_seconds": sorted(back_seconds)}


MODES = {"idle": idle, "herd": herd}


async def _run(options: argparse.Namespace) -> None:
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, told.set)
    tokens = options.tokens.read_text().split()
    members = [
        Member(options.port, token, f"127.0.0.{1 + number % options.addresses}") for number, token in enumerate(tokens)
    ]
    for start in range(0, len(members), _OPENED_AT_ONCE):
        await asyncio.gather(*(member.connect() for member in members[start : start + _OPENED_AT_ONCE]))
    _say(READY)
    while True:
        await told.wait()
        told.clear()
        _say(orjson.dumps(await MODES[options.mode](members, options.seconds)))


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--addresses", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    uvloop.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
