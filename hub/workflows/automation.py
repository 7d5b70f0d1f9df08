"""All of the workflows of one process, wired up."""

from collections.abc import Mapping

from config.catalogue import AiModel
from config.settings import Settings
from hub.ledger import Ledger
from hub.realtime.broker import Broker
from hub.safe_http import SafeHttp
from hub.sealed import Sealed
from hub.throttle import Throttle
from hub.workflows.executions import Executions
from hub.workflows.incoming import Incoming
from hub.workflows.progress import Progress
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
    ) -> None:
        sealed = Sealed(settings.jwt_secret, "workflows")
        progress = Progress(broker)
        self.workflows = Workflows(database, ledger, catalogue, http, sealed)
        self.executions = Executions(database, ledger, progress, lambda _: None)
        self.incoming = Incoming(database, self.workflows, self.executions, throttle)
