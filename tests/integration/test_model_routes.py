"""Several routes to one AI model: tried in turn until one begins to answer, and answers say by which they came."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tornado.ioloop import IOLoop

from config import limits
from hub.prices import charge_micro
from hub.providers.base import ProviderError
from hub.providers.routes import Resting, RoutedProvider, Way
from hub.providers.sandbox import SandboxProvider
from hub.services import Services
from tests.anthropic_events import events_of, message_of
from tests.conftest import OpenServices
from tests.http_streams import Face, Response, abort_all, ask, make_face
from tests.patience import until
from tests.stand_ins.anthropic_server import AnthropicStandIn
from tests.stand_ins.base import Scenario, StandIn
from tests.stand_ins.openai_server import OpenAIStandIn

FIRST, SECOND = "openai/gpt-4", "minimax/other-gpt"
COMPLETIONS, MESSAGES, EMBEDDINGS = "/v1/chat/completions", "/v1/messages", "/v1/embeddings"
MIXED, VECTORS = "gpt-or-claude", "text-embedding-3-small"
CLAUDE, OTHER_VECTORS = "anthropic/claude-haiku-4-5", "openai/other-embedding"
SYSTEM = "Be brief."
Server = TypeVar("Server", bound=StandIn)
_CHATS = """
weight = 1000000
description = "Two ways"
input_price = "0.00003"
output_price = "0.00006"
context_tokens = 8192
output_tokens_max = 4096
capabilities = ["text", "chat"]
vocabulary = "cl100k_base"
"""
MODELS = f"""
[[models]]
id = "gpt-4"
name = "GPT-4"
provider = "openai"
upstream = "gpt-4"
{_CHATS}
routes = [{{ provider = "minimax", upstream = "other-gpt" }}]

[[models]]
id = "gpt-or-claude"
name = "GPT or Claude"
provider = "openai"
upstream = "gpt-4o"
{_CHATS}
routes = [{{ provider = "anthropic", upstream = "claude-haiku-4-5" }}]

