"""Every parameter of OpenAI's form, and unknown ones, as they reach each provider: as they came, or in its own words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from tornado.ioloop import IOLoop

from tests.conftest import OpenServices, Serve
from tests.http_streams import SECRET, Face, abort_all, make_face
from tests.stand_ins.anthropic_server import AnthropicStandIn
from tests.stand_ins.base import StandIn
from tests.stand_ins.openai_server import OpenAIStandIn

SCHEMA: Final = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL: Final = {"type": "function", "function": {"name": "weather", "description": "Tells it", "parameters": SCHEMA}}
CALL: Final = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
PICTURE: Final = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0=", "detail": "low"}}
FILE: Final = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}
# What both companies' models have a form for.
TURNS: Final[list[dict[str, Any]]] = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "name": "ada", "content": [{"type": "text", "text": "How is it here?"}, PICTURE, FILE]},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees"},
]
FORM: Final = {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": SCHEMA}}
COMMON: Final[dict[str, Any]] = {
    "temperature": 0.7,
    "stop": ["END", "STOP"],
    "tools": [TOOL],
    "tool_choice": {"type": "function", "function": {"name": "weather"}},
    "parallel_tool_calls": False,
    "response_format": FORM,
    "user": "u1",
    "service_tier": "default",
}
UNKNOWN: Final[dict[str, Any]] = {"top_k": 5, "something_new": {"a": [1, None]}}
OPENAIS: Final[dict[str, Any]] = {
    "top_p": 0.9,
    "frequency_penalty": 0.5,
    "presence_penalty": -0.5,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "top_logprobs": 3,
    "seed": 7,
    "store": False,
    "metadata": {"tag": "x"},
    "modalities": ["text"],
    "prediction": {"type": "content", "content": "18"},
    "reasoning_effort": "low",
    "verbosity": "low",
    "safety_identifier": "s1",
    "prompt_cache_key": "k1",
    "prompt_cache_retention": "24h",
    "web_search_options": {"search_context_size": "low"},
}


@dataclass
class Companies:
    """A served hub with a stand-in for each company."""

    face: Face
    by_name: dict[str, StandIn]

    async def asked(self, name: str, model: str, stream: bool, **fields: Any) -> dict[str, Any]:
        """What the company is sent for a completion of the hub's caller."""
        options = {"stream": True, "stream_options": {"include_obfuscation": False}} if stream else {}
        fields = {"messages": TURNS, **fields}
        answer = await self.face.complete(model=model, **options, **fields)
        assert answer.status == 200, await answer.text()
        await answer.text()
        (request,) = self.by_name[name].requests
        return request.body


@pytest.fixture
def companies(io_loop: IOLoop, open_hub: OpenServices, serve_http: Serve) -> Iterator[Companies]:
    openai = OpenAIStandIn()
    by_name: dict[str, StandIn] = {"openai": openai, "minimax": OpenAIStandIn(), "anthropic": AnthropicStandIn()}
    for stand_in in by_name.values():
        io_loop.run_sync(stand_in.start)
    addresses = {f"{name.upper()}_BASE_URL": stand_in.base_url for name, stand_in in by_name.items()}
    keys = {f"{name.upper()}_API_KEY": f"sk-{name}" for name in by_name}
    services = open_hub(HUB_RATE_LIMITS="off", HUB_JWT_SECRET=SECRET, **addresses, **keys)
    port = serve_http(services)
    yield Companies(io_loop.run_sync(lambda: make_face(services, openai, port)), by_name)
    io_loop.run_sync(abort_all)
    for stand_in in by_name.values():
        io_loop.run_sync(stand_in.stop)


@pytest.mark.gen_test
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("name", "model", "upstream"), [("openai", "gpt-4o", "gpt-4o"), ("minimax",) * 2 + ("MiniMax-M2",)]
)
async def test_who_speaks_openais_form_gets_all_of_it(
    companies: Companies, name: str, model: str, upstream: str, stream: bool
) -> None:
    turns = TURNS if name == "openai" else [TURNS[0], *TURNS[2:]]  # MiniMax's model sees no pictures
    given = {**COMMON, **OPENAIS, **UNKNOWN}
    streamed = {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}}
    assert await companies.asked(name, model, stream, messages=turns, max_tokens=50, n=1, **given) == {
        "model": upstream,
        "messages": turns,
        "max_tokens": 50,
        **given,
        **(streamed if stream else {}),
    }


@pytest.mark.gen_test
@pytest.mark.parametrize("stream", [False, True])
async def test_anthropic_gets_what_it_knows_in_its_own_words(companies: Companies, stream: bool) -> None:
    given = {**COMMON, **OPENAIS, **UNKNOWN}
    image, document = (
        {"type": kind, "source": {"type": "base64", "media_type": media, "data": data}}
        for kind, media, data in (("image", "image/png", "iVBORw0="), ("document", "application/pdf", "JVBERi0="))
    )
    said = [{"type": "text", "text": "How is it here?"}, image, {**document, "title": "a.pdf"}]
    use = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Paris"}}
    told = {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "18 degrees"}]}
    assert await companies.asked("anthropic", "claude-haiku-4-5", stream, max_completion_tokens=50, **given) == {
        "model": "claude-haiku-4-5",
        "max_tokens": 50,
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": said},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [told]},
        ],
        "temperature": 0.7,
        "stop_sequences": ["END", "STOP"],
        "tools": [{"name": "weather", "description": "Tells it", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "metadata": {"user_id": "u1"},
        "service_tier": "standard_only",
        **UNKNOWN,
        **({"stream": True} if stream else {}),
    }


@pytest.mark.gen_test
@pytest.mark.parametrize("given", [{"n": 2}, {"functions": [{"name": "f"}]}])
async def test_what_anthropic_has_no_word_for_is_refused_and_costs_nothing(
    companies: Companies, given: dict[str, Any]
) -> None:
    refused = await companies.face.complete(model="claude-haiku-4-5", **given)
    error = (await refused.json())["error"]
    assert (refused.status, error["code"], error["details"]["field"]) == (400, "INVALID_REQUEST", "body")
    assert error["details"]["reason"] == error["message"] and "This model" in error["message"]
    await companies.face.at_rest()
    assert await companies.face.charged() == 0 and companies.by_name["anthropic"].requests == []


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 5, "max_completion_tokens": 7}, 7),
        ({"max_completion_tokens": 7}, 7),
        ({"max_tokens": 5, "max_completion_tokens": None}, 5),
        ({}, 4096),
    ],
)
async def test_either_name_of_the_limit(companies: Companies, fields: dict[str, Any], expected: int) -> None:
    sent = await companies.asked("openai", "gpt-3.5-turbo", False, messages=TURNS[:1], **fields)
    assert (sent["max_tokens"], "max_completion_tokens" in sent) == (expected, False)
