"""`POST /v1/embeddings` over HTTP: vectors in both encodings, counted, held, paid once, and refused with a reason."""

import asyncio
import base64
import json
import math
import struct
from dataclasses import replace
from typing import Any, Final

import pytest

from config import limits
from handlers.ai_aggregator.embeddings import written
from hub.audit import audit
from hub.embeddings import EmbeddingRequest
from hub.errors import Code, HubError
from hub.idempotency import IdempotencyKey
from hub.identity_cache import KeyLimits
from hub.operations import Operation, PlaceHold
from hub.prices import charge_micro
from hub.providers.base import Trail
from hub.providers.openai_embeddings import packed
from hub.services import Services
from models import idempotency, wallets
from models.clock import now
from models.ids import new_id
from models.usage import USAGE, totals
from tests import bad_input
from tests.conftest import OpenServices, Serve
from tests.factories import grant, make_user, sign_up
from tests.http_streams import Face, Response, ask
from tests.patience import until
from tests.stand_ins.base import Scenario
from tests.ws_client import Client

PATH: Final = "/v1/embeddings"
SMALL, LARGE = "text-embedding-3-small", "text-embedding-3-large"
KEY: Final = {"Idempotency-Key": "order 66"}


async def send(face: Face, headers: dict[str, str] | None = None, **fields: Any) -> Response:
    body = {"model": SMALL, "input": "Hello world", **fields}
    return await ask(face.port, "POST", PATH, token=face.token, body=body, headers=headers)


async def made(face: Face, **fields: Any) -> Any:
    response = await send(face, **fields)
    answer = await response.json()
    assert response.status == 200, answer
    return answer


async def refused(face: Face, status: int, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    response = await send(face, headers, **fields)
    answer = await response.json()
    assert (response.status, answer["success"]) == (status, False), answer
    return answer["error"]


def price(face: Face, model: str, tokens: int) -> int:
    return charge_micro(face.services.catalogue[model], tokens, 0)


async def assert_sound(face: Face) -> None:
    assert [difference async for difference in audit(face.services.database)] == []
    assert await wallets.holds_open(face.services.database) == 0


@pytest.mark.parametrize(("model", "length"), [(SMALL, 1_536), (LARGE, 3_072)])
@pytest.mark.gen_test
async def test_vectors_as_numbers_and_in_base64(face: Face, model: str, length: int) -> None:
    texts = ["a", "b", "c"]
    numbers = await made(face, model=model, input=texts)
    assert (numbers["object"], numbers["model"]) == ("list", model)
    assert [(row["object"], row["index"]) for row in numbers["data"]] == [("embedding", n) for n in range(3)]
    assert [row["embedding"] for row in numbers["data"]] == [[n] + [0] * (length - 1) for n in range(3)]
    packed = await made(face, model=model, input=texts, encoding_format="base64")
    vectors = [struct.unpack(f"<{length}f", base64.b64decode(row["embedding"])) for row in packed["data"]]
    assert [list(vector) for vector in vectors] == [row["embedding"] for row in numbers["data"]]
    assert numbers["usage"] == packed["usage"] == {"prompt_tokens": 9, "total_tokens": 9}


@pytest.mark.gen_test
async def test_what_the_provider_is_asked(face: Face) -> None:
    for given in ("Hi", ["Hi", "Ho"], [1, 2, 3], [[1, 2], [3]]):
        await made(face, input=given)
    await made(face, dimensions=8, user="u1", something_new=[1])
    await made(face, dimensions=1_536)
    bodies = [request.body for request in face.provider.requests]
    inputs = [["Hi"], ["Hi", "Ho"], [[1, 2, 3]], [[1, 2], [3]]]
    assert [body["input"] for body in bodies[:4]] == inputs
    assert bodies[0] == {"model": SMALL, "input": ["Hi"], "encoding_format": "base64"}
    more = {"dimensions": 8, "user": "u1", "something_new": [1]}
    assert bodies[4] == {"model": SMALL, "input": ["Hello world"], "encoding_format": "base64", **more}
    assert "dimensions" not in bodies[5]
    assert {request.path for request in face.provider.requests} == {"/v1/embeddings"}


@pytest.mark.gen_test
async def test_it_is_paid_and_counted_like_everything(face: Face) -> None:
    face.provider.script(Scenario("usage_missing"))
    response = await send(face, model=LARGE, input=["word " * 1_000, "Hello"])
    answer = await response.json()
    tokens = answer["usage"]["prompt_tokens"]
    assert tokens == 1_002  # the last space is a token of its own
    receipt, charged = answer["hub"]["receipt"], price(face, LARGE, tokens)
    assert (receipt["usage_source"], receipt["charged"] * 10**6) == ("counted", pytest.approx(charged))
    assert await face.charged() == charged and receipt["balance_after"] == pytest.approx(10 - charged / 10**6)
    (row,) = await face.services.database[USAGE].find({"user": {"$eq": face.user.user_id}}, limit=9)
    assert (row["model"], row["prompt_tokens"], row["completion_tokens"]) == (LARGE, tokens, 0)
    assert (row["charged"], row["api"], row["route"]) == (charged, "ai_aggregator", f"openai/{LARGE}")
    assert (await totals(face.services.database, face.user.user_id, {}))["tokens"] == tokens
    (entry,) = await face.services.database["entries"].find({"wallet": face.user.user_id, "kind": "usage"}, limit=9)
    told = {"model": LARGE, "provider": "openai", "api": "ai_aggregator", "tokens": tokens, "stream": row["_id"]}
    assert (entry["amount"], entry["metadata"]) == (-charged, told)
    assert (response.headers["x-hub-route"], response.headers["x-hub-attempts"]) == (f"openai/{LARGE}", "1")
    await assert_sound(face)


@pytest.mark.parametrize(
    ("kind", "tokens", "source"),
    [("normal", 9, "provider"), ("usage_absurd", 2, "counted"), ("usage_negative", 2, "counted")],
)
@pytest.mark.gen_test
async def test_the_providers_count_is_believed_where_it_can_be(face: Face, kind: str, tokens: int, source: str) -> None:
    face.provider.script(Scenario(kind))
    answer = await made(face)
    assert (answer["usage"]["prompt_tokens"], answer["hub"]["receipt"]["usage_source"]) == (tokens, source)
    assert await face.charged() == price(face, SMALL, tokens)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": [1, "a"]}, "input"),
        ({"input": [1, -1]}, "input"),
        ({"input": [[1], "a"]}, "input"),
        ({"input": {"a": 1}}, "input"),
        ({"input": ["a"] * (limits.EMBEDDING_INPUTS_MAX + 1)}, "input"),
        ({"input": ["a", "word " * 8_192]}, "input.1"),
        ({"input": [[1] * 8_192] * 37}, "input"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": 1_537}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"user": ""}, "user"),
        ({"balance": 5}, "balance"),
        ({"model": "gpt-4"}, "model"),
    ],
)
@pytest.mark.gen_test
async def test_what_is_wrong_is_named(face: Face, fields: dict[str, Any], named: str) -> None:
    before = await bad_input.stored(face.services.database)
    error = await refused(face, 400, **fields)
    assert (error["code"], error["type"], error["param"]) == ("INVALID_REQUEST", "invalid_request_error", named)
    assert await bad_input.stored(face.services.database) == before
    assert face.provider.requests == []


