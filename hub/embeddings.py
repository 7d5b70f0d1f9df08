"""Embeddings: texts made into vectors, paid like an answer: counted, held, asked for, settled.

    hold (the price of all texts) -> provider -> settlement with usage row, totals and the idempotency key's reply

There is no stream: whoever asked gets all vectors or a failure, and a failure costs nothing.
"""

import asyncio
import base64
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from config import limits
from config.catalogue import AiModel
from hub.ai_models import embedding_model, provider_of
from hub.chat_records import receipt_document, receipt_view
from hub.errors import Code, HubError, invalid
from hub.generation import provider_failure
from hub.idempotency import IdempotencyKey, replied, withdrawn
from hub.identity import Identity
from hub.key_limits import budgets_of, check_model
from hub.ledger import Hold, Ledger, Undo
from hub.operations import NewEvent, PlaceHold, Receipt, Update
from hub.prices import charge_micro
from hub.providers.base import EmbeddingCall, Embeddings, Provider, ProviderError, Trail
from hub.providers.openai_embeddings import FLOAT_BYTES
from hub.providers.registry import Providers
from hub.token_rates import TokenRates
from hub.tokens import PIECE_CHARS, count_text, is_exact
from hub.usage_records import fruitless, used
from models.clock import milliseconds, now
from models.database import Document
from models.ids import new_id


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """Texts or lists of token ids, as `handlers/ai_aggregator/embeddings.py` lets them through."""

    model: str
    api: str
    endpoint: str
    inputs: Sequence[str | Sequence[int]]
    dimensions: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)  # OpenAI's other fields, passed on
    hops: int = 0  # workflows that led to it


@dataclass(frozen=True, slots=True)
class _Work:
    """One request with everything about it that has been decided."""

    id: str
    identity: Identity
    model: AiModel
    api: str
    endpoint: str
    call: EmbeddingCall
    tokens: int  # as counted here
    created_at: datetime
    key: IdempotencyKey | None
    hops: int = 0


class Embedder:
    """Makes embeddings; one per process."""

    def __init__(
        self,
        ledger: Ledger,
        catalogue: Mapping[str, AiModel],
        providers: Providers,
        token_rates: TokenRates,
        node: str,
    ) -> None:
        self._ledger = ledger
        self._catalogue = catalogue
        self._providers = providers
        self._token_rates = token_rates
        self._node = node
        self._running: Counter[str] = Counter()  # by user
        self._running_bytes = 0  # of their vectors

    async def embed(
        self, identity: Identity, request: EmbeddingRequest, key: IdempotencyKey | None, trail: Trail
    ) -> Document:
        """`{model, sandbox, vectors, prompt_tokens, usage_source, receipt}`: each vector's 32-bit floats in base64, the
        receipt as it is stored. `trail` is told the way that the call takes. To be called within the request's `room`.

        Raises `HubError`: MODEL_NOT_FOUND, INVALID, FORBIDDEN, UNAVAILABLE, RATE_LIMITED, INSUFFICIENT_CREDITS, IN_FLIGHT
        for a key that is being worked on, PROVIDER_FAILED, PROVIDER_REFUSED.
        """
        received = time.monotonic()
        model = embedding_model(self._catalogue, request.model)
        provider = provider_of(self._providers, model)
        check_model(identity, model.id)
        work = await _prepared(identity, model, request, key, trail)
        async with self._token_rates.spent(identity, work.tokens):
            return await self._paid(work, provider, received)

    @contextmanager
    def room(self, identity: Identity, request: EmbeddingRequest) -> Iterator[None]:
        """Vectors take memory until they are sent: so many requests at once, so many of one user, and so much by all.

        Raises `HubError`: MODEL_NOT_FOUND, INVALID, RATE_LIMITED, UNAVAILABLE.
        """
        user, vectors_bytes = identity.user_id, self._vectors_bytes(request)
        if self._running[user] >= limits.EMBEDDINGS_PER_USER_MAX:
            message = f"At most {limits.EMBEDDINGS_PER_USER_MAX} requests for embeddings at once"
            raise HubError(Code.RATE_LIMITED, message, retry_after_seconds=1)
        is_too_much = self._running_bytes + vectors_bytes > limits.EMBEDDING_VECTORS_BYTES_MAX
        if self._running.total() >= limits.EMBEDDINGS_RUNNING_MAX or (self._running and is_too_much):
            message = "The hub has as many requests for embeddings as it can carry"
            raise HubError(Code.UNAVAILABLE, message, retry_after_seconds=1)
        self._running[user] += 1
        self._running_bytes += vectors_bytes
        try:
            yield
        finally:
            self._running_bytes -= vectors_bytes
            self._running[user] -= 1
            if not self._running[user]:
                del self._running[user]

    def _vectors_bytes(self, request: EmbeddingRequest) -> int:
        model = embedding_model(self._catalogue, request.model)
        return len(request.inputs) * _dimensions(model, request) * FLOAT_BYTES

    async def _paid(self, work: _Work, provider: Provider, received: float) -> Document:
        """Nothing is asked of the provider before the hold stands: it is the price of what is asked. All time before and
        after the provider's is ours.
        """
        key = work.key
        claim = [key.claim(work.id)] if key is not None else []
        failed: list[Update] = []
        undo = Undo(failed, [withdrawn(key.id)] if key is not None else [])
        async with self._ledger.hold(self._place(work), claim, undo=undo) as hold:
            asked = time.monotonic()
            try:
                embeddings = await provider.embed(work.call)
            except ProviderError as failure:
                if not failure.request_is_wrong:
                    failed.append(fruitless(work.identity.user_id, work.created_at, work.model.id))
                raise provider_failure(failure) from failure
            answered = time.monotonic()
            answer = await self._settle(work, hold, embeddings)
            work.call.trail.overhead_seconds = asked - received + time.monotonic() - answered
            return answer

    def _place(self, work: _Work) -> PlaceHold:
        price = charge_micro(work.model, work.tokens, 0)
        return PlaceHold(
            hold=new_id("hold"),
            wallet=work.identity.user_id,
            want=price,
            at_least=price,
            node=self._node,
            expires_at=work.created_at + timedelta(seconds=limits.HOLD_SECONDS),
            stream=work.id,
            message="",  # there is none: a dead process has delivered nothing, and nothing is charged
            model=work.model.id,
            prompt_tokens=work.tokens,
            budgets=budgets_of(work.identity),
            idempotency=work.key.id if work.key is not None else None,
            hops=work.hops,
        )

    async def _settle(self, work: _Work, hold: Hold, embeddings: Embeddings) -> Document:
        tokens, source = _believed(work, embeddings)
        vectors = [base64.b64encode(vector).decode() for vector in embeddings.vectors]
        answer: Document = {
            "model": work.model.id,
            "sandbox": self._providers.is_sandbox(work.model),
            "vectors": vectors,
            "prompt_tokens": tokens,
            "usage_source": source,
        }
        row, day = used(
            work.identity.user_id, work.created_at, work.model.id, partial(_usage_row, work, tokens, source, now())
        )
        updates = [day] if work.key is None else [day, _reply(work.key, answer)]
        metadata = {"model": work.model.id, "provider": work.model.provider, "stream": work.id}
        receipt = await hold.settle(
            charge_micro(work.model, tokens, 0),
            f"{work.model.name} usage",
            {**metadata, "api": work.api, "tokens": tokens},
            inserts=[row],
            updates=updates,
            events=[NewEvent(work.identity.user_id, "embedding.completed", partial(_event, work, tokens, source))],
            size_bytes=1_000 if work.key is None else 1_000 + sum(map(len, vectors)),
        )
        return {**answer, "receipt": receipt_document(receipt)}


