"""Anthropic's official client, unmodified, for a model of each company: what it gets is the same, whoever answers.

The sandbox does not fail by itself, so a provider's failures are those of the companies' stand-ins.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import anthropic
import pytest
from anthropic.types import Message

from models.clock import now, timestamp
from tests.houses import ANTHROPIC_MODEL, MODELS, OPENAI_MODEL, Companies, House, Said
from tests.integration.sdk.cuts import wait_until
from tests.stand_ins.base import Scenario

HELLO: Final = [{"role": "user", "content": "Hello"}]
TOOL: Final = {
    "name": "get_weather",
    "description": "The weather at a place",
    "input_schema": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
}
# 503 output tokens are in a recording, and no answer may be longer than was asked for.
MAX_TOKENS: Final = 1_000
every_model = pytest.mark.parametrize("model", MODELS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


class Caller:
    """A client of one user's. `sent` has the path of each request that really went out."""

    def __init__(self, house: House, key: str | None = None, **options: Any) -> None:
        self.sent: list[str] = []
        self.token = key or house.somebody
        hooks = {"request": [lambda request: self.sent.append(request.url.path)]}
        http_client = anthropic.DefaultHttpxClient(event_hooks=hooks)
        self.client = anthropic.Anthropic(
            base_url=house.hub.url, auth_token=self.token, api_key=None, http_client=http_client, **options
        )

    def ask(self, model: str, *, stream: bool = False, **fields: Any) -> Message:
        """One message; streamed, it is what the client's own accumulation makes of the events."""
        asked = {"model": model, "messages": HELLO, "max_tokens": MAX_TOKENS, **fields}
        if not stream:
            return self.client.messages.create(**asked)
        with self.client.messages.stream(**asked) as events:
            return events.get_final_message()


@pytest.fixture
def caller(house: House) -> Iterator[Caller]:
    caller = Caller(house)
    yield caller
    caller.client.close()


@pytest.fixture
def company_caller(company_house: House) -> Iterator[Caller]:
    """One whose client repeats nothing by itself."""
    caller = Caller(company_house, max_retries=0)
    yield caller
    caller.client.close()


def said_by(message: Message) -> Said:
    usage = message.usage
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    text = "".join(block.text for block in message.content if block.type == "text")
    counts = (usage.input_tokens + cached, usage.output_tokens)
    calls = [block for block in message.content if block.type == "tool_use"]
    if not calls:
        return Said(text, *counts)
    (call,) = calls
    return Said(text, *counts, call.name, call.input)


@every_model
@both_ways
def test_it_completes(house: House, caller: Caller, model: str, stream: bool) -> None:
    if house.companies is None:
        message = caller.ask(model, stream=stream, max_tokens=20)
        said = said_by(message)
        assert said.text.startswith("This answer comes from the sandbox") and said.prompt_tokens > 0
        assert 18 <= said.completion_tokens <= 20
        assert message.stop_reason == "max_tokens"
    else:
        expected = house.companies.will_say(model, "text", streamed=stream)
        message = caller.ask(model, stream=stream)
        assert said_by(message) == expected
        assert message.stop_reason == "end_turn"
    assert (message.type, message.role, message.model, message.stop_sequence) == ("message", "assistant", model, None)
    assert message.id.startswith("msg_")


@every_model
def test_its_events_come_in_order(house: House, caller: Caller, model: str) -> None:
    """As its own low-level stream shows them: text as it is written, and usage that only grows."""
    if house.companies is not None:
        house.companies.will_say(model, "text", streamed=True)
    stream = caller.client.messages.create(model=model, messages=HELLO, max_tokens=20, stream=True)
    events = list(stream)
    kinds = [event.type for event in events]
    pieces = kinds.count("content_block_delta")
    assert pieces >= 3
    deltas = ["content_block_delta"] * pieces
    ends = ["content_block_stop", "message_delta", "message_stop"]
    assert kinds == ["message_start", "content_block_start", *deltas, *ends]
    begun, ended = events[0].message.usage, events[-2].usage
    assert begun.input_tokens > 0 and begun.output_tokens <= ended.output_tokens


