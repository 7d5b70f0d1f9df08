"""What the nodes of one hub share: by Redis, or where there is none, in the memory of the only node."""

from config.settings import Settings
from hub.counters import Counters, MemoryCounters
from hub.realtime.broker import Broker, MemoryBroker
from hub.redis.broker import RedisBroker
from hub.redis.client import RedisClient
from hub.redis.counters import SharedCounters
from hub.redis.stream_logs import StreamLogs
from hub.tasks import Tasks


class Shared:
    """One per process."""

    def __init__(self, settings: Settings, tasks: Tasks) -> None:
        self._hub = settings.mongodb_database  # several hubs may share one Redis
        self._tasks = tasks
        self._redis = None if settings.redis_url is None else RedisClient(settings.redis_url)
        self.broker: Broker = MemoryBroker()
        if settings.redis_url is not None:
            self.broker = RedisBroker(settings.redis_url, self._hub, tasks)

    async def close(self) -> None:
        """After the tasks that send by it."""
        if self._redis is not None:
            await self._redis.close()

    def counters(self, what: str) -> Counters:
        if self._redis is None:
            return MemoryCounters()
        return SharedCounters(self._redis, f"{self._hub}:{what}", self._tasks)

    def stream_logs(self) -> StreamLogs | None:
        """A hub alone needs none: whoever follows its streams is connected to it."""
        return None if self._redis is None else StreamLogs(self._redis, self._hub, self._tasks)