async def _prepared(
    identity: Identity, model: AiModel, request: EmbeddingRequest, key: IdempotencyKey | None, trail: Trail
) -> _Work:
    dimensions = _dimensions(model, request)
    call = EmbeddingCall(
        *(model.upstream, request.inputs, dimensions),
        shortened=dimensions != model.dimensions,
        parameters=request.parameters,
        trail=trail,
    )
    tokens = await _counted(model, request.inputs)
    what = (new_id("emb"), identity, model, request.api, request.endpoint, call, tokens, now(), key)
    return _Work(*what, request.hops)


def _dimensions(model: AiModel, request: EmbeddingRequest) -> int:
    assert model.dimensions is not None, "a model that makes embeddings says how long they are"
    if request.dimensions is not None and request.dimensions > model.dimensions:
        raise invalid("dimensions", f"must be at most {model.dimensions} for {model.id}", request.dimensions)
    return request.dimensions or model.dimensions


async def _counted(model: AiModel, inputs: Sequence[str | Sequence[int]]) -> int:
    """The tokens of all inputs. Raises `HubError` INVALID where one of them, or all together, are too many."""
    total, unbroken_chars = 0, 0
    for number, text in enumerate(inputs):
        tokens = count_text(model.vocabulary, text) if isinstance(text, str) else len(text)
        if tokens > model.context_tokens:
            raise invalid(f"input.{number}", f"{tokens} tokens exceed the model's {model.context_tokens}")
        total += tokens
        unbroken_chars += len(text)
        if unbroken_chars >= PIECE_CHARS:  # let others run
            unbroken_chars = 0
            await asyncio.sleep(0)
    if total > limits.EMBEDDING_TOKENS_MAX:
        raise invalid("input", f"{total} tokens in all exceed {limits.EMBEDDING_TOKENS_MAX}")
    return total


def _believed(work: _Work, embeddings: Embeddings) -> tuple[int, str]:
    """The tokens to charge and their source. The provider's word counts where it is possible; its zero is a zero."""
    said = embeddings.prompt_tokens
    if said is not None and 0 <= said <= len(work.call.inputs) * work.model.context_tokens:
        return said, "provider"
    return work.tokens, "counted" if is_exact(work.model.vocabulary) else "estimated"


def _reply(key: IdempotencyKey, answer: Document) -> Update:
    return replied(
        key.id,
        lambda applied: {**answer, "receipt": receipt_document(applied.receipt)},
        limits.EMBEDDING_REPLY_BYTES_MAX,
    )


def _event(work: _Work, tokens: int, source: str, receipt: Receipt | None) -> Document:
    """The data of `embedding.completed` on the user's channel."""
    return {
        "request_id": work.id,
        "model": work.model.id,
        "api": work.api,
        "usage": {"prompt_tokens": tokens, "completion_tokens": 0},
        "receipt": receipt_view(receipt, source),
    }


def _usage_row(work: _Work, tokens: int, source: str, ended_at: datetime, receipt: Receipt | None) -> Document:
    return {
        "_id": work.id,
        "user": work.identity.user_id,
        "model": work.model.id,
        "provider": work.model.provider,
        "route": work.call.trail.route,
        "api": work.api,
        "endpoint": work.endpoint,
        "prompt_tokens": tokens,
        "completion_tokens": 0,
        "charged": receipt.charged if receipt else 0,
        "usage_source": source,
        "duration_ms": milliseconds(ended_at) - milliseconds(work.created_at),
        "first_token_ms": None,
        "status": "complete",
        "created_at": work.created_at,
    }
