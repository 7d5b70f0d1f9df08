"""Chat: what a caller asks for, made into a running stream; and finding, stopping and abandoning streams.

    ChatRequest --start()--> Job --generate()--> Stream <--follow-- SSE, WebSocket, JSON

The generation belongs to the hub, not to the connection that asked for it: it runs as its own task and is settled
whatever becomes of its followers.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from weakref import WeakValueDictionary

import structlog

from config import limits
from config.catalogue import AiModel
from config.plans import Plans
from hub import belongings, budgets, prompts
from hub.ai_models import chat_model, provider_of
from hub.budgets import Budget
from hub.chat_records import Job, outcome_of
from hub.chat_request import ChatRequest, job_of
from hub.errors import Code, HubError
from hub.generation import Admitted, Progress, generate
from hub.idempotency import IdempotencyKey, KeyTaken
from hub.identity import Identity
from hub.key_limits import budgets_of, check_model
from hub.ledger import Ledger
from hub.metrics import Metrics
from hub.operations import WalletState
from hub.prices import charge_micro
from hub.providers.base import Provider, Usage
from hub.providers.registry import Providers
from hub.quotas import is_counted, quota_for
from hub.realtime.broker import REVOCATIONS, Broker, Publication
from hub.redis.stream_logs import StreamLogs
from hub.remote_streams import RemoteStreams
from hub.revocations import Revocations, ends
from hub.streams import Outcome, Stream, Streams, replayed
from hub.tasks import Tasks
from hub.token_rates import TokenRates
from models import conversations, followers, idempotency
from models.clock import now
from models.database import Database, DatabaseError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Started:
    """A stream to follow. `repeated`: it belongs to an earlier request with the same idempotency key."""

    stream: Stream
    repeated: bool = False


class Chat:
    """Starts generations and keeps hold of them. One per process."""

    def __init__(
        self,
        *,
        database: Database,
        ledger: Ledger,
        streams: Streams,
        catalogue: Mapping[str, AiModel],
        plans: Plans,
        providers: Providers,
        tasks: Tasks,
        metrics: Metrics,
        node: str,
        revocations: Revocations,
        remote: RemoteStreams,
        logs: StreamLogs | None,
        token_rates: TokenRates,
        grace_seconds: float = limits.DISCONNECT_GRACE_SECONDS,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._streams = streams
        self._catalogue = catalogue
        self._plans = plans
        self._providers = providers
        self._tasks = tasks
        self._metrics = metrics
        self._node = node
        self._revocations = revocations
        self.remote = remote  # streams of other nodes
        self._logs = logs
        self._token_rates = token_rates
        self._grace_seconds = grace_seconds
        self._draining = False
        self._keys: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # those that are being looked at

    def open(self, broker: Broker) -> None:
        """Hear of revocations: a credential that is withdrawn generates nothing more."""
        broker.subscribe(REVOCATIONS, self._revoked)

    async def close(self, broker: Broker) -> None:
        """Stop and settle what still runs; the ledger is open for as long."""
        broker.unsubscribe(REVOCATIONS, self._revoked)
        await self.drain(0)

    async def start(self, identity: Identity, request: ChatRequest) -> Started:
        """Begin a generation and return once its hold stands, or find the one that this request began before.

        Raises `HubError`: MODEL_NOT_FOUND, INVALID, NOT_FOUND (conversation or project), INSUFFICIENT_CREDITS,
        RATE_LIMITED, UNAVAILABLE, KEY_REUSED.
        """
        received = time.monotonic()
        if request.idempotency is None:
            return await self._begin(identity, request, received)
        return await self._begin_once(identity, request, request.idempotency, received)

    async def _begin(self, identity: Identity, request: ChatRequest, received: float) -> Started:
        job, provider = await self._prepare(identity, request)
        job.received = received
        self._check_room(identity, request)  # others may have started meanwhile
        await self._launch(job, provider)
        return Started(job.stream)

    async def _begin_once(
        self, identity: Identity, request: ChatRequest, key: IdempotencyKey, received: float
    ) -> Started:
        """Twins in this process come in one by one, so that only one takes room; one on another node finds the key taken."""
        async with self._keys.setdefault(key.id, asyncio.Lock()):
            earlier = await self._earlier(identity, key)
            if earlier is not None:
                return earlier
            try:
                return await self._begin(identity, request, received)
            except KeyTaken:
                earlier = await self._earlier(identity, key)
                if earlier is None:
                    raise
                return earlier

    async def _earlier(self, identity: Identity, key: IdempotencyKey) -> Started | None:
        record = await idempotency.record(self._database, key.id)
        if record is None:
            return None
        key.check(record)
        return Started(await self.find(identity, record["stream"]), repeated=True)

    async def _prepare(self, identity: Identity, request: ChatRequest) -> tuple[Job, Provider]:
        """Everything that can be refused before anything is held."""
        self._check_room(identity, request)
        belonging = await belongings.of(self._database, identity.user_id, request)
        model = chat_model(self._catalogue, belonging.model_for(request))
        provider = provider_of(self._providers, model)
        check_model(identity, model.id)
        prompt = await prompts.of(self._database, model, request, belonging.conversation)
        held_to = (*budgets_of(identity), *belonging.budgets)
        await self._check_funds(identity, held_to, charge_micro(model, prompt.tokens, 1))
        quota, is_sandbox = quota_for(self._plans, identity, request.api), self._providers.is_sandbox(model)
        job = job_of(identity, request, model, prompt, sandbox=is_sandbox, budgets=held_to, quota=quota)
        return job, provider

    def _check_room(self, identity: Identity, request: ChatRequest) -> None:
        if self._draining:
            raise _shutting_down()
        if len(self._streams) >= limits.STREAMS_RUNNING_MAX:
            raise HubError(Code.UNAVAILABLE, "The hub has as many streams as it can carry", retry_after_seconds=1)
        most = limits.QUOTA_STREAMS_PER_USER_MAX if is_counted(request.api) else limits.STREAMS_PER_USER_MAX
        if self._streams.running_by(identity.user_id) >= most:
            message = f"At most {most} answers at once"
            raise HubError(Code.RATE_LIMITED, message, retry_after_seconds=1)

    async def _check_funds(self, identity: Identity, held_to: Sequence[Budget], price_micro: int) -> None:
        """Refuse what wallet or budgets cannot pay before the provider is asked, whom nobody would pay for that; the hold
        decides about everything else.
        """
        known = self._ledger.last_known(identity.user_id)
        if known is None:
            return
        try:
            _check_pays(known, held_to, price_micro)
        except HubError:  # another node may have filled it
            _check_pays(await self._ledger.wallet(identity.user_id), held_to, price_micro)

    async def _launch(self, job: Job, provider: Provider) -> None:
        """Run the generation as its own task; return when its hold stands, raise what refused it."""
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        stream = job.stream
        self._streams.add(stream)
        stream.task = self._tasks.start(self._run(job, provider, admitted), f"generation {stream.id}")
        await admitted

    async def _run(self, job: Job, provider: Provider, admitted: asyncio.Future[None]) -> None:
        stream = job.stream
        try:
            async with (
                self._token_rates.counted(job),  # before it is generated: it may lower `max_tokens`
                aclosing(generate(job, provider, self._ledger, self._node)) as steps,
            ):
                async for step in steps:
                    if isinstance(step, Progress):
                        self._progress(job, step)
                    elif isinstance(step, Admitted):
                        stream.admitted = True
                        _answer(admitted)
                    else:
                        self._metrics.generation_ended(job.model, stream, step)
                        stream.finish(step)
                        self._log(job)
        except HubError as error:
            if stream.admitted:
                raise
            _answer(admitted, error)
        finally:
            _answer(admitted, HubError(Code.INTERNAL, "The generation could not start"))
            self._end(stream)

    def _progress(self, job: Job, step: Progress) -> None:
        stream = job.stream
        if not stream.deltas:
            self._metrics.generation_began(stream)
        stream.append(step.deltas, step.cost)
        self._log(job)

    def _log(self, job: Job) -> None:
        """For the other nodes, where there may be any; an answer that nobody can ask for before its end needs no log."""
        if self._logs is not None and not job.written_once:
            self._logs.grew(job.stream)

    def _end(self, stream: Stream) -> None:
        if stream.outcome is not None:
            self._streams.retire(stream)
            return
        self._streams.discard(stream)
        if stream.admitted:  # its settlement failed: the sweeper charges the last checkpoint
            error = HubError(Code.INTERNAL, "The answer broke off; what was stored of it will be settled")
            stream.finish(Outcome(None, Usage(0, 0), "counted", None, None, error))

    async def find(self, identity: Identity, stream_id: str, after: int = 0) -> Stream:
        """A stream of this user, running or finished, here or on another node; `after` is how much of it its reader has.

        Raises `HubError`: NOT_FOUND for everybody else's, UNAVAILABLE.
        """
        stream = self._streams.get(stream_id)
        if stream is not None and stream.user == identity.user_id:
            return stream
        message = await conversations.message_of_stream(self._database, stream_id)
        if message is None or message["user"] != identity.user_id:
            raise HubError(Code.NOT_FOUND, "No such stream")
        if message["status"] == "streaming":
            return await self.remote.find(message, after)
        return replayed(message, outcome_of(message))

    async def stop(self, identity: Identity, stream_id: str) -> Stream:
        """End a generation, whichever node it runs on; what was produced is kept and charged. Stopping a finished one
        changes nothing. Raises `HubError` as `find` does, and `DatabaseError`.
        """
        stream = await self.find(identity, stream_id)
        if stream.task is not None or stream.outcome is not None:
            self._stop(stream)
            return stream
        await self._stop_elsewhere(stream)
        return await self.find(identity, stream_id)  # writing took its time: whoever follows it now is to see the end

    async def give_up(self, user: str, stream_id: str) -> None:
        """The same of an answer that nobody can ask for before its end (`written_once`). Raises `DatabaseError`."""
        stream = self._streams.get(stream_id)
        if stream is not None and stream.user == user:
            self._stop(stream)
        else:
            await self._revocations.stop(user, stream_id)

    async def _stop_elsewhere(self, stream: Stream) -> None:
        """Once: its node hears of it for certain."""
        if stream.stopping:
            return
        stream.stopping = True
        try:
            await self._revocations.stop(stream.user, stream.id)
        except BaseException:
            stream.stopping = False
            raise

    def _revoked(self, channel: str, publication: Publication) -> None:
        """A credential that is withdrawn generates nothing more; a stop that another node was asked for is done here."""
        for stream in self._streams.running_of(publication.data["user"]):
            if publication.data.get("stream") == stream.id:
                self._stop(stream)
            elif ends(publication, stream.credential):
                self._stop(stream, HubError(Code.UNAUTHENTICATED, "The credential that asked for this was withdrawn"))

    def _stop(self, stream: Stream, error: HubError | None = None) -> None:
        """End it; what was produced is settled. `error` says why, where it is not its user's wish."""
        if stream.task is None or stream.settling or stream.stopping:
            return
        stream.stopping, stream.stop_error = True, error
        if stream.admitted:
            stream.task.cancel()

    def left(self, stream: Stream) -> None:
        """A follower has gone: a stream that nobody follows and that is to be cancelled then ends after a grace."""
        if stream.on_disconnect != "cancel" or stream.followers or stream.outcome is not None:
            return
        if stream.abandoned is None:
            loop = asyncio.get_running_loop()
            stream.abandoned = loop.call_later(self._grace_seconds, self._abandon, stream)

    def _abandon(self, stream: Stream) -> None:
        self._tasks.start(self._stop_unless_followed(stream), f"{stream.id} abandoned")

    async def _stop_unless_followed(self, stream: Stream) -> None:
        """Its reader may have come back to another node; where that cannot be asked, nobody has."""
        with contextlib.suppress(DatabaseError):
            seconds = max(self._grace_seconds, 2 * limits.FOLLOWED_SECONDS)
            if await followers.is_followed(self._database, stream.id, seconds):
                self.prolong(stream)
                return
        if not stream.followers:
            self._stop(stream)

    def prolong(self, stream: Stream) -> None:
        """Somebody asked after it: one that waits for its reader to come back waits anew."""
        if stream.abandoned is not None:
            stream.abandoned.cancel()
            stream.abandoned = None
            self.left(stream)

    async def drain(self, seconds: float) -> None:
        """Start nothing more, let running answers end for so long, then settle what they have."""
        self._draining = True
        running = [stream.task for stream in self._streams.running if stream.task is not None]
        if running:
            await asyncio.wait(running, timeout=seconds)
        for stream in self._streams.running:
            self._stop(stream, _shutting_down())
        running = [stream.task for stream in self._streams.running if stream.task is not None]
        if running:
            await asyncio.wait(running, timeout=limits.DATABASE_DOWN_WAIT_SECONDS)


def _check_pays(wallet: WalletState, held_to: Sequence[Budget], price_micro: int) -> None:
    """Raises `HubError` as placing a hold does."""
    if wallet.available < price_micro:
        raise HubError(Code.INSUFFICIENT_CREDITS, "Not enough credits for this request")
    budgets.check(wallet.budgets, held_to, price_micro, now())


def _shutting_down() -> HubError:
    return HubError(Code.UNAVAILABLE, "The hub is shutting down", retry_after_seconds=2)


def _answer(admitted: asyncio.Future[None], error: HubError | None = None) -> None:
    """Tell the caller once, if it still waits."""
    if admitted.done():
        return
    if error is None:
        admitted.set_result(None)
    else:
        admitted.set_exception(error)