@every_model
@both_ways
def test_it_calls_a_tool_and_goes_on_with_its_result(house: House, caller: Caller, model: str, stream: bool) -> None:
    expected = house.companies.will_say(model, "tools", streamed=stream) if house.companies else None
    message = caller.ask(model, stream=stream, tools=[TOOL])
    said = said_by(message)
    assert (said.tool, list(said.arguments or ()), message.stop_reason) == (
        expected.tool if expected else "get_weather",
        ["location"],
        "tool_use",
    )
    assert expected in (None, said)
    call = next(block for block in message.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "18 degrees"}
    told = [*HELLO, {"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
    if house.companies is not None:
        house.companies.will_say(model, "text", streamed=stream)
    answer = caller.ask(model, stream=stream, tools=[TOOL], messages=told)
    assert answer.stop_reason == "end_turn" and [block.type for block in answer.content] == ["text"]
    if house.companies is not None:
        assert "18 degrees" in str(house.companies.of(model).requests[-1].body["messages"][-1])


@both_ways
def test_400_401_and_404(house: House, caller: Caller, stream: bool) -> None:
    with pytest.raises(anthropic.BadRequestError) as bad:
        caller.ask(OPENAI_MODEL, stream=stream, max_tokens=0)
    assert (bad.value.type, bad.value.status_code) == ("invalid_request_error", 400)
    assert "max_tokens" in bad.value.message
    with pytest.raises(anthropic.NotFoundError) as unknown:
        caller.ask("claude-99", stream=stream)
    assert (unknown.value.type, unknown.value.status_code) == ("not_found_error", 404)
    assert "claude-99" in unknown.value.message and len(caller.sent) == 2
    stranger = Caller(house, "sk-wrong")
    with pytest.raises(anthropic.AuthenticationError) as wrong:
        stranger.ask(OPENAI_MODEL, stream=stream)
    assert (wrong.value.type, wrong.value.status_code) == ("authentication_error", 401)
    stranger.client.close()
    for error in (bad.value, unknown.value, wrong.value):
        assert error.request_id and error.api_message


@every_model
@both_ways
def test_402_of_an_empty_wallet(house: House, model: str, stream: bool) -> None:
    caller = Caller(house, house.pauper)
    with pytest.raises(anthropic.PaymentRequiredError) as poor:
        caller.ask(model, stream=stream)
    assert (poor.value.status_code, poor.value.type, len(caller.sent)) == (402, "billing_error", 1)
    caller.client.close()


@both_ways
def test_422_of_a_key_with_another_body(house: House, stream: bool) -> None:
    caller = Caller(house, house.newcomer())
    keyed = {"extra_headers": {"Idempotency-Key": "one"}, "stream": stream}
    if house.companies is not None:
        house.companies.will_say(ANTHROPIC_MODEL, "text", streamed=stream)
    first = caller.ask(ANTHROPIC_MODEL, **keyed)
    assert caller.ask(ANTHROPIC_MODEL, **keyed) == first
    assert len(house.charges(caller.token)) == 1
    with pytest.raises(anthropic.UnprocessableEntityError) as reused:
        caller.ask(ANTHROPIC_MODEL, **{**keyed, "max_tokens": 7})
    assert (reused.value.type, len(caller.sent)) == ("invalid_request_error", 3)
    caller.client.close()


def test_429_of_the_rate_limit(limited_house: House) -> None:
    caller = Caller(limited_house, limited_house.newcomer(), max_retries=0)
    limited_house.use_up_the_limit(caller.token)
    for stream in (False, True):
        with pytest.raises(anthropic.RateLimitError) as limited:
            caller.ask(OPENAI_MODEL, stream=stream)
        assert (limited.value.type, limited.value.status_code) == ("rate_limit_error", 429)
        assert 1 <= int(limited.value.response.headers["retry-after"]) <= 60
    caller.client.close()


@every_model
@both_ways
def test_a_provider_that_fails(companies: Companies, company_caller: Caller, model: str, stream: bool) -> None:
    companies.of(model).script(*[Scenario("error", status=500)] * 3)
    with pytest.raises(anthropic.InternalServerError) as failed:
        company_caller.ask(model, stream=stream)
    assert (failed.value.status_code, failed.value.type) == (502, "api_error")


@every_model
@both_ways
def test_a_request_that_the_provider_refuses(
    companies: Companies, company_caller: Caller, model: str, stream: bool
) -> None:
    companies.of(model).script(Scenario("error", status=400, recorded="failure"))
    with pytest.raises(anthropic.BadRequestError) as refused:
        company_caller.ask(model, stream=stream)
    words = "max_tokens: must be" if model == ANTHROPIC_MODEL else "maximum context length"
    assert words in str(refused.value.api_message)


@every_model
@pytest.mark.parametrize("fault", [Scenario(recorded="failure"), Scenario("half_json")], ids=["error", "cut"])
def test_a_provider_that_fails_in_the_middle(
    companies: Companies, company_caller: Caller, model: str, fault: Scenario
) -> None:
    """The client has read part of the answer, and is told that this is not all of it; its answer had begun with 200."""
    companies.of(model).script(fault)
    heard = []
    with (
        pytest.raises(anthropic.APIStatusError) as failed,
        company_caller.client.messages.stream(model=model, messages=HELLO, max_tokens=MAX_TOKENS) as events,
    ):
        heard.extend(events.text_stream)
    assert (type(failed.value), failed.value.status_code) == (anthropic.APIStatusError, 200)
    assert failed.value.type == "api_error" and failed.value.api_message
    assert "".join(heard) == ("Hel" if fault.recorded else " word" * fault.half)


def test_models_and_tokens(house: House, caller: Caller) -> None:
    """The client's other calls that every program makes."""
    page = caller.client.models.list()
    listed = [model.id for model in page]
    first = page.data[0]
    assert (first.type, first.display_name, first.created_at.year) == ("model", "GPT-4", 1970)
    assert (page.first_id, page.last_id, page.has_more) == (listed[0], listed[-1], False)
    assert set(MODELS) <= set(listed)
    counted = caller.client.messages.count_tokens(model=ANTHROPIC_MODEL, messages=HELLO)
    assert counted.input_tokens > 0


def test_a_key_in_the_header_of_its_own(sandbox_house: House) -> None:
    """`api_key` goes out as `x-api-key`, which is what Anthropic's users set."""
    made = sandbox_house.call("POST", "/v1/auth/api-keys", sandbox_house.somebody, {"name": "of a program"})
    client = anthropic.Anthropic(base_url=sandbox_house.hub.url, api_key=made["data"]["key"])
    message = client.messages.create(model=ANTHROPIC_MODEL, messages=HELLO, max_tokens=5)
    assert message.content[0].type == "text" and 0 < message.usage.output_tokens <= 5
    client.close()


def test_a_key_in_the_header_of_its_own_ends_at_its_expiry(sandbox_house: House) -> None:
    fields = {"name": "of a short time", "expiresAt": timestamp(now() + timedelta(seconds=2))}
    made = sandbox_house.call("POST", "/v1/auth/api-keys", sandbox_house.somebody, fields)
    client = anthropic.Anthropic(base_url=sandbox_house.hub.url, api_key=made["data"]["key"])
    assert client.models.list().data

    def is_refused() -> bool:
        try:
            client.models.list()
        except anthropic.AuthenticationError:
            return True
        return False

    wait_until(is_refused)
    with pytest.raises(anthropic.AuthenticationError) as expired:
        client.messages.create(model=ANTHROPIC_MODEL, messages=HELLO, max_tokens=5)
    assert (expired.value.type, expired.value.status_code) == ("authentication_error", 401)
    assert expired.value.api_message == "Invalid or expired credentials"
    client.close()


def test_a_base_url_that_ends_with_v1_is_told(sandbox_house: House) -> None:
    """As programs give it that were written for OpenAI's client."""
    client = anthropic.Anthropic(base_url=sandbox_house.v1, auth_token=sandbox_house.somebody, api_key=None)
    with pytest.raises(anthropic.NotFoundError) as unknown:
        client.messages.create(model=ANTHROPIC_MODEL, messages=HELLO, max_tokens=5)
    assert unknown.value.response.request.url.path == "/v1/v1/messages"
    assert "/v1 stands in it twice" in unknown.value.message and "base URL" in unknown.value.message
    client.close()
