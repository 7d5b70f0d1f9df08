"""All of the webhooks of one process, wired up."""

from config import outgoing
from config.settings import Settings
from hub.ledger import Ledger
from hub.metrics import Metrics
from hub.realtime.broker import Broker
from hub.safe_http import SafeHttp
from hub.tasks import Tasks
from hub.throttle import Throttle
from hub.webhooks.deliveries import Deliveries
from hub.webhooks.endpoints import WebhookEndpoints
from hub.webhooks.fan_out import FanOut
from hub.webhooks.receiver import Receiver
from hub.webhooks.sender import Sender
from models.database import Database


class Webhooks:
    """`endpoints` and `deliveries` are their owners', `receiver` takes what others send; the rest works by itself."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        ledger: Ledger,
        broker: Broker,
        metrics: Metrics,
        http: SafeHttp,
        tasks: Tasks,
        node: str,
        throttle: Throttle,
    ) -> None:
        self._ledger = ledger
        self._tasks = tasks
        self.endpoints = WebhookEndpoints(database, ledger, http, broker, tasks)
        self.sender = Sender(database, http, self.endpoints, broker, metrics, tasks, node)
        self.endpoints.on_change.append(self.sender.changed)
        rate = settings.credit_micro_usd
        self.fan_out = FanOut(database, rate, self.sender.queued, self.endpoints.tell_full, tasks)
        self.deliveries = Deliveries(database, self.endpoints, self.fan_out, self.sender, throttle, rate)
        self.receiver = Receiver(database, broker)

    async def open(self) -> None:
        """Learn what is to be delivered, before anything is committed for anybody. Raises `DatabaseError`."""
        self.endpoints.open()
        await self.endpoints.listen()
        self._ledger.on_commit.append(self.fan_out.committed)

    def start(self) -> None:
        self.fan_out.start()
        self._tasks.start(self.sender.run(), "webhooks")
        self._tasks.repeat(self.endpoints.listen, outgoing.HUB_LISTENS_SECONDS, "the hub's own webhooks")

    async def close(self) -> None:
        """Let the attempts that are under way end; others take up the rest at once."""
        await self.sender.close()
        await self.fan_out.close()
