"""The network between a client and the hub, as far as a test may tear it: a TCP proxy that can be cut, mended and dead.

Playwright's offline mode leaves open WebSockets alone, so a lost network has to be a real one. It never looks into what
passes.
"""

import socket
import threading

BLOCK_BYTES = 65_536


class Line:
    """Forwards every connection to one address, until it is cut; then it ends them all and takes no new one."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._whole = True
        self._swallows = False
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def cut(self) -> None:
        """Clients see their connections reset and new ones refused."""
        with self._lock:
            self._whole = False
            ends = tuple(self._open)
        for end in ends:
            _shut(end)

    def mend(self) -> None:
        with self._lock:
            self._whole = True

    def swallow(self) -> None:
        """From now on nothing arrives, not even the end: each side's bytes are acknowledged, and it hears no more."""
        self._swallows = True

    def close(self) -> None:
        self.cut()
        _shut(self._listener)
        self._accepting.join()

    def _accept(self) -> None:
        with self._listener:
            while True:
                try:
                    near, _ = self._listener.accept()
                except OSError:
                    return  # shut
                self._join(near)

    def _join(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self._target)
        except OSError:
            near.close()  # the hub is down: the client learns it as it would without this line
            return
        with self._lock:
            self._open |= {near, far}
            whole = self._whole
        if not whole:
            _shut(near)
            _shut(far)
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while block := source.recv(BLOCK_BYTES):
                if not self._swallows:
                    sink.sendall(block)
        except OSError:
            pass  # the line was cut, or one end left: either way both end
        finally:
            if not self._swallows:
                _shut(sink)
            with self._lock:
                self._open.discard(source)
            source.close()


def _shut(end: socket.socket) -> None:
    """Wakes whoever waits on it; only its own pump closes it, so that no number is closed twice."""
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it already ended
