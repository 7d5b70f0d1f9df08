"""OpenAI's official client, unmodified, asks for vectors: in base64, unless it is told otherwise."""

import math

import openai
import pytest

from tests.houses import House
from tests.integration.sdk.openai_callers import Caller

MODEL = "text-embedding-3-small"
TEXTS = ["The first text", "A second, other text"]


def test_vectors_of_texts(house: House) -> None:
    caller = Caller.of(house, house.newcomer())
    given = caller.client.embeddings.create(model=MODEL, input=TEXTS)
    assert (given.object, given.model, [each.index for each in given.data]) == ("list", MODEL, [0, 1])
    first, second = (each.embedding for each in given.data)
    assert first != second and len(first) == len(second)
    assert given.usage.prompt_tokens == given.usage.total_tokens > 0
    as_numbers = caller.client.embeddings.create(model=MODEL, input=TEXTS, encoding_format="float")
    assert all(
        math.isclose(one, other, rel_tol=1e-6) for one, other in zip(first, as_numbers.data[0].embedding, strict=True)
    )
    assert len(house.charges(caller.client.api_key)) == 2
    caller.client.close()


def test_what_it_raises(house: House) -> None:
    caller, poor = Caller.of(house), Caller.of(house, house.pauper)
    with pytest.raises(openai.BadRequestError) as bad:
        caller.client.embeddings.create(model=MODEL, input=[])
    assert bad.value.param == "input"
    with pytest.raises(openai.NotFoundError):
        caller.client.embeddings.create(model="text-embedding-99", input=TEXTS)
    with pytest.raises(openai.APIStatusError) as unpaid:
        poor.client.embeddings.create(model=MODEL, input=TEXTS)
    assert (unpaid.value.status_code, unpaid.value.code, len(poor.sent)) == (402, "INSUFFICIENT_FUNDS", 1)
    for each in (caller, poor):
        each.client.close()
