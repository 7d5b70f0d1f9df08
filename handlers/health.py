"""Whether the hub lives, whether it takes work, and its figures: for load balancers and Prometheus."""

from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST

from handlers.access import Access, public
from handlers.base import ApiHandler
from handlers.credentials import is_on_this_machine
from handlers.routing import Route
from handlers.terms import answers
from hub.errors import Code, HubError
from models.clock import now, timestamp

# That of setup.cfg: a hub that runs from its folder has no installed metadata that could be asked. A test compares the two.
HUB_VERSION: Final = "0.1.0"
_SERVICES_ALONE: Final = Access("service")


class Health(ApiHandler):
    """Answers as long as the process does; says nothing of the database."""

    @public
    def get(self) -> None:
        """Whether the hub lives."""
        self.send({"status": "healthy", "version": HUB_VERSION, "timestamp": timestamp(now())})


class Ready(ApiHandler):
    """200 while new work is welcome, 503 while the database is away or the process is about to end."""

    @public
    def get(self) -> None:
        """Whether new work is welcome."""
        if self.hub.draining or not self.services.database.up:
            raise HubError(Code.UNAVAILABLE, "Not ready", retry_after_seconds=1)
        self.answer({"status": "ready"})


class Figures(ApiHandler):
    """Prometheus' text form, of all workers; no label names a user. In production for this machine and our services."""

    async def prepare(self) -> None:
        """The mark says the most that is allowed; who asks from elsewhere in production is asked for the service's token."""
        if self._access is not None and self.services.settings.production and not is_on_this_machine(self.request):
            self._access = _SERVICES_ALONE
        await super().prepare()

    @public
    @answers(200, "text/plain", enveloped=False)
    async def get(self) -> None:
        """The hub's figures for Prometheus."""
        shared = self.hub.expositions
        text = await shared.exposition() if shared is not None else self.services.metrics.exposition()
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(text)


ROUTES = [
    Route("/api/health", Health, ("ai_assistant",), counted=False),
    Route("/readyz", Ready, ("smart_ai_hub",), counted=False),
    Route("/metrics", Figures, ("smart_ai_hub",), counted=False),
]
