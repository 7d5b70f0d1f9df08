"""What a caller asks of an AI model, and the `Job` that it becomes once model and prompt are decided.

    ChatRequest (every face) + who asks + the prompt that fits --job_of()--> Job

Pure: nothing is held, asked or written here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from config.catalogue import AiModel
from hub.budgets import Budget
from hub.chat_records import Job
from hub.idempotency import IdempotencyKey
from hub.identity_cache import Identity
from hub.key_limits import tokens_per_minute
from hub.providers.base import Native
from hub.quotas import Quota
from hub.streams import Stream
from models.clock import now
from models.database import Document
from models.ids import new_id

DEFAULT_MODEL: Final = "gpt-4"  # of a request that names none, and whose project has none

# what the AI Playground's document says where a question says nothing
PLAYGROUND_DEFAULTS: Final = {"model": "minimax", "max_tokens": 1_000, "temperature": 0.7, "top_p": 0.9}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A completion as every face asks for it; fields are checked for type and bounds by the face.

    Without a `model` it is the conversation's last, the project's, or else `DEFAULT_MODEL`; `project` is a project's
    number. `endpoint` is the path that was asked. Either `messages` (OpenAI's form) or `message` (the next turn of a kept
    conversation). `streamed` says how the provider is called. `parameters` are OpenAI's other fields, passed on; `choices`
    is how many answers are wanted. `native` is the same request as it was written in Anthropic's form, for who speaks it.
    `stream` is the id that its stream is to have, for who must find it again should this process die: two requests with the
    same one are not both paid. `hops` is how many workflows led to it.
    """

    model: str | None
    api: str
    endpoint: str = ""  # added by who knows the path, and never left out
    messages: list[Document] | None = None
    message: str | None = None
    max_tokens: int | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    choices: int = 1
    native: Native | None = None
    streamed: bool = True
    conversation: str | None = None
    project: int | None = None  # without it that of the conversation
    keep_conversation: bool = False
    on_disconnect: Literal["continue", "cancel"] = "continue"
    idempotency: IdempotencyKey | None = None
    stream: str | None = None
    hops: int = 0

    @property
    def said(self) -> list[Document]:
        """The turns that are said now."""
        return list(self.messages or []) if self.message is None else [{"role": "user", "content": self.message}]

    @property
    def is_kept(self) -> bool:
        """It belongs to a conversation."""
        return self.keep_conversation or self.conversation is not None

    def answer_tokens(self, model: AiModel) -> int:
        """The longest answer, of each choice: what is asked for, within what the model gives."""
        return min(self.max_tokens or model.output_tokens_max, model.output_tokens_max)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a provider gets, and how many tokens that has by our count: what is read as it stands, and what is attached."""

    messages: list[Document]
    read_tokens: int
    attached_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.read_tokens + self.attached_tokens


def hold_of(stream: str) -> str:
    """The id of the hold of a request that gave its stream's."""
    return f"hold_{stream}"


def job_of(
    identity: Identity,
    request: ChatRequest,
    model: AiModel,
    prompt: Prompt,
    *,
    sandbox: bool,
    budgets: Sequence[Budget],
    quota: Quota | None,
) -> Job:
    """The completion to be made, with everything about it decided."""
    assert request.endpoint, "a usage row says what was asked"
    begun = now()
    new_messages = [(new_id("msg"), message) for message in request.said] if request.is_kept else []
    return Job(
        stream=_stream(identity, request, model, prompt, sandbox, begun),  # its message's id comes after theirs
        model=model,
        prompt=prompt.messages,
        prompt_tokens=prompt.tokens,
        max_tokens=min(request.answer_tokens(model), max(1, model.context_tokens - prompt.read_tokens)),
        parameters=request.parameters,
        choices=request.choices,
        native=request.native,
        streamed=request.streamed,
        api=request.api,
        endpoint=request.endpoint,
        new_messages=new_messages,
        new_conversation=request.is_kept and request.conversation is None,
        idempotency=request.idempotency,
        hold=None if request.stream is None else hold_of(request.stream),
        hops=request.hops,
        created_at=begun,
        budgets=budgets,
        tokens_per_minute=tokens_per_minute(identity),
        quota=quota,
    )


def _stream(
    identity: Identity, request: ChatRequest, model: AiModel, prompt: Prompt, sandbox: bool, begun: datetime
) -> Stream:
    return Stream(
        id=request.stream or new_id("stream"),
        user=identity.user_id,
        credential=identity.credential_id,
        model=model.id,
        conversation=(request.conversation or new_id("conv")) if request.is_kept else None,
        message=new_id("msg"),
        sandbox=sandbox,
        on_disconnect=request.on_disconnect,
        created=int(begun.timestamp()),
        prompt_tokens=prompt.tokens,
    )