[[models]]
id = "text-embedding-3-small"
name = "Vectors"
provider = "openai"
upstream = "text-embedding-3-small"
weight = 1000000
description = "Two ways to vectors"
input_price = "0.00000002"
context_tokens = 8192
dimensions = 1536
capabilities = ["embeddings"]
vocabulary = "cl100k_base"
routes = [{{ provider = "openai", upstream = "other-embedding" }}]
"""
DOWN = Scenario("error", status=503, headers=(("x-should-retry", "false"),))


def _served(io_loop: IOLoop, stand_in: Server) -> Iterator[Server]:
    io_loop.run_sync(stand_in.start)
    yield stand_in
    io_loop.run_sync(stand_in.stop)


@pytest.fixture
def first(io_loop: IOLoop) -> Iterator[OpenAIStandIn]:
    yield from _served(io_loop, OpenAIStandIn(default=Scenario(word=" first")))


@pytest.fixture
def second(io_loop: IOLoop) -> Iterator[OpenAIStandIn]:
    yield from _served(io_loop, OpenAIStandIn(default=Scenario(word=" second")))


@pytest.fixture
def claude(io_loop: IOLoop) -> Iterator[AnthropicStandIn]:
    yield from _served(io_loop, AnthropicStandIn(default=Scenario(word=" claude")))


@pytest.fixture
def face(
    io_loop: IOLoop,
    open_hub: OpenServices,
    serve_http: Callable[[Services], int],
    first: OpenAIStandIn,
    second: OpenAIStandIn,
    claude: AnthropicStandIn,
    tmp_path: Path,
) -> Iterator[Face]:
    models = tmp_path / "my-models.toml"
    models.write_text(MODELS)
    services = open_hub(
        HUB_MODELS_FILE=str(models),
        OPENAI_BASE_URL=first.base_url,
        MINIMAX_BASE_URL=second.base_url,
        ANTHROPIC_BASE_URL=claude.base_url,
        HUB_RATE_LIMITS="off",
    )
    port = serve_http(services)
    yield io_loop.run_sync(lambda: make_face(services, first, port))
    io_loop.run_sync(abort_all)


def way(answer: Response) -> tuple[str, str]:
    assert 0 < float(answer.headers["x-hub-overhead-ms"]) < 60_000
    return answer.headers["x-hub-route"], answer.headers["x-hub-attempts"]


@pytest.mark.gen_test
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", [COMPLETIONS, MESSAGES])
async def test_a_route_that_fails_is_left_for_the_next_one(
    face: Face, second: OpenAIStandIn, path: str, stream: bool
) -> None:
    face.provider.default = DOWN
    answer = await face.complete(path, stream=stream, max_tokens=64)
    assert (answer.status, *way(answer)) == (200, SECOND, "2")
    assert second.requests[0].body["model"] == "other-gpt"
    text = await text_of(answer, path, stream)
    assert text == " second" * 8
    again = await face.complete(path, stream=stream, max_tokens=64)
    assert way(again) == (SECOND, "1"), "the one that failed rests"
    assert len(face.provider.requests) == 1
    await text_of(again, path, stream)
    await face.at_rest()


async def text_of(answer: Response, path: str, stream: bool) -> str:
    if path == MESSAGES:
        message = message_of(events_of((await answer.text()).encode())) if stream else await answer.json()
        (block,) = message["content"]
        return str(block["text"])
    if not stream:
        return str((await answer.json())["choices"][0]["message"]["content"])
    return "".join([event.content for event in await answer.events()])


@pytest.mark.gen_test
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", [COMPLETIONS, MESSAGES])
async def test_the_next_route_may_speak_another_form(
    face: Face, claude: AnthropicStandIn, path: str, stream: bool
) -> None:
    """Each company is asked in its own form, whichever the caller's is, and the answer has the caller's."""
    face.provider.default = DOWN
    turn = {"role": "user", "content": "Hello"}
    asked: dict[str, Any] = {"system": SYSTEM, "messages": [turn]}
    if path == COMPLETIONS:
        asked = {"messages": [{"role": "system", "content": SYSTEM}, turn]}
    answer = await face.complete(path, model=MIXED, stream=stream, max_tokens=64, **asked)
    assert (answer.status, *way(answer)) == (200, CLAUDE, "2")
    assert await text_of(answer, path, stream) == " claude" * 8
    (first,), (then,) = face.provider.requests, claude.requests
    assert (first.path, first.body["model"], then.path, then.body["model"]) == (
        *("/v1/chat/completions", "gpt-4o"),
        *("/v1/messages", "claude-haiku-4-5"),
    )
    assert [said["role"] for said in first.body["messages"]] == ["system", "user"] and "system" not in first.body
    assert (then.body["system"], [said["role"] for said in then.body["messages"]]) == (SYSTEM, ["user"])
    assert then.body["max_tokens"] == first.body["max_tokens"] == 64
    await face.at_rest()
    assert await face.charged() == charge_micro(face.services.catalogue[MIXED], 9, 8)
    (row,) = await face.services.database["usage"].find({}, limit=10)
    assert row["route"] == CLAUDE


async def embedded(face: Face) -> Response:
    body = {"model": VECTORS, "input": ["a", "b"]}
    return await ask(face.port, "POST", EMBEDDINGS, token=face.token, body=body)


@pytest.mark.gen_test
async def test_a_route_to_vectors_that_fails_is_left_for_the_next_one(face: Face) -> None:
    face.provider.script(DOWN)
    answer = await embedded(face)
    assert (answer.status, *way(answer)) == (200, OTHER_VECTORS, "2")
    assert [row["embedding"][0] for row in (await answer.json())["data"]] == [0, 1]
    again = await embedded(face)
    assert (again.status, *way(again)) == (200, OTHER_VECTORS, "1"), "the one that failed rests"
    asked = [(request.path, request.body["model"]) for request in face.provider.requests]
    assert asked == [(EMBEDDINGS, model) for model in (VECTORS, "other-embedding", "other-embedding")]
    rows = await face.services.database["usage"].find({}, limit=10)
    assert [row["route"] for row in rows] == [OTHER_VECTORS] * 2
    assert await face.charged() == 2 * charge_micro(face.services.catalogue[VECTORS], 9, 0)


@pytest.mark.gen_test
async def test_vectors_that_no_route_makes_cost_nothing(face: Face) -> None:
    face.provider.script(Scenario("error", status=400))
    assert (await embedded(face)).status == 400
    assert len(face.provider.requests) == 1, "what is wrong with the request is asked nowhere else"
    face.provider.default = DOWN
    answer = await embedded(face)
    assert (answer.status, answer.headers["x-hub-route"], answer.headers["x-hub-attempts"]) == (502, OTHER_VECTORS, "2")
    assert await face.charged() == 0
    await face.at_rest()


@pytest.mark.gen_test
async def test_a_rested_route_is_taken_again(
    face: Face, second: OpenAIStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ROUTE_REST_SECONDS", 0.2)
    face.provider.script(DOWN)
    assert way(await face.complete()) == (SECOND, "2")

    async def is_first_again() -> bool:
        return way(await face.complete()) == (FIRST, "1")

    await until(is_first_again)


@pytest.mark.gen_test
async def test_what_is_wrong_with_the_request_is_asked_nowhere_else(face: Face, second: OpenAIStandIn) -> None:
    face.provider.script(Scenario("error", status=400))
    answer = await face.complete()
    assert answer.status == 400
    assert second.requests == []
    face.provider.script(Scenario("error", status=404))
    assert way(await face.complete()) == (SECOND, "2"), "a company that does not know the model is not the only one"


@pytest.mark.gen_test
async def test_an_answer_that_has_begun_is_not_begun_again(face: Face, second: OpenAIStandIn) -> None:
    face.provider.script(Scenario("reset_mid"))
    answer = await face.complete(stream=True)
    events = await answer.events()
    assert "error" in events[-2].data
    assert second.requests == []
    assert way(await face.complete()) == (SECOND, "1"), "the one that broke off rests"


@pytest.mark.gen_test
async def test_where_all_fail_the_last_failure_is_told_with_the_way(face: Face, second: OpenAIStandIn) -> None:
    face.provider.default = second.default = DOWN
    answer = await face.complete()
    assert answer.status == 502
    assert (answer.headers["x-hub-route"], answer.headers["x-hub-attempts"]) == (SECOND, "2")
    assert await face.charged() == 0
    answer = await face.complete(stream=True)
    assert answer.status == 502, "those that rest are tried all the same, where there are no others"
    assert answer.headers["x-hub-attempts"] == "2"


@pytest.mark.gen_test
async def test_a_usage_row_tells_the_route(face: Face) -> None:
    face.provider.script(DOWN)
    await (await face.complete()).json()
    await face.at_rest()
    (row,) = await face.services.database["usage"].find({}, limit=10)
    assert row["route"] == SECOND


def test_routes_are_drawn_by_weight_and_those_that_rest_come_last() -> None:
    sandbox, clock = SandboxProvider(1e6), [0.0]
    resting = Resting(lambda: clock[0])
    ways = [Way(name, sandbox, name, weight) for name, weight in (("a", 9), ("b", 1), ("c", 1))]
    routed = RoutedProvider(ways, resting, random.Random(7))
    drawn = [routed.order()[0][0].name for _ in range(2_000)]
    assert 1_500 < drawn.count("a") < 1_800  # 9 of 11
    assert 120 < drawn.count("b") < 250
    resting.failed("a", ProviderError("away"))
    clock[0] += 1
    resting.failed("b", ProviderError("away", retry_after_seconds=10_000))
    assert [each.name for each, _ in routed.order()] == ["c", "a", "b"]
    assert [is_last for _, is_last in routed.order()] == [False, False, True]
    clock[0] += limits.ROUTE_REST_SECONDS
    assert {each.name for each, _ in routed.order()[:2]} == {"a", "c"}
    assert resting.left("b") <= limits.ROUTE_REST_SECONDS_MAX
    resting.answered("b")
    assert resting.left("b") == 0
