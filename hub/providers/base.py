"""The contract between the completion path and an AI provider.

    chat.py --ProviderCall--> Provider.stream() --batches of Delta | Usage | Finish--> chat.py

A provider yields *batches*: everything that one network read brought, so that a burst of chunks costs one
wake-up. It ends after `Finish`, or raises `ProviderError`; it never invents a finish reason.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One completion, as every provider understands it.

    `messages` have OpenAI's form (`{"role": ..., "content": str | list | None, ...}`); `parameters` are OpenAI's other
    request fields (temperature, top_p, stop, tools, ...), already validated or passed through. `choices` is how many
    answers are wanted (OpenAI's `n`), of `max_tokens` each. `native` is the same request as its caller wrote it in
    Anthropic's form: who speaks that sends it as it is, and all others go by the rest.
    """

    model: str  # the provider's own name of the AI model (the catalogue's `upstream`)
    messages: Sequence[Json]
    max_tokens: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    choices: int = 1
    native: "Native | None" = None
    trail: "Trail" = field(default_factory=lambda: Trail(), compare=False)


@dataclass(frozen=True, slots=True)
class Native:
    """A request in Anthropic's own form, checked, with all that OpenAI's has no word for; `betas` is `anthropic-beta`."""

    body: Json
    betas: str | None = None


@dataclass(slots=True)
class Trail:
    """The way that a call took, for the answer's headers: the route that answered, how often a provider was asked, and how
    much of the time until the answer began was the hub's own.
    """

    route: str = ""
    attempts: int = 0
    overhead_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer. `extra` holds the other fields of OpenAI's `delta` (tool_calls, refusal), if any.

    What OpenAI says of a choice instead of its delta stands in `extra["choice"]`: the `index` of a further choice, its
    `finish_reason` (that of the first is the stream's own), and `logprobs`. What only Anthropic's form can say stands in
    `extra["anthropic"]`, as `hub/providers/anthropic_native.py` writes it.
    """

    content: str
    extra: Json | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the provider says it counted. Not yet believed: `chat.py` checks it against the limits of the call.

    `cached_tokens` are part of the prompt's, `reasoning_tokens` of the completion's: told, and not priced apart.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Finish:
    """Why the answer ended, in OpenAI's words: stop, length, tool_calls, content_filter."""

    reason: str


ProviderEvent = Delta | Usage | Finish


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer that was not streamed. `others` are the further choices, in the form of their deltas."""

    content: str
    finish_reason: str
    usage: Usage | None
    extra: Json | None = None  # the message's other fields (tool_calls, refusal), and `choice` as a delta has it
    others: Sequence[Delta] = ()


@dataclass(frozen=True, slots=True)
class EmbeddingCall:
    """Texts to be made into vectors, or texts that are token ids already. `dimensions` is what each vector has; `shortened`,
    that this is fewer than the model makes by itself. `parameters` are OpenAI's other request fields, passed through.
    """

    model: str
    inputs: Sequence[str | Sequence[int]]
    dimensions: int
    shortened: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    trail: "Trail" = field(default_factory=lambda: Trail(), compare=False)


@dataclass(frozen=True, slots=True)
class Embeddings:
    """A vector for each input, in their order, as 32-bit floats with the lowest byte first. `prompt_tokens` as the
    provider counted them: not yet believed, and None where it does not say.
    """

    vectors: Sequence[bytes]
    prompt_tokens: int | None


class ProviderError(Exception):
    """The provider failed. `message` is safe to show: it names no key and no address.

    `status` is the provider's HTTP status or None (connection, time-out, protocol); `request_is_wrong` says that a retry
    cannot help because the provider refused the request itself (400, 404, 413, 422); `temporary` that the same call may
    succeed at once or after `retry_after_seconds`.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after_seconds: float | None = None,
        request_is_wrong: bool = False,
        temporary: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.request_is_wrong = request_is_wrong
        self.temporary = temporary


def temporary_status(status: int) -> bool:
    """The statuses after which companies' own clients try again."""
    return status in (408, 409, 429) or status >= 500


class Provider(Protocol):
    """`HttpProvider` (over a converter and the transport), `SandboxProvider`, and `RoutedProvider` over either."""

    name: str

    def stream(self, call: ProviderCall) -> AsyncGenerator[list[ProviderEvent], None]:
        """Yield batches until `Finish`; raise `ProviderError`. Closing the iterator cancels the call upstream."""
        ...

    async def complete(self, call: ProviderCall) -> Completion:
        """Answer in one piece; raise `ProviderError`."""
        ...

    async def embed(self, call: EmbeddingCall) -> Embeddings:
        """A vector for each input; raise `ProviderError`."""
        ...


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What a converter wants sent."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class StreamParser(Protocol):
    """Turns the bytes of one streamed answer into events; pure, and fed in pieces of any size.

    Events are appended to the caller's list, so that those before an error in the same piece are not lost.
    """

    @property
    def finished(self) -> bool:
        """Whether the provider said why the answer ended; what may still come is its usage."""
        ...

    def feed(self, data: bytes, events: list[ProviderEvent]) -> None:
        """Append what `data` completes; raises `ProviderError` for an error chunk or a broken line."""
        ...

    def end(self, events: list[ProviderEvent]) -> None:
        """The connection closed: append the last events, or raise `ProviderError` when the answer was not finished."""
        ...


class Converter(Protocol):
    """A provider's wire form, without any I/O: tested on recorded bodies. `label` is the company's name, for people."""

    name: str
    label: str

    def request(self, call: ProviderCall, *, stream: bool) -> HttpRequest: ...

    def parse_completion(self, body: bytes, call: ProviderCall) -> Completion: ...

    def parse_error(self, status: int, body: bytes) -> str: ...

    def stream_parser(self, call: ProviderCall) -> StreamParser: ...


@runtime_checkable
class EmbeddingConverter(Protocol):
    """The wire form of those companies that make embeddings."""

    def embedding_request(self, call: EmbeddingCall) -> HttpRequest: ...

    def parse_embeddings(self, body: bytes, call: EmbeddingCall) -> Embeddings: ...
