"""All of the workflows of one process, wired up."""

from collections.abc import Mapping

from config.catalogue import AiModel
from config.settings import Settings
from hub.ledger import Ledger
from hub.realtime.broker import Broker
from hub.safe_http import SafeHttp
from hub.sealed import Sealed
from hub.tasks import Tasks
from hub.throttle import Throttle
from hub.workflows.executions import Executions
from hub.workflows.incoming import Incoming
from hub.workflows.progress import Progress
from hub.workflows.schedules import Schedules
from hub.workflows.workflows import Workflows
from models.database import Database


class Automation:
    """`workflows` and `executions` are their owners'; the rest works by itself."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        ledger: Ledger,
        broker: Broker,
        http: SafeHttp,
        catalogue: Mapping[str, AiModel],
        throttle: Throttle,
        tasks: Tasks,
    ) -> None:
        sealed = Sealed(settings.jwt_secret, "workflows")
        progress = Progress(broker)
        self.workflows = Workflows(database, ledger, catalogue, http, sealed)
        self.executions = Executions(database, ledger, progress, lambda _: None)
        self.incoming = Incoming(database, self.workflows, self.executions, throttle)
        self.schedules = Schedules(database, self.executions, tasks)

    def start(self) -> None:
        self.schedules.start()

    async def close(self) -> None:
        """Begin nothing more; what is under way is let end for a while, and others go on with the rest."""
        await self.schedules.close()
