"""OpenAI's official client, unmodified, for a model of each company: what it gets is the same, whoever answers.

The sandbox does not fail by itself, so a provider's failures are those of the companies' stand-ins.
"""

import threading
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.houses import MODELS, House
from tests.integration.sdk.openai_callers import HELLO, TOOL, Caller, said_by, said_in
from tests.stand_ins.base import Scenario

USAGE = {"stream": True, "stream_options": {"include_usage": True}}
every_model = pytest.mark.parametrize("model", MODELS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@pytest.fixture
def caller(house: House) -> Iterator[Caller]:
    caller = Caller.of(house)
    yield caller
    caller.client.close()


@every_model
def test_it_completes(house: House, caller: Caller, model: str) -> None:
    if house.companies is None:
        completion = caller.ask(model, max_tokens=20)
        said = said_by(completion)
        assert completion.choices[0].finish_reason == "length"
        assert said.text.startswith("This answer comes from the sandbox") and 18 <= said.completion_tokens <= 20
    else:
        expected = house.companies.will_say(model, "text", streamed=False)
        completion = caller.ask(model)
        assert said_by(completion) == expected
        assert completion.choices[0].finish_reason == "stop"
    assert (completion.object, completion.model) == ("chat.completion", model)
    assert completion.choices[0].message.role == "assistant"


@every_model
def test_it_streams_with_usage(house: House, caller: Caller, model: str) -> None:
    if house.companies is None:
        chunks = list(caller.ask(model, max_tokens=20, **USAGE))
        assert said_in(chunks) == said_by(caller.ask(model, max_tokens=20))
        assert len(chunks) > 10
    else:
        expected = house.companies.will_say(model, "text", streamed=True)
        chunks = list(caller.ask(model, **USAGE))
        assert said_in(chunks) == expected
    assert chunks[-2].choices[0].finish_reason == ("length" if house.companies is None else "stop")
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1


@every_model
@both_ways
def test_it_calls_a_tool_and_takes_the_result(house: House, caller: Caller, model: str, stream: bool) -> None:
    options = USAGE if stream else {}
    if house.companies is not None:
        expected = house.companies.will_say(model, "tools", streamed=stream)
    answer = caller.ask(model, tools=[TOOL], **options)
    answer = list(answer) if stream else answer
    said = said_in(answer) if stream else said_by(answer)
    if house.companies is None:
        assert (said.text, said.tool, list(said.arguments or ())) == ("", "get_weather", ["location"])
    else:
        assert said == expected
    assert (answer[-2] if stream else answer).choices[0].finish_reason == "tool_calls"


@every_model
def test_it_goes_on_with_a_tools_result(house: House, caller: Caller, model: str) -> None:
    if house.companies is not None:
        house.companies.will_say(model, "tools", streamed=False)
        house.companies.will_say(model, "text", streamed=False)
    message = caller.ask(model, tools=[TOOL]).choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "18 degrees"}
    told = [*HELLO, message.model_dump(exclude_none=True), result]
    answer = caller.ask(model, tools=[TOOL], messages=told, max_tokens=1000).choices[0]
    assert (answer.finish_reason, answer.message.tool_calls) == ("stop", None) and answer.message.content
    if house.companies is not None:
        assert "18 degrees" in str(house.companies.of(model).requests[-1].body["messages"][-1])


