"""OpenAI's official client over a line that breaks: with an Idempotency-Key the same call again is the same answer.

The company is asked once and the wallet charged once, whoever repeats the call (the program, or the client by itself) and
whether the answer is still being written then or has been finished.
"""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.houses import Companies, House
from tests.integration.sdk.cuts import assert_one_call_and_one_charge, cut_once_asked, wait_until
from tests.integration.sdk.openai_callers import Caller
from tests.line import Line
from tests.stand_ins.base import Scenario

WORDS = 24
MODELS = ("gpt-4o", "claude-haiku-4-5")
KEYED: dict[str, Any] = {"extra_headers": {"Idempotency-Key": "of this answer"}}


@pytest.fixture
def caller(company_house: House, line: Line) -> Iterator[Caller]:
    """One whose requests go by the line."""
    caller = Caller(f"http://127.0.0.1:{line.port}/v1", company_house.newcomer())
    yield caller
    caller.client.close()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("finished", [False, True], ids=["still being written", "finished meanwhile"])
def test_a_stream_that_is_cut_and_asked_for_again(
    company_house: House, companies: Companies, caller: Caller, line: Line, model: str, finished: bool
) -> None:
    provider = companies.of(model)
    provider.script(Scenario(chunks=WORDS, interval_seconds=0.05))
    usage = {"stream_options": {"include_usage": True}}
    heard = 0
    with pytest.raises(openai.APIConnectionError):
        for _ in caller.ask(model, stream=True, **usage, **KEYED):
            heard += 1
            if heard == 5:
                line.cut()
    assert heard < WORDS and len(caller.sent) == 1
    line.mend()
    if finished:
        wait_until(lambda: company_house.charges(caller.client.api_key))
    again = caller.client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": "Hello"}], stream=True, extra_body=usage, **KEYED
    )
    chunks = list(again.parse())
    assert again.headers["idempotency-hit"] == "true"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == " word" * WORDS
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == WORDS
    assert_one_call_and_one_charge(company_house, caller.client.api_key, provider)


@pytest.mark.parametrize("model", MODELS)
def test_the_client_tries_again_by_itself(
    company_house: House, companies: Companies, caller: Caller, line: Line, model: str
) -> None:
    """The line breaks before the answer's head: it then repeats the request, key and all, and its program sees nothing."""
    provider = companies.of(model)
    provider.script(Scenario(chunks=WORDS, interval_seconds=0.05))
    with cut_once_asked(line, provider):
        completion = caller.ask(model, **KEYED)
    assert completion.choices[0].message.content == " word" * WORDS
    assert len(caller.sent) >= 2
    assert_one_call_and_one_charge(company_house, caller.client.api_key, provider)
