"""Serving in this process: open everything, listen until told to end, and end in order.

Apart from `run.py`, because most commands and the supervisor of several workers need none of it: loaded, it is most of the
hub's code.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from tornado.httpserver import HTTPServer

from config import limits
from config.settings import Settings
from handlers.application import HubApplication, make_application, make_server
from hub.processes.expositions import Expositions
from hub.processes.told import Told
from hub.services import Services, open_services

log = structlog.get_logger("hub")


async def open_and_serve(
    settings: Settings, uri: str, told: Told, ready: Callable[[], None], worker: int | None = None
) -> None:
    """Return when told to end; `ready` is called once it listens, `worker` is which of several this process is."""
    opened = await open_services(settings, uri)
    told.opened()
    _spare_collector()
    try:
        await _serve_until_told(opened.services, told, ready, worker)
    finally:
        await opened.close()


def _spare_collector() -> None:
    """Keep what was loaded out of the garbage collector's rounds, and make these rarer: an eighth of a completion's CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(limits.GC_ALLOCATIONS, 50, 100)


async def _serve_until_told(services: Services, told: Told, ready: Callable[[], None], worker: int | None) -> None:
    """Listen until SIGTERM or SIGINT, then end in order: not ready, no new requests nor steps, streams, sockets."""
    settings = services.settings
    application = make_application(services)
    server = make_server(application)
    async with _sharing(application, worker):
        for port in settings.ports:
            server.listen(port, settings.host, reuse_port=worker is not None, backlog=limits.LISTEN_BACKLOG)
        log.info("the hub serves", address=settings.public_url, database=services.database.name, env=settings.env)
        ready()
        await told.stopping.wait()
        log.info("the hub stops")
        application.draining = True
        server.stop()
        services.automation.stop()  # else each step that ends while answers are waited for would begin the next one
        await _end_within(limits.DRAIN_SECONDS_MAX, services, server, told)


@asynccontextmanager
async def _sharing(application: HubApplication, worker: int | None) -> AsyncIterator[None]:
    """One of several workers leaves its figures for the others while the block runs."""
    if worker is None:
        yield
        return
    services = application.services
    figures = Expositions(services.settings.data_dir / "nodes", worker, services.metrics)
    await figures.write()
    services.tasks.repeat(figures.write, limits.EXPOSITION_SECONDS, "shared figures")
    application.expositions = figures
    try:
        yield
    finally:
        figures.close()


async def _end_within(seconds: float, services: Services, server: HTTPServer, told: Told) -> None:
    """What is not done by then is cut off when the services close; no client keeps the process from ending."""
    try:
        async with asyncio.timeout(seconds):
            moving = services.tasks.start(services.connections.move_all(), "moving")
            if not await told.unless_hurried(services.chat.drain(limits.DRAIN_STREAMS_SECONDS)):
                await services.chat.drain(0)  # they are stopped where they are, and settled
            await moving
            await services.connections.close_all()
            await server.close_all_connections()
    except TimeoutError:
        log.warning("some connections had to be cut off", seconds=seconds)
