"""What a process does by itself, as long as it lives: its loops, and the gauges that are read when somebody asks."""

from functools import partial
from typing import TYPE_CHECKING

from config import assistant, limits
from hub import history
from hub.redis.broker import RedisBroker
from hub.redis.wallet_follower import WalletFollower

if TYPE_CHECKING:
    from hub.services import Services


def watch(services: "Services") -> None:
    """Make the gauges."""
    watch = services.metrics.watch
    watch("connections", "Open connections", lambda: len(services.connections))
    watch("queue_bytes", "Bytes waiting in connections' queues", lambda: services.connections.queued_bytes)
    watch("streams_running", "Generations under way", lambda: len(services.streams))
    watch("mails_given_up", "Mails that could not be sent", lambda: services.mail.given_up)
    watch(
        "executions_at_work", "Executions that this process has a turn at", lambda: services.automation.engine.at_work
    )
    watch("tasks_failed", "Background tasks that ended with an exception", lambda: services.tasks.failures)
    watch("database_up", "Whether the database takes writes", lambda: float(services.database.up))


def start(services: "Services") -> None:
    """Start the loops; they end with `services.tasks`."""
    services.tasks.repeat(services.node.beat, limits.NODE_HEARTBEAT_SECONDS, "node heartbeat")
    services.tasks.repeat(services.sweeper.sweep, limits.SWEEP_SECONDS, "sweeper")
    services.tasks.start(services.purchases.run(), "pending payments")
    services.credits.recharges.start()
    services.tasks.start(services.request_stats.run(), "request figures")
    services.tasks.start(services.statistics.run(), "entry totals")
    services.insight.start(services.tasks)
    sweep_conversations = partial(history.sweep, services.database)
    services.tasks.repeat(sweep_conversations, assistant.CONVERSATION_SWEEP_SECONDS, "deleted conversations")
    services.tasks.start(services.identities.follow(), "revocations")
    services.tasks.repeat(services.identities.key_uses.write_due, limits.KEY_USE_LOOK_SECONDS, "uses of API keys")
    services.tasks.start(services.mail.run(), "mail jobs")
    services.notices.jobs.start()
    services.webhooks.start()
    services.analyser.analyses.start()
    services.automation.start()
    if isinstance(services.broker, RedisBroker):
        services.tasks.start(WalletFollower(services.database, services.broker).run(), "wallet follower")
    services.tasks.repeat(partial(_watch_ledger, services), limits.DRIFT_SECONDS, "ledger watch")
    services.tasks.start(services.monitor.run(services.connections, services.streams), "monitor")
    services.tasks.start(services.monitor.watch_waiting(services.database), "open holds and webhooks")


async def _watch_ledger(services: "Services") -> None:
    """One round of the drift monitor."""
    services.metrics.drift(await services.drift.check())
