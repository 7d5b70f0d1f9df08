"""The wire form of OpenAI's embeddings, which its compatible servers speak too. Pure.

Vectors are asked for in base64, as OpenAI's own clients ask: it is a third of the bytes. A server that does not know it
answers with numbers, and those are read as well.
"""

import base64
import binascii
import sys
from array import array
from typing import Any

from hub.providers.base import EmbeddingCall, Embeddings, Json, ProviderError
from hub.providers.wire import load_object

FLOAT_BYTES = 4


def embedding_body(call: EmbeddingCall) -> Json:
    body: Json = {**call.parameters, "model": call.model, "input": list(call.inputs), "encoding_format": "base64"}
    return {**body, "dimensions": call.dimensions} if call.shortened else body


def parse_embeddings(body: bytes, label: str, call: EmbeddingCall) -> Embeddings:
    """Raises `ProviderError` unless there is a vector of the right length for each input."""
    document = load_object(body, label)
    rows = document.get("data")
    if not isinstance(rows, list) or len(rows) != len(call.inputs):
        raise ProviderError(f"{label} sent no embeddings")
    vectors: list[bytes | None] = [None] * len(rows)
    for place, row in enumerate(rows):
        index = row.get("index", place) if isinstance(row, dict) else None
        if type(index) is not int or not 0 <= index < len(rows):
            raise ProviderError(f"{label} sent an embedding of no input")
        vectors[index] = _vector(row.get("embedding"), label, call.dimensions)
    found = [vector for vector in vectors if vector is not None]
    if len(found) < len(rows):
        raise ProviderError(f"{label} sent no embedding of some input")
    return Embeddings(found, _prompt_tokens(document))


def packed(numbers: Any) -> bytes:
    """Numbers as 32-bit floats, the lowest byte first. Raises `TypeError` or `OverflowError` for others."""
    floats = array("f", numbers)
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tobytes()


def unpacked(vector: bytes) -> list[float]:
    floats = array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tolist()


def _vector(embedding: Any, label: str, dimensions: int) -> bytes:
    try:
        vector = base64.b64decode(embedding, validate=True) if isinstance(embedding, str) else packed(embedding)
    except (binascii.Error, TypeError, ValueError, OverflowError) as error:
        raise ProviderError(f"{label} sent an embedding that cannot be read") from error
    if len(vector) != dimensions * FLOAT_BYTES:
        has = len(vector) // FLOAT_BYTES
        raise ProviderError(f"{label} sent an embedding of {has} dimensions instead of {dimensions}")
    return vector


def _prompt_tokens(document: Json) -> int | None:
    usage = document.get("usage")
    tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return tokens if type(tokens) is int else None