@both_ways
def test_400_401_and_404(house: House, caller: Caller, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        caller.ask("gpt-4o", temperature=3, stream=stream)
    assert (bad.value.status_code, bad.value.code, bad.value.param) == (400, "INVALID_REQUEST", "temperature")
    with pytest.raises(openai.NotFoundError) as unknown:
        caller.ask("gpt-99", stream=stream)
    assert (unknown.value.status_code, unknown.value.code) == (404, "NOT_FOUND")
    assert len(caller.sent) == 2
    stranger = Caller.of(house, "sk-wrong")
    with pytest.raises(openai.AuthenticationError) as wrong:
        stranger.ask("gpt-4o", stream=stream)
    assert (wrong.value.status_code, wrong.value.code, len(stranger.sent)) == (401, "UNAUTHORIZED", 1)
    stranger.client.close()
    for error in (bad.value, unknown.value, wrong.value):
        assert error.request_id and error.message and error.type


@every_model
@both_ways
def test_402_of_an_empty_wallet(house: House, model: str, stream: bool) -> None:
    caller = Caller.of(house, house.pauper)
    with pytest.raises(openai.APIStatusError) as poor:
        caller.ask(model, stream=stream)
    assert (type(poor.value), poor.value.status_code) == (openai.APIStatusError, 402)
    assert (poor.value.code, poor.value.type) == ("INSUFFICIENT_FUNDS", "insufficient_quota")
    assert len(caller.sent) == 1
    caller.client.close()


@both_ways
def test_422_of_a_key_with_another_body(house: House, stream: bool) -> None:
    caller = Caller.of(house, house.newcomer())
    keyed: dict[str, Any] = {"extra_headers": {"Idempotency-Key": "one"}, "stream": stream}
    if house.companies is not None:
        house.companies.will_say("gpt-4o", "text", streamed=stream)
    first = caller.ask("gpt-4o", **keyed)
    assert list(first) if stream else first.choices
    with pytest.raises(openai.UnprocessableEntityError) as reused:
        caller.ask("gpt-4o", max_tokens=7, **keyed)
    assert (reused.value.status_code, reused.value.type, len(caller.sent)) == (422, "invalid_request_error", 2)
    caller.client.close()


def test_429_of_the_rate_limit(limited_house: House) -> None:
    caller = Caller.of(limited_house, limited_house.newcomer(), max_retries=0)
    limited_house.use_up_the_limit(caller.client.api_key)
    for stream in (False, True):
        with pytest.raises(openai.RateLimitError) as limited:
            caller.ask("gpt-4o", stream=stream)
        assert (limited.value.status_code, limited.value.code) == (429, "RATE_LIMITED")
        assert limited.value.type == "rate_limit_error"
        headers = limited.value.response.headers
        assert 1 <= int(headers["retry-after"]) <= 60 and headers["x-ratelimit-remaining"] == "0"
    caller.client.close()


@every_model
@both_ways
def test_a_provider_that_fails(company_house: House, model: str, stream: bool) -> None:
    """Each of the hub's own tries; the client then tries again by itself, for a failure may pass."""
    assert company_house.companies is not None
    provider = company_house.companies.of(model)
    caller = Caller.of(company_house, max_retries=0)
    provider.script(*[Scenario("error", status=500)] * 3)
    with pytest.raises(openai.InternalServerError) as failed:
        caller.ask(model, stream=stream)
    assert (failed.value.status_code, failed.value.code, failed.value.type) == (502, "PROVIDER_ERROR", "api_error")
    caller.client.close()


@every_model
@both_ways
def test_a_request_that_the_provider_refuses(company_house: House, model: str, stream: bool) -> None:
    assert company_house.companies is not None
    company_house.companies.of(model).script(Scenario("error", status=400, recorded="failure"))
    caller = Caller.of(company_house)
    with pytest.raises(openai.BadRequestError) as refused:
        caller.ask(model, stream=stream)
    assert "max_tokens: must be" in refused.value.message or "maximum context length" in refused.value.message
    assert len(caller.sent) == 1
    caller.client.close()


@every_model
@pytest.mark.parametrize("fault", [Scenario(recorded="failure"), Scenario("half_json")], ids=["error", "cut"])
def test_a_provider_that_fails_in_the_middle(company_house: House, model: str, fault: Scenario) -> None:
    """The client has read part of the answer, and is told that this is not all of it."""
    assert company_house.companies is not None
    company_house.companies.of(model).script(fault)
    caller = Caller.of(company_house)
    heard = []
    with pytest.raises(openai.APIError) as failed:
        for chunk in caller.ask(model, stream=True):
            assert chunk.choices[0].finish_reason is None
            heard.append(chunk.choices[0].delta.content or "")
    assert type(failed.value) is openai.APIError
    assert (failed.value.code, failed.value.type) == ("PROVIDER_ERROR", "api_error")
    assert "".join(heard) == ("Hel" if fault.recorded else " word" * fault.half)
    assert len(caller.sent) == 1
    caller.client.close()


def test_many_at_once_on_one_client(house: House, caller: Caller) -> None:
    """Its pool of connections is shared by threads, as programs use it."""
    texts: list[str] = []

    def ask() -> None:
        messages = [{"role": "user", "content": "#normal"}]
        texts.append(caller.ask("gpt-4o", messages=messages, max_tokens=20).choices[0].message.content)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 8 and len(set(texts)) == 1
