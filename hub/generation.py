"""The one completion path: an async iterator from a decided `Job` to its settled `Outcome`.

    hold (first lease)  ||  provider's call      both start at once, the call after the hold where a key guards it;
                                                    nothing is relayed before the hold stands
      -> deltas, counted and relayed             -> a renewal in the background when the lease runs low or a
                                                    checkpoint is due; at zero credits the stream ends there
      -> settlement with the message, usage row and event, in one transaction

JSON, SSE and WebSocket all drive this function; nothing else calls a provider.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from config import limits
from hub.chat_records import Closing, Ending, Job, closing, opening
from hub.errors import Code, HubError
from hub.lease import Lease
from hub.ledger import Hold, Ledger
from hub.meter import Meter
from hub.operations import PlaceHold
from hub.prices import charge_micro, tokens_affordable
from hub.providers.base import Delta, Finish, Provider, ProviderCall, ProviderError, ProviderEvent, Usage
from hub.streams import Outcome
from models.ids import new_id

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """New deltas, and what the whole answer costs so far in micro-credits."""

    deltas: list[Delta]
    cost: int


class Admitted:
    """The hold stands: from here on the answer is paid for."""


Step = Admitted | Progress | Outcome


def generate(job: Job, provider: Provider, ledger: Ledger, node: str) -> AsyncGenerator[Step, None]:
    """Yield `Admitted`, then `Progress` as it comes, then one `Outcome`.

    Raises `HubError` before `Admitted` only: the hold was refused. A later failure is an `Outcome` with an error. When
    the driving task is cancelled with `job.stream.stopping` set, what was produced is settled and the outcome yielded:
    an error where the stream has a `stop_error`, else `cancelled`.
    """
    make = _stream if job.streamed else _complete
    return make(_Work(job, provider, ledger, node))


@dataclass(slots=True)
class _Work:
    """The state of one running generation."""

    job: Job
    provider: Provider
    ledger: Ledger
    node: str
    meter: Meter = field(init=False)
    started: float = field(default_factory=time.monotonic)
    first_read: float | None = None  # when the provider's first answer was there
    finish_reason: str | None = None
    exhausted: bool = False
    error: HubError | None = None

    def __post_init__(self) -> None:
        self.meter = Meter(self.job.model, self.job.prompt_tokens, self.job.answer_tokens_max)

    def place(self, want_tokens: int) -> PlaceHold:
        """The first reservation: the prompt and `want_tokens` of answer, at least one."""
        job, model, tokens = self.job, self.job.model, self.job.prompt_tokens
        return PlaceHold(
            hold=job.hold or new_id("hold"),
            wallet=job.user,
            want=charge_micro(model, tokens, want_tokens),
            at_least=charge_micro(model, tokens, 1),
            node=self.node,
            expires_at=job.created_at + timedelta(seconds=limits.HOLD_SECONDS),
            stream=job.stream.id,
            message=job.stream.message,
            model=model.id,
            prompt_tokens=tokens,
            budgets=job.budgets,
            quota=job.quota,
            hops=job.hops,
        )

    def call(self, max_tokens: int) -> ProviderCall:
        job = self.job
        trail = job.stream.trail
        return ProviderCall(
            *(job.model.upstream, job.prompt, max_tokens, job.parameters),
            choices=job.choices,
            native=job.native,
            trail=trail,
        )

    def take(self, events: list[ProviderEvent]) -> list[Delta]:
        """Sort a batch: deltas are returned and counted, usage and finish reason are kept."""
        deltas: list[Delta] = []
        for event in events:
            if type(event) is Delta:
                deltas.append(event)
            elif type(event) is Usage:
                self.meter.provider_usage = event
            elif type(event) is Finish:
                self.finish_reason = event.reason
        if deltas:
            self.meter.count(deltas)
            if not self.job.stream.deltas:
                self._time_first_token()
        return deltas

    def _time_first_token(self) -> None:
        """Ours is the time before the call and that between the provider's first read and now, when it is relayed."""
        relayed = time.monotonic()
        stream, received = self.job.stream, self.job.received
        stream.first_token_seconds = relayed - received
        if self.first_read is not None:
            stream.trail.overhead_seconds = self.started - received + relayed - self.first_read

    def ending(self) -> Ending:
        """How it ended, and what usage is charged: none where nothing came of it."""
        stream = self.job.stream
        reason, detail, error = self._why()
        usage, source = self.meter.believed()
        if not stream.deltas and reason in (None, "cancelled"):
            usage = Usage(0, 0)
        if self.meter.absurd():
            log.error("impossible usage", model=self.job.model.id, said=repr(self.meter.provider_usage), counted=usage)
        first = stream.first_token_seconds
        first_ms = None if first is None else int(first * 1_000)
        return Ending(reason, usage, source, detail, error, first_ms)

    def _why(self) -> tuple[str | None, str | None, HubError | None]:
        """Finish reason, detail and error: failed, out of credits, stopped before its end, or as the provider says."""
        stream = self.job.stream
        if self.error is not None:
            return None, None, self.error
        if self.exhausted:
            return "length", "insufficient_credits", None
        if stream.stopping and self.finish_reason is None:
            return None if stream.stop_error else "cancelled", None, stream.stop_error
        return self.finish_reason, None, None