@pytest.mark.gen_test
async def test_as_many_inputs_as_may_be(face: Face) -> None:
    answer = await made(face, input=["a"] * limits.EMBEDDING_INPUTS_MAX, model=LARGE, encoding_format="base64")
    assert len(answer["data"]) == limits.EMBEDDING_INPUTS_MAX


@pytest.mark.gen_test
async def test_a_model_that_makes_embeddings_does_not_chat(face: Face) -> None:
    for path, status in (("/v1/chat/completions", 400), ("/api/mcp/chat/completions", 422)):
        answer = await (await face.complete(path, model=SMALL)).json()
        assert "use /v1/embeddings" in answer["error"]["message"]
        assert (await face.complete(path, model=SMALL)).status == status
    socket = await Client.open(face.port)
    await socket.request("connect", token=face.token)
    reply = await socket.request("chat.start", model=SMALL, message="Hello")
    assert reply["error"]["code"] == "VALIDATION_ERROR"
    listed = (await (await face.get("/v1/models")).json())["data"]
    chatting = (await (await face.get("/api/mcp/models")).json())["data"]
    assert {SMALL, LARGE} <= {model["id"] for model in listed}
    assert not {SMALL, LARGE} & {model["id"] for model in chatting}


@pytest.mark.gen_test
async def test_other_refusals(face: Face) -> None:
    assert (await refused(face, 404, model="gpt-99"))["code"] == "NOT_FOUND"
    assert (await ask(face.port, "POST", PATH, body={})).status == 401
    await grant(face.services.ledger, face.user.user_id, -10_000_000)
    poor = await send(face)
    assert (poor.status, poor.headers["x-should-retry"]) == (402, "false")
    assert face.provider.requests == []


@pytest.mark.gen_test
async def test_what_the_wallet_cannot_pay_is_not_asked(face: Face) -> None:
    """The price of all texts is held before anybody is asked, and no part of them is."""
    left = price(face, LARGE, 1_000)
    await grant(face.services.ledger, face.user.user_id, -10_000_000 + left)
    assert (await refused(face, 402, model=LARGE, input=[[1] * 8_000]))["code"] == "INSUFFICIENT_FUNDS"
    assert face.provider.requests == []
    await made(face, model=LARGE, input=[[1] * 1_000])


