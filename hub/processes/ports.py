"""Ports that several processes serve: looked at before anything is started, then listened on by each worker for itself.

The kernel gives each connection to one of those that listen at the moment, evenly. A worker that dies takes none with it
that another would serve, which a queue held open for it would.
"""

import asyncio
import errno
from collections.abc import Sequence

from tornado.netutil import bind_sockets

from config import limits


async def until_free(ports: Sequence[int], host: str) -> None:
    """Return when nobody listens there. Raises `OSError` for a port that is kept, or may not be had.

    A listener that shares its port would let us in beside it unasked: this looks without sharing. The workers of a
    supervisor that was killed leave at once, and are waited for.
    """
    deadline = asyncio.get_running_loop().time() + limits.PORT_SECONDS_MAX
    for port in ports:
        while not _is_free(port, host, last=asyncio.get_running_loop().time() > deadline):
            await asyncio.sleep(0.05)


def _is_free(port: int, host: str, last: bool) -> bool:
    try:
        looks = bind_sockets(port, host)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and not last:
            return False
        raise OSError(error.errno, f"{host}:{port} cannot be listened on: {error.strerror}") from None
    for look in looks:
        look.close()
    return True
