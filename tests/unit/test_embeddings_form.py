"""OpenAI's form of embeddings, both ways, and the sandbox's vectors."""

import math
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.providers import sandbox_vectors
from hub.providers.base import EmbeddingCall, ProviderError
from hub.providers.openai import OpenAIConverter
from hub.providers.openai_embeddings import packed, unpacked
from hub.providers.sandbox import SandboxProvider

RECORDED = Path(__file__).parents[1] / "recorded"
CONVERTER = OpenAIConverter("openai", "OpenAI", "https://api.openai.com/v1", "sk-secret")
CALL = EmbeddingCall("text-embedding-3-small", ["a", "b"], 4, shortened=True)
NUMBERS = [[0.0131, -0.0272, 0.5, 0.25], [-0.5, 0.125, 0.0625, 0.75]]


def recorded(name: str) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads((RECORDED / name).read_bytes())
    return document


def parsed(document: Any, call: EmbeddingCall = CALL) -> list[list[float]]:
    return [unpacked(vector) for vector in CONVERTER.parse_embeddings(orjson.dumps(document), call).vectors]


def test_the_request() -> None:
    sent = CONVERTER.embedding_request(EmbeddingCall("m", ["a", [1, 2]], 8, parameters={"user": "u", "new": 1}))
    assert (sent.url, sent.headers["Authorization"]) == ("https://api.openai.com/v1/embeddings", "Bearer sk-secret")
    body = {"model": "m", "input": ["a", [1, 2]], "encoding_format": "base64", "user": "u", "new": 1}
    assert orjson.loads(sent.body) == body
    shortened = CONVERTER.embedding_request(EmbeddingCall("m", ["a"], 8, shortened=True, parameters={"dimensions": 9}))
    assert orjson.loads(shortened.body)["dimensions"] == 8


@pytest.mark.parametrize("name", ["openai_embeddings.json", "ollama_embeddings.json"])
def test_vectors_come_in_base64_and_in_numbers(name: str) -> None:
    document = recorded(name)
    for vector, expected in zip(parsed(document), NUMBERS, strict=True):
        assert vector == pytest.approx(expected)
    assert CONVERTER.parse_embeddings(orjson.dumps(document), CALL).prompt_tokens == 9


def test_vectors_are_put_in_the_order_of_their_inputs() -> None:
    document = recorded("openai_embeddings.json")
    document["data"].reverse()
    assert parsed(document)[1] == pytest.approx(NUMBERS[1])


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "9"}, {"prompt_tokens": True}, 7])
def test_a_count_that_is_none(usage: Any) -> None:
    document = recorded("openai_embeddings.json") | {"usage": usage}
    assert CONVERTER.parse_embeddings(orjson.dumps(document), CALL).prompt_tokens is None


@pytest.mark.parametrize(
    "rows",
    [
        None,
        [],
        [{"index": 0, "embedding": [0, 0, 0, 0]}],
        [{"index": 0, "embedding": [0, 0, 0, 0]}, {"index": 0, "embedding": [0, 0, 0, 0]}],
        [{"index": 0, "embedding": [0, 0, 0, 0]}, {"index": 2, "embedding": [0, 0, 0, 0]}],
        [{"index": 0, "embedding": [0, 0, 0, 0]}, {"index": True, "embedding": [0, 0, 0, 0]}],
        [{"index": 0, "embedding": [0, 0, 0, 0]}, 7],
        [{"index": 0, "embedding": [0, 0, 0, 0]}, {"index": 1}],
        [{"index": 0, "embedding": [0, 0, 0, 0]}, {"index": 1, "embedding": [0, 0, 0]}],
        [{"index": 0, "embedding": [0, 0, 0, 0]}, {"index": 1, "embedding": [0, 0, 0, "x"]}],
        [{"index": 0, "embedding": [0, 0, 0, 0]}, {"index": 1, "embedding": "!"}],
        [{"index": 0, "embedding": [0, 0, 0, 0]}, {"index": 1, "embedding": "é"}],
        [{"index": 0, "embedding": [0, 0, 0, 0]}, {"index": 1, "embedding": [0, 0, 0, 10**400]}],
    ],
)
def test_an_answer_that_is_not_a_vector_for_each_input(rows: Any) -> None:
    text = repr({"data": rows}).replace("'", '"').replace("None", "null").replace("True", "true")
    with pytest.raises(ProviderError):
        CONVERTER.parse_embeddings(text.encode(), CALL)


def test_the_sandbox_makes_the_same_vector_each_time_and_none_twice() -> None:
    texts = ["a", "b", "", "é", "\ud800", [1, 2], [12]]
    vectors = [sandbox_vectors.vector(text, 256) for text in texts]
    assert vectors == [sandbox_vectors.vector(text, 256) for text in texts]
    assert len(set(vectors)) == len(texts)
    for vector in vectors:
        assert math.isclose(math.hypot(*unpacked(vector)), 1, rel_tol=1e-5)
        assert packed(unpacked(vector)) == vector and len(vector) == 4 * 256


@pytest.mark.gen_test
async def test_the_sandbox_counts_honestly() -> None:
    call = EmbeddingCall("m", ["Hello world", [1, 2, 3]], 8)
    made = await SandboxProvider(50, "cl100k_base").embed(call)
    assert (len(made.vectors), made.prompt_tokens, call.trail.attempts) == (2, 5, 1)
