"""All of the workflows of one process, wired up."""

from collections.abc import Mapping, Sequence

from config.catalogue import AiModel
from config.settings import Settings
from hub.chat import Chat
from hub.closings import Closing
from hub.integrations.integrations import Integrations
from hub.ledger import Ledger
from hub.mail import Mailer
from hub.metrics import Metrics
from hub.realtime.broker import Broker
from hub.safe_http import SafeHttp
from hub.sealed import Sealed
from hub.tasks import Tasks
from hub.throttle import Throttle
from hub.workflows.executions import Executions
from hub.workflows.incoming import Incoming
from hub.workflows.post import Post
from hub.workflows.progress import Progress
from hub.workflows.running.answers import Answers
from hub.workflows.running.engine import Engine
from hub.workflows.running.runners.runners import runners_of
from hub.workflows.schedules import Schedules
from hub.workflows.workflows import Workflows
from models.database import Database


class Automation:
    """`workflows` and `executions` are their owners', `incoming` is what others send; the rest works by itself."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        ledger: Ledger,
        broker: Broker,
        catalogue: Mapping[str, AiModel],
        tasks: Tasks,
        node: str,
        metrics: Metrics,
        chat: Chat,
        http: SafeHttp,
        integrations: Integrations,
        mailer: Mailer,
        throttle: Throttle,
    ) -> None:
        self._tasks = tasks
        sealed = Sealed(settings.jwt_secret, "workflows")
        progress = Progress(broker)
        self.workflows = Workflows(database, ledger, catalogue, http, sealed)
        runners = runners_of(settings, database, chat, catalogue, http, integrations)
        self.post = Post(settings, database, mailer, tasks, node, metrics)
        answers = Answers(database, chat)
        self.engine = Engine(database, ledger, progress, runners, answers, tasks, node, metrics, self.post.wake)
        self.executions = Executions(database, ledger, progress, self.engine.wake)
        self.incoming = Incoming(database, self.workflows, self.executions, throttle)
        self.schedules = Schedules(database, self.executions, tasks)

    def start(self) -> None:
        self.schedules.start()
        self._tasks.start(self.engine.run(), "executions")
        self._tasks.start(self.post.run(), "letters of workflows")

    def stop(self) -> None:
        """Begin nothing more from now on. What is under way goes on until it is closed."""
        self.schedules.stop()
        self.engine.stop()
        self.post.stop()

    @property
    def closings(self) -> Sequence[tuple[str, Closing]]:
        """In the order of opening. What is under way is let end for a while, and others go on with the rest."""
        return (
            ("letters of workflows", self.post.close),
            ("executions of workflows", self.engine.close),
            ("schedules of workflows", self.schedules.close),
        )
