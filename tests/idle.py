"""Many clients who are there and do nothing, in a process of their own: `python -m tests.idle`.

The first line of standard input has `{"port", "tokens"}`; each further one with a number opens so many more sockets and is
answered with how many are open. At the end of the input each is asked for a sign of life, and the last line of the output
is `{"alive": who gave one, "pings": how often the hub asked for one}`. They come from many addresses of this machine.
"""

import asyncio
import itertools
import json
import sys
from typing import Any

from bench.load_ws import Socket, open_socket, upgrade

ADDRESSES = 100
AT_ONCE = 40  # far fewer than may be on their way to being connected
LIFE_SECONDS_MAX = 30.0
_numbers = itertools.count()


class Idle(Socket):
    """It counts the pings that it answers."""

    pings = 0

    def _frame(self, opcode: int, payload: bytes) -> None:
        self.pings += opcode == 9
        super()._frame(opcode, payload)


async def _connected(port: int, token: str) -> Idle:
    socket = await open_socket(
        port, lambda: Idle(upgrade(port, token=token)), f"127.0.1.{1 + next(_numbers) % ADDRESSES}"
    )
    assert isinstance(socket, Idle)
    await socket.ask(b'{"id":1,"type":"connect"}', b'"connected"')
    return socket


async def _is_alive(socket: Idle) -> bool:
    if socket.ended:
        return False
    try:
        async with asyncio.timeout(LIFE_SECONDS_MAX):
            return b'"id":2' in await socket.ask(b'{"id":2,"type":"ping"}', b'"id":2')
    except (OSError, TimeoutError):
        return False


async def main() -> None:
    given: dict[str, Any] = json.loads(sys.stdin.readline())
    tokens, sockets = iter(given["tokens"]), list[Idle]()
    while line := await asyncio.to_thread(sys.stdin.readline):
        wanted = list(itertools.islice(tokens, int(line)))
        for at in range(0, len(wanted), AT_ONCE):
            sockets += await asyncio.gather(*(_connected(given["port"], each) for each in wanted[at : at + AT_ONCE]))
        _say(str(len(sockets)))
    alive = sum(await asyncio.gather(*map(_is_alive, sockets)))
    _say(json.dumps({"alive": alive, "pings": sum(socket.pings for socket in sockets)}))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