async def _stream(work: _Work) -> AsyncGenerator[Step, None]:
    calling = work.provider.stream(work.call(work.job.max_tokens))
    stands = asyncio.Event()
    if not _may_be_refused(work.job):
        stands.set()
    first = asyncio.ensure_future(_first(work, calling, stands))
    try:
        records = opening(work.job)
        first_tokens = min(work.job.answer_tokens_max, limits.FIRST_LEASE_TOKENS)
        async with work.ledger.hold(
            work.place(first_tokens), records.inserts, records.updates, records.events, records.size_bytes, records.undo
        ) as hold:
            stands.set()
            yield Admitted()
            lease = Lease(work.job, work.meter, hold)
            with _breaking_off(work):
                async with asyncio.timeout(limits.GENERATION_SECONDS_MAX):
                    async for progress in _relay(work, lease, calling, first):
                        yield progress
            await _give_up(calling, first)
            await lease.end()
            yield await _settle(work, hold, work.ending())
    finally:
        await _give_up(calling, first)


def _may_be_refused(job: Job) -> bool:
    """By something that nobody looked at before: then the provider is not asked until the hold stands.

    A twin may be taking the same key just now, and a quota may be used up.
    """
    return job.idempotency is not None or (job.quota is not None and job.quota.binds)


async def _first(
    work: _Work, calling: AsyncIterator[list[ProviderEvent]], stands: asyncio.Event
) -> list[ProviderEvent] | None:
    await stands.wait()
    work.started = time.monotonic()
    batch = await _next(calling)
    work.first_read = time.monotonic()
    return batch


async def _next(calling: AsyncIterator[list[ProviderEvent]]) -> list[ProviderEvent] | None:
    try:
        return await anext(calling)
    except StopAsyncIteration:
        return None


async def _relay(
    work: _Work,
    lease: Lease,
    calling: AsyncIterator[list[ProviderEvent]],
    first: asyncio.Future[list[ProviderEvent] | None],
) -> AsyncIterator[Progress]:
    """Relay batches until the provider finishes or the credits end."""
    batch = None if work.job.stream.stopping else await first
    while batch is not None:
        deltas = work.take(batch)
        if deltas:
            if lease.is_short:
                deltas = await _affordable(work, lease, deltas)
            yield Progress(deltas, lease.cost)
            if lease.exhausted:
                work.exhausted = True
                return
            lease.renew_in_time()
        batch = await _next(calling)


async def _affordable(work: _Work, lease: Lease, deltas: list[Delta]) -> list[Delta]:
    """As much of the batch as can be paid for. What breaks the wait off leaves it unrelayed, and so uncounted."""
    try:
        return await lease.afford(deltas)
    except BaseException:
        work.meter.drop_batch()
        work.finish_reason = None
        raise


