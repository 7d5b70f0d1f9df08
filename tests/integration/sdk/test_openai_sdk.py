"""OpenAI's official client, unmodified, against a really running hub whose OpenAI is a stand-in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from config import limits
from tests.running_hub import RunningHub
from tests.stand_ins.base import Scenario
from tests.stand_ins.openai_server import OpenAIStandIn

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]


class Caller:
    """A client of one user's, and how many requests it has sent."""

    def __init__(self, hub: RunningHub, api_key: str) -> None:
        self.sent: list[str] = []
        hooks = {"request": [lambda request: self.sent.append(request.url.path)]}
        http_client = openai.DefaultHttpxClient(event_hooks=hooks)
        self.client = openai.OpenAI(base_url=f"{hub.url}/v1", api_key=api_key, http_client=http_client)

    def ask(self, **fields: Any) -> Any:
        return self.client.chat.completions.create(**{"model": "gpt-4", "messages": HELLO, **fields})

    def ask_streamed(self, **fields: Any) -> list[ChatCompletionChunk]:
        return list(self.ask(stream=True, **fields))


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenAIStandIn]:
    with OpenAIStandIn().in_thread() as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def hub(mongod_uri: str, tmp_path_factory: pytest.TempPathFactory, provider: OpenAIStandIn) -> Iterator[RunningHub]:
    """Its users begin with 0.02 credits: 333 tokens of GPT-4."""
    environ = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": provider.base_url, "HUB_SIGNUP_CREDITS": "0.02"}
    folder: Path = tmp_path_factory.mktemp("hub")
    running = RunningHub(folder, mongod_uri, HUB_MONGODB_DATABASE="test_openai_sdk", **environ)
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def caller(hub: RunningHub) -> Iterator[Caller]:
    caller = Caller(hub, hub.register())
    yield caller
    caller.client.close()


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_models_are_listed_and_retrieved(caller: Caller) -> None:
    listed = caller.client.models.list()
    assert {"gpt-4", "gpt-3.5-turbo", "claude-3", "minimax"} <= {model.id for model in listed}
    model = caller.client.models.retrieve("gpt-4")
    assert (model.id, model.object, model.owned_by) == ("gpt-4", "model", "openai")
    with pytest.raises(openai.NotFoundError):
        caller.client.models.retrieve("gpt-99")


def test_an_answer_as_one_completion(caller: Caller, provider: OpenAIStandIn) -> None:
    provider.script(Scenario(chunks=5))
    completion = caller.ask(max_tokens=50, temperature=0.2, user="someone")
    (choice,) = completion.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", " word" * 5, "stop")
    assert (completion.object, completion.model) == ("chat.completion", "gpt-4")
    usage = completion.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (9, 5, 14)
    body = provider.requests[-1].body
    assert (body["max_tokens"], body["temperature"], body["user"]) == (50, 0.2, "someone")


def test_an_answer_as_chunks(caller: Caller, provider: OpenAIStandIn) -> None:
    provider.script(Scenario(chunks=6, interval_seconds=0.005))
    chunks = caller.ask_streamed()
    assert text_of(chunks) == " word" * 6
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * 7 + ["stop"]
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)


def test_usage_where_it_is_asked_for(caller: Caller, provider: OpenAIStandIn) -> None:
    provider.script(Scenario(chunks=3))
    *chunks, last = caller.ask_streamed(stream_options={"include_usage": True})
    assert all(chunk.choices and chunk.usage is None and "usage" in chunk.model_fields_set for chunk in chunks)
    assert last.choices == []
    assert last.usage is not None and (last.usage.prompt_tokens, last.usage.completion_tokens) == (9, 3)


def test_a_wrong_key_and_an_unknown_model(hub: RunningHub, caller: Caller) -> None:
    stranger = Caller(hub, "sk-wrong")
    with pytest.raises(openai.AuthenticationError) as wrong:
        stranger.ask()
    assert (wrong.value.code, wrong.value.type) == ("UNAUTHORIZED", "authentication_error")
    assert wrong.value.request_id == wrong.value.response.headers["x-request-id"]
    assert len(stranger.sent) == 1
    stranger.client.close()
    with pytest.raises(openai.NotFoundError) as unknown:
        caller.ask(model="gpt-99")
    assert "gpt-99" in unknown.value.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"temperature": 2.1}, "temperature"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
    ],
)
def test_a_bad_request_names_its_parameter(caller: Caller, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        caller.ask(**fields)
    assert bad.value.param == param
    assert len(caller.sent) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_without_credits_nothing_is_tried_again(caller: Caller, provider: OpenAIStandIn, stream: bool) -> None:
    provider.script(Scenario(chunks=400))
    assert caller.ask_streamed()[-1].choices[0].finish_reason == "length"
    before = len(caller.sent), len(provider.requests)
    with pytest.raises(openai.APIStatusError) as poor:
        caller.ask(stream=stream)
    assert (type(poor.value), poor.value.status_code) == (openai.APIStatusError, 402)
    assert (poor.value.code, poor.value.type) == ("INSUFFICIENT_FUNDS", "insufficient_quota")
    assert (len(caller.sent), len(provider.requests)) == (before[0] + 1, before[1])


@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_fails_before_the_first_word(caller: Caller, provider: OpenAIStandIn, stream: bool) -> None:
    provider.script(*[Scenario("error", status=500)] * 3)
    caller.client = caller.client.with_options(max_retries=0)
    with pytest.raises(openai.InternalServerError) as failed:
        caller.ask(stream=stream)
    assert (failed.value.status_code, failed.value.code) == (502, "PROVIDER_ERROR")
    provider.script(Scenario("error", status=400))
    with pytest.raises(openai.BadRequestError):
        caller.ask(stream=stream)


def test_a_provider_that_fails_in_the_middle(caller: Caller, provider: OpenAIStandIn) -> None:
    provider.script(Scenario("error_chunk", chunks=8, interval_seconds=0.005))
    heard: list[str] = []
    with pytest.raises(openai.APIError) as failed:
        for chunk in caller.ask(stream=True):
            assert chunk.choices[0].finish_reason is None
            heard.append(chunk.choices[0].delta.content or "")
    assert type(failed.value) is openai.APIError
    assert (failed.value.code, failed.value.type) == ("PROVIDER_ERROR", "api_error")
    assert "".join(heard) == " word" * 4
    assert len(caller.sent) == 1


def test_more_answers_at_once_than_allowed(caller: Caller, provider: OpenAIStandIn) -> None:
    provider.script(*[Scenario(chunks=40, interval_seconds=0.12)] * limits.STREAMS_PER_USER_MAX)
    fields = {"model": "gpt-4o-mini", "max_tokens": 60, "stream": True}
    running = [caller.ask(**fields) for _ in range(limits.STREAMS_PER_USER_MAX)]
    with pytest.raises(openai.RateLimitError) as limited:
        caller.client.with_options(max_retries=0).chat.completions.create(model="gpt-4", messages=HELLO)
    assert int(limited.value.response.headers["retry-after"]) >= 1
    for stream in running:
        stream.close()
