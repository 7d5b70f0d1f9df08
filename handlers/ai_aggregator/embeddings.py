"""`POST /v1/embeddings`: OpenAI's form. Vectors are numbers, or with `encoding_format` base64 the bytes of 32-bit floats."""

import asyncio
import base64
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, ClassVar, Final

import orjson
from tornado.iostream import StreamClosedError

from config import limits
from handlers.access import scope
from handlers.ai_aggregator.passing import PassingInput
from handlers.base import ApiHandler
from handlers.chat_headers import IDEMPOTENCY_KEY, key_check
from handlers.idempotent import replied
from handlers.routing import Route
from handlers.sse import TRAIL, sent, trail_headers
from handlers.terms import answers, asks, takes
from handlers.workflow_hops import HOPS, hops_check, hops_of
from hub.chat_records import receipt_view
from hub.embeddings import EmbeddingRequest
from hub.fields import Choice, Form, Integer, Strict, Text
from hub.idempotency import IdempotencyKey
from hub.operations import Receipt
from hub.providers.base import Trail
from hub.providers.openai_embeddings import unpacked
from models.database import Document

_OURS: Final = ("model", "input", "dimensions", "encoding_format")
_INPUTS_MAX: Final = limits.EMBEDDING_INPUTS_MAX
_TEXT: Final[Form] = {"type": "string", "minLength": 1, "maxLength": limits.EMBEDDING_TEXT_CHARS_MAX}
_TOKENS: Final[Form] = {
    "type": "array",
    "items": {"type": "integer", "minimum": 0, "maximum": limits.EMBEDDING_TOKEN_MAX},
    "minItems": 1,
    "maxItems": limits.EMBEDDING_TOKENS_MAX,
}


class Inputs(Strict):
    """A text or its token ids, or a list of either; loaded as a list."""

    form: ClassVar[Form] = {
        "anyOf": [
            _TEXT,
            {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": _INPUTS_MAX},
            _TOKENS,
            {"type": "array", "items": _TOKENS, "minItems": 1, "maxItems": _INPUTS_MAX},
        ]
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str | list[int]]:
        is_one = isinstance(value, str) or (isinstance(value, list) and bool(value) and type(value[0]) is int)
        inputs = [value] if is_one else value
        if not isinstance(inputs, list) or not 0 < len(inputs) <= _INPUTS_MAX:
            raise self.fail(f"must be a text, a list of token ids, or a list of 1 to {_INPUTS_MAX} of them")
        alike = _is_text if isinstance(inputs[0], str) else _are_tokens
        if not all(map(alike, inputs)):
            raise self.fail("must have texts alone, or lists of token ids alone, and no empty one")
        return inputs


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= limits.EMBEDDING_TEXT_CHARS_MAX


def _are_tokens(value: Any) -> bool:
    if not isinstance(value, list) or not 0 < len(value) <= limits.EMBEDDING_TOKENS_MAX:
        return False
    return all(type(token) is int and 0 <= token <= limits.EMBEDDING_TOKEN_MAX for token in value)


class EmbeddingInput(PassingInput):
    """OpenAI's request."""

    model = Text(low=1, high=100, required=True, example="text-embedding-3-small")
    input = Inputs(required=True, example="Hello!")
    dimensions = Integer(low=1, high=limits.EMBEDDING_DIMENSIONS_MAX, allow_none=True)
    encoding_format = Choice(("float", "base64"), load_default="float", allow_none=True)
    user = Text(low=1, high=limits.NAME_CHARS_MAX, allow_none=True)


class Embeddings(ApiHandler):
    """Embeddings for programs; billed to the caller's wallet."""

    body_bytes_max = limits.COMPLETION_BODY_BYTES_MAX
    tells = TRAIL

    @scope("ai:write")
    @takes(EmbeddingInput())
    @asks(IDEMPOTENCY_KEY, HOPS)
    @answers(200, enveloped=False)
    async def post(self) -> None:
        """Make vectors of texts in OpenAI's form."""
        body = self.json_body()
        data = self.loaded(body, key_check(self), hops_check(self))
        request, trail = self._request(data), Trail()
        with self.services.embedder.room(self.caller, request):  # until all is sent
            try:
                made = await replied(self, body, partial(self._make, request, trail))
            finally:
                trail_headers(self, trail)
            if made["sandbox"]:
                self.set_header("X-Hub-Sandbox", "true")
            await self._answer_with(made, as_numbers=data["encoding_format"] != "base64")

    def _request(self, data: dict[str, Any]) -> EmbeddingRequest:
        passed = {name: value for name, value in data.items() if name not in _OURS and value is not None}
        return EmbeddingRequest(
            *(data["model"], "ai_aggregator", self.request.path, data["input"], data.get("dimensions"), passed),
            hops=hops_of(self),
        )

    async def _make(self, request: EmbeddingRequest, trail: Trail, key: IdempotencyKey | None) -> Document:
        return await self.services.embedder.embed(self.caller, request, key, trail)

    async def _answer_with(self, made: Document, *, as_numbers: bool) -> None:
        """Piece by piece, each once the last one has left: the longest answer in numbers has 130 MB."""
        waiting_bytes = 0
        try:
            async for piece in written(made, as_numbers=as_numbers):
                self.write(piece)
                waiting_bytes += len(piece)
                if waiting_bytes >= limits.EMBEDDING_PIECE_BYTES:
                    await sent(self, self.flush())
                    waiting_bytes = 0
            await sent(self, self.finish())
        except StreamClosedError:
            pass  # the client has gone, or takes nothing


async def written(made: Document, *, as_numbers: bool) -> AsyncIterator[bytes]:
    """The answer in JSON, vector by vector, and others run after each: all numbers at once take seconds."""
    yield b'{"object":"list","data":['
    for index, vector in enumerate(made["vectors"]):
        shown = orjson.dumps(unpacked(base64.b64decode(vector)) if as_numbers else vector)
        yield b'%b{"object":"embedding","index":%d,"embedding":%b}' % (b"," if index else b"", index, shown)
        await asyncio.sleep(0)
    tokens, receipt = made["prompt_tokens"], Receipt(**made["receipt"])
    rest = {
        "model": made["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        "hub": {"receipt": receipt_view(receipt, made["usage_source"])},
    }
    yield b"]," + orjson.dumps(rest)[1:]


ROUTES = (Route("/v1/embeddings", Embeddings, ("ai_aggregator",)),)
