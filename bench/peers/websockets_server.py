"""The Python package `websockets`, on uvloop as the hub is. python -m bench.peers.websockets_server PORT"""

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve


async def _serve(port: int) -> None:
    sockets: set[ServerConnection] = set()

    async def talk(socket: ServerConnection) -> None:
        sockets.add(socket)
        try:
            async for text in socket:
                broadcast(sockets, text)
        finally:
            sockets.discard(socket)

    async with serve(talk, "127.0.0.1", port, compression=None):
        sys.stdout.write("READY\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
