"""Metrics: what this process does, as Prometheus reads it. Updating one costs about a microsecond.

Nothing here names a user, a key or a text: labels come from fixed sets (API, status, AI model, provider).
"""

from collections.abc import Callable
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from config import limits
from config.catalogue import AiModel
from hub.errors import Code
from hub.prices import MICRO_PER_CREDIT, charge_micro
from hub.streams import Outcome, Stream
from hub.tally import Tally

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_OVERHEAD_SECONDS: Final = (0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 1)
_BATCHES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """One per process, with a registry of its own, so that tests may make several."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter("hub_requests_total", "Answered HTTP requests", "api", "status")
        self._latency = self._histogram("hub_request_seconds", "Time to the end of an answer", _SECONDS, "api")
        self._first_token = self._histogram("hub_first_token_seconds", "Time to a stream's first delta", _SECONDS)
        self._overhead = self._histogram("hub_overhead_seconds", "Our time over the provider's", _OVERHEAD_SECONDS)
        self._batches = self._histogram("hub_ledger_batch_operations", "Operations of one commit", _BATCHES)
        self._provider_errors = self._counter("hub_provider_errors_total", "Failed calls", "provider", "kind")
        self._generations = self._counter("hub_generations_total", "Ended generations", "model", "outcome")
        self._tokens = self._counter("hub_tokens_total", "Tokens settled", "model", "kind")
        self._charged = self._counter("hub_credits_charged_total", "Credits charged", "model")
        self._borne = self._counter("hub_credits_borne_total", "Cost above what was held, in credits: ours", "model")
        self._drift = self._gauge("hub_ledger_drift_wallets", "Wallets whose entries do not add up")
        self._holds = self._gauge("hub_holds_open", "Holds that are neither settled nor released")
        self._webhooks = self._gauge("hub_webhook_backlog", "Webhook deliveries that wait")
        self._notices = self._counter("hub_notices_total", "Notifications for mail and push", "medium", "outcome")
        self._notice_jobs = self._gauge("hub_notice_jobs_waiting", "Users to be told by a medium, each counted once")
        self._webhook_attempts = self._counter("hub_webhook_attempts_total", "Attempts at deliveries", "outcome")
        self._webhooks_dead = self._counter("hub_webhooks_dead_total", "Deliveries that were given up")
        self._webhook_age = self._gauge(
            "hub_webhook_oldest_seconds", "Age of the oldest event that waits for a webhook"
        )
        self._executions = self._counter("hub_executions_total", "Ended executions of workflows", "status")
        self._steps = self._counter("hub_steps_total", "Attempts at steps of executions", "type", "status")
        self._letters = self._counter("hub_workflow_letters_total", "Attempts at letters of workflows", "outcome")
        self._claims_lost = self._counter("hub_claims_lost_total", "Turns at executions that others took over")
        self._clients = self._counter("hub_client_requests_total", "Requests by X-Client-Version", "version")
        self._client_versions: set[str] = set()
        self._children: dict[tuple[str, int], Counter] = {}
        self.tally = Tally()  # the same since the last sample of the live monitoring
        self.holds_open = 0
        self.webhook_backlog = 0
        self.webhook_oldest_seconds = 0.0
        self.drifting = 0

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self._registry)

    # --- what happens ---------------------------------------------------------------------------------------

    def request(self, api: str, status: int, seconds: float, streamed: bool = False) -> None:
        child = self._children.get((api, status))
        if child is None:
            child = self._children[api, status] = self._requests.labels(api, str(status))
        child.inc()
        self._latency.labels(api).observe(seconds)
        self.tally.request(status, seconds, streamed)

    def client(self, version: str) -> None:
        """Count a client's version; those beyond the first fifty go as one, so that nobody makes labels without end."""
        if version not in self._client_versions:
            if len(self._client_versions) >= limits.CLIENT_VERSIONS_MAX:
                version = "other"
            else:
                self._client_versions.add(version)
        self._clients.labels(version).inc()

    def notices(self, medium: str, outcome: Literal["told", "failed", "given_up"], count: int) -> None:
        """Count notifications of one attempt; `failed` are tried again."""
        self._notices.labels(medium, outcome).inc(count)

    def batch(self, operations: int) -> None:
        self._batches.observe(operations)

    def webhook_attempt(self, delivered: bool, dead: bool) -> None:
        """An attempt at a delivery, which gave it up or not."""
        self._webhook_attempts.labels("delivered" if delivered else "failed").inc()
        self._webhooks_dead.inc(dead)
        self.tally.webhook(delivered)

    def step_ended(self, kind: str, status: str) -> None:
        """An attempt at a step of this type, which has ended or waits."""
        self._steps.labels(kind, status).inc()

    def execution_ended(self, status: str) -> None:
        self._executions.labels(status).inc()

    def claim_lost(self) -> None:
        self._claims_lost.inc()

    def workflow_letter(self, outcome: Literal["sent", "failed", "given_up"]) -> None:
        """An attempt at a letter of a workflow; `failed` are tried again."""
        self._letters.labels(outcome).inc()

    def generation_began(self, stream: Stream) -> None:
        """Its first delta is here."""
        if stream.first_token_seconds is not None:
            self._first_token.observe(stream.first_token_seconds)
            self.tally.counts.first_token.add(stream.first_token_seconds)
        if stream.trail.overhead_seconds is not None:
            self._overhead.observe(stream.trail.overhead_seconds)

    def generation_ended(self, model: AiModel, stream: Stream, outcome: Outcome) -> None:
        """Count a settled generation: how it ended, its tokens, what was charged and what we bear."""
        if outcome.error is not None and outcome.error.code in (Code.PROVIDER_FAILED, Code.PROVIDER_REFUSED):
            self._provider_errors.labels(model.provider, outcome.error.code.value).inc()
        self._generations.labels(model.id, outcome.finish_reason or "failed").inc()
        self._tokens.labels(model.id, "prompt").inc(outcome.usage.prompt_tokens)
        self._tokens.labels(model.id, "completion").inc(outcome.usage.completion_tokens)
        if outcome.receipt is not None:
            charged = outcome.receipt.charged
            self._charged.labels(model.id).inc(charged / MICRO_PER_CREDIT)
            cost = charge_micro(model, outcome.usage.prompt_tokens, outcome.usage.completion_tokens)
            self._borne.labels(model.id).inc(max(0, cost - charged) / MICRO_PER_CREDIT)

    # --- how things stand -----------------------------------------------------------------------------------

    def drift(self, wallets: int) -> None:
        self._drift.set(wallets)
        self.drifting = wallets

    def holds(self, count: int) -> None:
        self._holds.set(count)
        self.holds_open = count

    def webhooks_waiting(self, count: int, oldest_seconds: float) -> None:
        """How many deliveries wait, and since when the event of the first of them."""
        self._webhooks.set(count)
        self._webhook_age.set(oldest_seconds)
        self.webhook_backlog, self.webhook_oldest_seconds = count, oldest_seconds

    def notice_jobs_waiting(self, count: int) -> None:
        self._notice_jobs.set(count)

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A gauge that asks when it is read: connections, queue bytes, running streams."""
        self._gauge(f"hub_{name}", text).set_function(value)

    def exposition(self) -> bytes:
        """Everything, in Prometheus' text form."""
        return generate_latest(self._registry)
