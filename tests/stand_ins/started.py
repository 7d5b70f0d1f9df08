"""A stand-in for one test, in the loop of that test."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from tornado.ioloop import IOLoop


class StandIn(Protocol):
    @property
    def start(self) -> Callable[[], Awaitable[object]]: ...

    @property
    def stop(self) -> Callable[[], Awaitable[object]]: ...


S = TypeVar("S", bound=StandIn)


@contextmanager
def started(io_loop: IOLoop, made: S) -> Iterator[S]:
    io_loop.run_sync(made.start)
    yield made
    io_loop.run_sync(made.stop)
