"""What a process is told by signals: to end in order, and then to hurry with it."""

import asyncio
import signal
from collections.abc import Awaitable


class Told:
    """SIGTERM and SIGINT from now on: the first ends the hub in order, even while it opens; the second hurries its end."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self._hurried = False
        self._patience: asyncio.Timeout | None = None
        self._opening = asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._signal)

    def opened(self) -> None:
        """From now on an end is waited for, and cancels nothing."""
        self._opening = None

    def end(self) -> None:
        """As the first signal does; hurries nobody."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        if self._opening is not None:
            self._opening.cancel()

    async def unless_hurried(self, work: Awaitable[None]) -> bool:
        """Wait for it until the second signal; whether it was done."""
        try:
            async with asyncio.timeout(0 if self._hurried else None) as self._patience:
                await work
        except TimeoutError:
            return False
        finally:
            self._patience = None
        return True

    def _signal(self) -> None:
        if not self.stopping.is_set():
            self.end()
            return
        self._hurried = True
        if self._patience is not None:
            self._patience.reschedule(0)