@pytest.mark.gen_test
async def test_a_provider_that_fails_costs_nothing(face: Face) -> None:
    face.provider.script(*[Scenario("error", status=500)] * 3, Scenario("error", status=400), Scenario("empty"))
    failed = await send(face, KEY)
    assert (failed.status, failed.headers["x-hub-attempts"]) == (502, "3")
    assert (await refused(face, 400, KEY))["code"] == "INVALID_REQUEST"
    assert (await refused(face, 502, KEY))["message"] == "OpenAI sent no embeddings"
    assert await face.charged() == 0
    await assert_sound(face)
    assert "idempotency-hit" not in (await send(face, KEY)).headers


# --- the same request again -------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_repeat_with_the_same_key_is_paid_once(face: Face, other_port: int) -> None:
    first = await send(face, KEY)
    answer, charged = await first.json(), await face.charged()
    for port in (face.port, other_port):
        face.port = port
        again = await send(face, KEY)
        assert (again.headers["idempotency-hit"], await again.json()) == ("true", answer)
    assert (len(face.provider.requests), await face.charged()) == (1, charged)
    assert (await refused(face, 422, KEY, input="Another"))["code"] == "INVALID_REQUEST"


@pytest.mark.gen_test
async def test_a_reply_that_is_too_large_to_be_kept_is_paid_once_too(face: Face) -> None:
    many = {"model": LARGE, "input": ["a"] * 100}
    assert (await send(face, KEY, **many)).status == 200
    charged = await face.charged()
    assert (await refused(face, 409, KEY, **many))["code"] == "CONFLICT"
    assert (len(face.provider.requests), await face.charged()) == (1, charged)


@pytest.mark.gen_test
async def test_twins_at_once_are_one_call(face: Face, other_port: int) -> None:
    """Who comes while the first is at work is told to ask again, on any node."""
    face.provider.script(Scenario(first_token_seconds=0.3))
    first = asyncio.ensure_future(send(face, KEY))
    await until(lambda: bool(face.provider.requests))
    for port in (face.port, other_port):
        twin = await ask(
            port, "POST", PATH, token=face.token, body={"model": SMALL, "input": "Hello world"}, headers=KEY
        )
        assert (twin.status, int(twin.headers["retry-after"])) == (409, 1)
    assert (await first).status == 200
    assert (len(face.provider.requests), await face.charged()) == (1, price(face, SMALL, 9))
    await assert_sound(face)


@pytest.mark.gen_test
async def test_of_a_process_that_died_nothing_is_charged_and_the_key_may_try_again(face: Face) -> None:
    services, user = face.services, face.user.user_id
    key = IdempotencyKey.of(user, "order 66", "POST", PATH, {"model": SMALL, "input": "Hello world"})
    place = PlaceHold(
        *("hold_dead", user, 1_000, 1_000, "node_dead", now(), "emb_dead", "", SMALL, 2), idempotency=key.id
    )
    await services.ledger.commit(Operation(id=new_id("place"), holds=[place], inserts=[key.claim("emb_dead")]))
    assert (await send(face, KEY)).status == 409
    assert await services.sweeper.sweep() == 1
    assert await idempotency.record(services.database, key.id) is None
    assert await face.charged() == 0
    assert (await send(face, KEY)).status == 200
    await assert_sound(face)


# --- bounds -----------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_so_many_at_once_of_one_user(face: Face) -> None:
    face.provider.script(*[Scenario(first_token_seconds=0.5)] * limits.EMBEDDINGS_PER_USER_MAX)
    running = [asyncio.ensure_future(send(face)) for _ in range(limits.EMBEDDINGS_PER_USER_MAX)]
    await until(lambda: len(face.provider.requests) == limits.EMBEDDINGS_PER_USER_MAX)
    more = await send(face)
    assert (more.status, more.headers["retry-after"]) == (429, "1")
    assert [(await response).status for response in running] == [200] * len(running)
    assert (await send(face)).status == 200