async def _complete(work: _Work) -> AsyncGenerator[Step, None]:
    """Unstreamed: hold for the whole answer, lowered to what the wallet can pay by lowering `max_tokens`."""
    job = work.job
    records = opening(job)
    async with work.ledger.hold(
        work.place(job.answer_tokens_max),
        records.inserts,
        records.updates,
        records.events,
        records.size_bytes,
        records.undo,
    ) as hold:
        yield Admitted()
        with _breaking_off(work):
            if not job.stream.stopping:
                async with asyncio.timeout(limits.GENERATION_SECONDS_MAX):
                    progress = await _answer(work, hold)
                yield progress
        yield await _settle(work, hold, work.ending())


async def _answer(work: _Work, hold: Hold) -> Progress:
    """The whole answer as one delta."""
    job = work.job
    paid_for = tokens_affordable(job.model, hold.amount, job.prompt_tokens) // job.choices
    affordable = max(1, min(job.max_tokens, paid_for))
    work.started = time.monotonic()
    completion = await work.provider.complete(work.call(affordable))
    work.first_read = time.monotonic()
    first = Delta(completion.content, completion.extra)
    events: list[ProviderEvent] = [first, *completion.others, Finish(completion.finish_reason)]
    if completion.usage is not None:
        events.append(completion.usage)
    deltas = work.take(events)
    work.exhausted = completion.finish_reason == "length" and affordable < work.job.max_tokens
    return Progress(deltas, work.meter.cost)


async def _settle(work: _Work, hold: Hold, ending: Ending) -> Outcome:
    """Charge what was used, together with everything that must be true at the end."""
    job = work.job
    charge = charge_micro(job.model, ending.usage.prompt_tokens, ending.usage.completion_tokens)
    records: Closing = closing(job, ending)
    receipt = await hold.settle(
        charge,
        f"{job.model.name} usage",
        {
            "model": job.model.id,
            "provider": job.model.provider,
            "stream": job.stream.id,
            "api": job.api,
            "tokens": _total(ending.usage),
        },
        fruitless=ending.is_our_failure and not job.stream.deltas,
        inserts=records.inserts,
        updates=records.updates,
        deletes=records.deletes,
        events=records.events,
        size_bytes=records.size_bytes,
    )
    return ending.outcome(receipt)


def _total(usage: Usage) -> int:
    return usage.prompt_tokens + usage.completion_tokens


@contextmanager
def _breaking_off(work: _Work) -> Iterator[None]:
    """Keep whatever breaks the answer off in `work.error`: what was produced is settled all the same."""
    try:
        yield
    except ProviderError as failure:
        work.error = provider_failure(failure)
    except HubError as failure:
        work.error = failure
    except TimeoutError:
        work.error = HubError(Code.PROVIDER_FAILED, "The answer took too long")
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()  # it has done its work; the settlement must not be cancelled too
        if not work.job.stream.stopping:
            work.error = HubError(Code.UNAVAILABLE, "The hub is shutting down")
    except Exception:
        log.exception("generation broke", stream=work.job.stream.id)
        work.error = HubError(Code.INTERNAL, "The answer broke off")
    work.job.stream.settling = True


async def _give_up(
    calling: AsyncIterator[list[ProviderEvent]], first: asyncio.Future[list[ProviderEvent] | None]
) -> None:
    """End the provider's call, whatever it is doing; harmless when it has ended."""
    if not first.done():
        first.cancel()
        await asyncio.wait([first])
    elif not first.cancelled():
        first.exception()  # seen
    close = getattr(calling, "aclose", None)
    if close is not None:
        await close()


def provider_failure(failure: ProviderError) -> HubError:
    """A provider's failure in our words."""
    code = Code.PROVIDER_REFUSED if failure.request_is_wrong else Code.PROVIDER_FAILED
    return HubError(code, failure.message, retry_after_seconds=failure.retry_after_seconds)
