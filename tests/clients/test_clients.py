"""OpenAI's client for Node, `litellm` and `langchain-openai`, unmodified, against running hubs.

They are not changed and not told that this is a hub: its address and an access token are all they get. What each raises is
its own matter, and stands in `RAISED`; that it can tell one failure from another is the hub's.
"""

import secrets
from typing import Final

import pytest

from tests.clients.programs import HELLO, TOOL, Failure, Program
from tests.houses import MODELS, OPENAI_MODEL, Companies, House
from tests.stand_ins.base import Scenario

MIDDLE: Final = 0  # stands for a failure after the first words, whose answer had begun with 200
RAISED: Final = {
    "openai for Node": {
        400: "BadRequestError",
        401: "AuthenticationError",
        402: "APIError",
        404: "NotFoundError",
        422: "UnprocessableEntityError",
        429: "RateLimitError",
        502: "InternalServerError",
        MIDDLE: "APIError",
    },
    "litellm": {
        400: "litellm.BadRequestError",
        401: "litellm.AuthenticationError",
        402: "litellm.APIError",
        404: "litellm.NotFoundError",
        422: "litellm.BadRequestError",
        429: "litellm.RateLimitError",
        502: "litellm.BadGatewayError",
        MIDDLE: "litellm.MidStreamFallbackError",
    },
    "langchain-openai": {
        400: "langchain_openai.OpenAIInvalidRequestError",
        401: "langchain_openai.OpenAIAuthenticationError",
        402: "openai.APIStatusError",
        404: "langchain_openai.OpenAIModelNotFoundError",
        422: "openai.UnprocessableEntityError",
        429: "langchain_openai.OpenAIRateLimitError",
        502: "langchain_openai.OpenAIAPIError",
        MIDDLE: "openai.APIError",
    },
}
every_model = pytest.mark.parametrize("model", MODELS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def check(client: Program, failure: Failure | None, status: int) -> None:
    """That a client raised what it raises for this status, and says the hub's own words."""
    assert failure is not None, f"{client.name} saw no failure"
    assert (failure.classes[0], failure.status) == (RAISED[client.name][status], status), failure


@every_model
@both_ways
def test_it_completes(house: House, client: Program, model: str, stream: bool) -> None:
    if house.companies is None:
        answer = client.ask(house.v1, house.somebody, model, stream=stream, max_tokens=20)
        assert answer.said is not None and answer.failure is None
        assert answer.text.startswith("This answer comes from the sandbox")
        assert answer.said.prompt_tokens > 0 and 18 <= answer.said.completion_tokens <= 20
        assert answer.finish == "length"
    else:
        expected = house.companies.will_say(model, "text", streamed=stream)
        answer = client.ask(house.v1, house.somebody, model, stream=stream)
        assert (answer.failure, answer.said, answer.finish) == (None, expected, "stop")


@every_model
def test_a_streamed_answer_comes_in_pieces(house: House, client: Program, model: str) -> None:
    if house.companies is not None:
        house.companies.of(model).script(Scenario(chunks=8, interval_seconds=0.02))
    answer = client.ask(house.v1, house.somebody, model, stream=True, max_tokens=20)
    assert answer.said is not None and answer.said.text == answer.text != ""
    assert answer.pieces > 3


@every_model
@both_ways
def test_it_calls_a_tool_and_goes_on_with_its_result(house: House, client: Program, model: str, stream: bool) -> None:
    expected = house.companies.will_say(model, "tools", streamed=stream) if house.companies else None
    answer = client.ask(house.v1, house.somebody, model, stream=stream, tools=[TOOL])
    assert answer.said is not None and answer.failure is None
    assert (answer.said.tool, list(answer.said.arguments or ()), answer.finish) == (
        expected.tool if expected else "get_weather",
        ["location"],
        "tool_calls",
    )
    assert expected in (None, answer.said)
    (call,) = answer.calls
    function = {"name": call["name"], "arguments": call["arguments"]}
    calls = [{"id": call["id"], "type": "function", "function": function}]
    told = [
        *HELLO,
        {"role": "assistant", "content": answer.text or None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": call["id"], "content": "18 degrees"},
    ]
    words = house.companies.will_say(model, "text", streamed=stream) if house.companies else None
    final = client.ask(house.v1, house.somebody, model, stream=stream, tools=[TOOL], messages=told, max_tokens=1000)
    assert (final.failure, final.calls, final.finish) == (None, [], "stop") and final.text
    if house.companies is not None:
        assert final.said == words
        asked, result = map(str, house.companies.of(model).requests[-1].body["messages"][-2:])
        assert call["id"] in asked and call["id"] in result and "18 degrees" in result


@both_ways
def test_400_401_402_404(house: House, client: Program, stream: bool) -> None:
    token = house.somebody
    check(client, client.ask(house.v1, token, OPENAI_MODEL, stream=stream, temperature=3).failure, 400)
    check(client, client.ask(house.v1, "sk-wrong", OPENAI_MODEL, stream=stream).failure, 401)
    check(client, client.ask(house.v1, house.pauper, OPENAI_MODEL, stream=stream).failure, 402)
    unknown = client.ask(house.v1, token, "gpt-99", stream=stream).failure
    check(client, unknown, 404)
    assert unknown is not None and "gpt-99" in unknown.message


@both_ways
def test_422_of_a_key_with_another_body(house: House, client: Program, stream: bool) -> None:
    token, headers = house.newcomer(), {"Idempotency-Key": secrets.token_hex(8)}
    if house.companies is not None:
        house.companies.will_say(OPENAI_MODEL, "text", streamed=stream)
    first = client.ask(house.v1, token, OPENAI_MODEL, stream=stream, headers=headers, max_tokens=20)
    again = client.ask(house.v1, token, OPENAI_MODEL, stream=stream, headers=headers, max_tokens=20)
    assert first.said is not None and first.said == again.said
    assert len(house.charges(token)) == 1
    other = client.ask(house.v1, token, OPENAI_MODEL, stream=stream, headers=headers, max_tokens=21)
    check(client, other.failure, 422)


def test_429_of_the_rate_limit(limited_house: House, client: Program) -> None:
    token = limited_house.newcomer()
    limited_house.use_up_the_limit(token)
    for stream in (False, True):
        check(client, client.ask(limited_house.v1, token, OPENAI_MODEL, stream=stream).failure, 429)


@every_model
@both_ways
def test_a_provider_that_fails(
    company_house: House, companies: Companies, client: Program, model: str, stream: bool
) -> None:
    companies.of(model).script(*[Scenario("error", status=500)] * 3)
    check(client, client.ask(company_house.v1, company_house.somebody, model, stream=stream).failure, 502)


@every_model
@pytest.mark.parametrize("fault", [Scenario(recorded="failure"), Scenario("half_json")], ids=["error", "cut"])
def test_a_provider_that_fails_in_the_middle(
    company_house: House, companies: Companies, client: Program, model: str, fault: Scenario
) -> None:
    """What was read before it stays, and nobody takes it for a whole answer."""
    companies.of(model).script(fault)
    answer = client.ask(company_house.v1, company_house.somebody, model, stream=True)
    assert answer.failure is not None and answer.failure.classes[0] == RAISED[client.name][MIDDLE]
    assert answer.text == ("Hel" if fault.recorded else " word" * fault.half)
    assert answer.finish is None