@pytest.mark.gen_test
async def test_so_many_at_once_of_all(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EMBEDDINGS_RUNNING_MAX", 1)
    face.provider.script(Scenario(first_token_seconds=0.5))
    running = asyncio.ensure_future(send(face))
    await until(lambda: bool(face.provider.requests))
    assert (await send(face)).status == 503
    assert (await running).status == 200


@pytest.mark.gen_test
async def test_so_much_at_once_of_all(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EMBEDDING_VECTORS_BYTES_MAX", 4 * 1536 + 4 * 100)
    face.provider.script(Scenario(first_token_seconds=0.5))
    running = asyncio.ensure_future(send(face))
    await until(lambda: bool(face.provider.requests))
    assert (await send(face, input=["a", "b"], dimensions=51)).status == 503
    assert (await send(face, input=["a", "b"], dimensions=50)).status == 200
    assert (await running).status == 200
    assert (await send(face, input=["a"] * 10)).status == 200, "one alone may have as much as it needs"


@pytest.mark.gen_test
async def test_who_does_not_read_keeps_its_room_until_it_is_cut_off(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EMBEDDINGS_RUNNING_MAX", 1)
    monkeypatch.setattr(limits, "WRITE_SECONDS_MAX", 1.0)
    silent = await send(face, model=LARGE, input=["a"] * limits.EMBEDDING_INPUTS_MAX)
    assert (silent.status, silent.headers["transfer-encoding"]) == (200, "chunked"), "it is made as far as it is read"
    assert (await send(face)).status == 503

    async def has_room() -> bool:
        return (await send(face)).status == 200

    await until(has_room)
    with pytest.raises((OSError, EOFError)):
        await silent.text()


@pytest.mark.gen_test
async def test_a_long_answer_arrives_whole(face: Face) -> None:
    answer = await made(face, model=LARGE, input=["a"] * 60)
    assert [row["index"] for row in answer["data"]] == list(range(60))
    assert [(row["embedding"][0], len(row["embedding"])) for row in answer["data"]] == [(n, 3072) for n in range(60)]
    assert answer["usage"] == {"prompt_tokens": 9, "total_tokens": 9}


@pytest.mark.gen_test
async def test_others_run_while_a_long_answer_is_written() -> None:
    turns, over = 0, False

    async def other() -> None:
        nonlocal turns
        while not over:
            turns += 1
            await asyncio.sleep(0)

    vector = base64.b64encode(packed([0.5, 1.0])).decode()
    receipt = {"hold": 1, "charged": 1, "released": 0, "balance_after": 1, "seq": 1}
    answer = {"model": "m", "vectors": [vector] * 50, "prompt_tokens": 3, "usage_source": "counted", "receipt": receipt}
    beside = asyncio.ensure_future(other())
    pieces = [piece async for piece in written(answer, as_numbers=True)]
    over = True
    await beside
    assert [row["embedding"] for row in json.loads(b"".join(pieces))["data"]] == [[0.5, 1.0]] * 50
    assert turns >= 50


REQUEST: Final = EmbeddingRequest(SMALL, "ai_aggregator", "/v1/embeddings", ["Hello world"])
UNLIMITED: Final = KeyLimits(None, None, None, None, None)


@pytest.fixture
def counting(open_hub: OpenServices) -> Services:
    """A hub that counts what keys may have, without any company."""
    return open_hub()


@pytest.mark.parametrize(
    ("key_limits", "code"),
    [
        (replace(UNLIMITED, models=frozenset({LARGE})), Code.FORBIDDEN),
        (replace(UNLIMITED, tokens_per_minute=1), Code.RATE_LIMITED),
        (replace(UNLIMITED, credit_micro=10, period="day"), Code.UNAUTHENTICATED),  # a budget whose key is no more
    ],
)
@pytest.mark.gen_test
async def test_the_limits_of_a_key_bind(counting: Services, key_limits: KeyLimits, code: Code) -> None:
    key = replace(await make_user(counting), kind="key", key_id="key_1", limits=key_limits)
    with pytest.raises(HubError) as caught:
        await counting.embedder.embed(key, REQUEST, None, Trail())
    assert caught.value.code is code


@pytest.mark.gen_test
async def test_tokens_a_minute_are_counted_together(counting: Services) -> None:
    key_limits = replace(UNLIMITED, models=frozenset({SMALL}), tokens_per_minute=5)
    key = replace(await make_user(counting), kind="key", key_id="key_1", limits=key_limits)
    for _ in range(2):  # of two tokens each
        assert (await counting.embedder.embed(key, REQUEST, None, Trail()))["sandbox"] is True
    with pytest.raises(HubError, match="5 tokens a minute"):
        await counting.embedder.embed(key, REQUEST, None, Trail())


@pytest.fixture
def sandbox_port(counting: Services, serve_http: Serve) -> int:
    return serve_http(counting)


@pytest.mark.gen_test
async def test_the_sandbox_makes_embeddings_and_says_so(counting: Services, sandbox_port: int) -> None:
    login = await sign_up(counting)
    body = {"model": SMALL, "input": ["Hello world", "Hello"], "dimensions": 16}
    answers = [await ask(sandbox_port, "POST", PATH, token=login.access_token, body=body) for _ in range(2)]
    assert [answer.headers["x-hub-sandbox"] for answer in answers] == ["true", "true"]
    first, again = [await answer.json() for answer in answers]
    assert first["data"] == again["data"] and first["data"][0]["embedding"] != first["data"][1]["embedding"]
    assert first["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    for row in first["data"]:
        assert math.isclose(math.hypot(*row["embedding"]), 1, rel_tol=1e-5) and len(row["embedding"]) == 16
