"""Bad input on every HTTP body: refused as the caller's mistake, by the field's name, and nothing of it is stored."""

import asyncio
import contextlib
import gzip
import json
from dataclasses import dataclass
from typing import Any, Final

import pytest

from config import limits
from tests import bad_input, foreign_forms
from tests.http_streams import Face, Response, ask, send

PASSWORD = "Correct-Horse-9"
MESSAGES = [{"role": "user", "content": "Hello"}]
CALLED = {"name": "weather", "arguments": '{"city":"Paris"}'}
# Every kind of turn that OpenAI's form knows, with every field that is looked into.
TURNS = [
    {
        "role": "user",
        "name": "ann",
        "content": [
            {"type": "text", "text": "How is the weather here?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        ],
    },
    {
        "role": "assistant",
        "content": "I shall look.",
        "refusal": "",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": CALLED},
            {"id": "call_2", "type": "custom", "custom": {"name": "look", "input": "Paris"}},
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "Sunny"},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "No"}], "function_call": CALLED},
]


@dataclass(frozen=True)
class Body:
    """One body of the API: a valid example, what it requires, and the wrong types that are right after all."""

    path: str
    example: dict[str, Any]
    required: tuple[str, ...]
    refused: int  # the status of a body that broke a rule
    bytes_max: int = limits.BODY_BYTES_MAX
    numbers: frozenset[str] = frozenset()
    accepted: tuple[tuple[str, Any], ...] = ()


# OpenAI's null means "not given"; a stop or a content may be one text or several; a content may be null beside tool calls.
_NULLABLE = (
    *("max_tokens", "max_completion_tokens", "temperature", "top_p", "n", "stop", "stream", "stream_options"),
    *("messages.0.name", "messages.0.content.1.image_url.detail"),
    *(f"messages.1.{name}" for name in ("content", "refusal", "tool_calls", "tool_calls.0.type", "tool_calls.1.type")),
    *("messages.2.tool_call_id", "messages.3.content", "messages.3.function_call"),
)
BODIES: Final[dict[str, Body]] = {
    "register": Body(
        "/api/auth/register",
        {"email": "a@example.org", "password": PASSWORD, "firstName": "A", "lastName": "B", "username": "someone"},
        ("email", "password"),
        422,
    ),
    "login": Body("/api/auth/login", {"email": "a@example.org", "password": PASSWORD}, ("email", "password"), 422),
    "refresh": Body("/api/auth/refresh", {"refreshToken": "some"}, ("refreshToken",), 422),
    "v1 register": Body(
        "/v1/auth/register",
        {"email": "a@example.org", "password": PASSWORD, "firstName": "A", "lastName": "B"},
        ("email", "password"),
        400,
    ),
    "v1 login": Body("/v1/auth/login", {"email": "a@example.org", "password": PASSWORD}, ("email", "password"), 400),
    "API key": Body(
        "/v1/auth/api-keys",
        {
            "name": "A key",
            "expiresAt": "2099-12-31T23:59:59Z",
            "permissions": ["ai:write"],
            "creditLimit": 1.5,
            "allowedModels": ["gpt-4"],
            "requestsPerMinute": 10,
            "tokensPerMinute": 1_000,
        },
        ("name",),
        400,
        numbers=frozenset({"creditLimit"}),
        accepted=(
            *((name, None) for name in ("expiresAt", "permissions", "creditLimit", "allowedModels")),
            *((name, value) for name in ("requestsPerMinute", "tokensPerMinute") for value in (None, 1)),
            ("name", "x"),
        ),
    ),
    "top-up": Body(
        "/v1/billing/balance/credit",
        {"amount": 50.0, "currency": "USD", "paymentMethod": "card"},
        ("amount", "currency", "paymentMethod"),
        400,
        numbers=frozenset({"amount"}),
    ),
    "event": Body(
        "/v1/analytics/events",
        {"eventType": "ai_interaction", "eventName": "chat_completion", "properties": {}},
        ("eventType", "eventName"),
        400,
    ),
    "webhook": Body(
        "/v1/webhooks",
        {"url": "https://example.com/", "events": ["chat.completion"], "secret": "your-webhook-secret", "active": True},
        ("url", "events"),
        400,
    ),
    "Playground key": Body(
        "/api/v1/api-keys",
        {"name": "A key", "permissions": ["ai:write"], "expires_in": 30},
        ("name", "permissions"),
        400,
    ),
    "Playground webhook": Body(
        "/api/v1/webhooks",
        {"url": "https://example.com/", "events": ["quota.warning"], "secret": "your-webhook-secret", "active": True},
        ("url", "events"),
        400,
    ),
    "replay": Body(
        *("/v1/webhooks/wh_none/replay", {"from": "2099-01-01T00:00:00Z", "to": "2099-01-02T00:00:00Z"}),
        *(("from",), 400),
    ),
    "v1": Body(
        "/v1/chat/completions",
        {
            "model": "gpt-4o",
            "messages": TURNS,
            "max_tokens": 5,
            "max_completion_tokens": 5,
            "temperature": 0.5,
            "top_p": 0.5,
            "n": 1,
            "stop": ["."],
            "stream": False,
            "stream_options": {"include_usage": False},
        },
        ("model", "messages"),
        400,
        limits.COMPLETION_BODY_BYTES_MAX,
        frozenset({"temperature", "top_p"}),
        (
            *((name, None) for name in _NULLABLE),
            *((name, "x") for name in ("stop", "messages.0.content", "messages.3.content")),
        ),
    ),
    "mcp": Body(
        "/api/mcp/chat/completions",
        {"model": "gpt-4", "messages": MESSAGES, "maxTokens": 5, "temperature": 0.5, "stream": False},
        ("model", "messages"),
        422,
        limits.COMPLETION_BODY_BYTES_MAX,
        frozenset({"temperature"}),
    ),
    "chat": Body(
        "/api/v1/ai/chat",
        {
            "model": "gpt-4",
            "messages": MESSAGES,
            "max_tokens": 5,
            "temperature": 0.5,
            "top_p": 0.5,
            "stream": False,
        },
        ("messages",),
        400,
        limits.COMPLETION_BODY_BYTES_MAX,
        frozenset({"temperature", "top_p"}),
    ),
    "generate": Body(
        "/api/v1/ai/generate",
        {
            "model": "gpt-4",
            "prompt": "Hello",
            "max_tokens": 5,
            "temperature": 0.5,
            "top_p": 0.5,
            "n": 1,
            "stop": ["."],
        },
        ("prompt",),
        400,
        limits.COMPLETION_BODY_BYTES_MAX,
        frozenset({"temperature", "top_p"}),
        (("stop", "x"), ("prompt", "x")),
    ),
    "messages": Body(
        *("/v1/messages", foreign_forms.MESSAGE, ("model", "messages", "max_tokens"), 400),
        *(limits.COMPLETION_BODY_BYTES_MAX, frozenset({"temperature", "top_p"}), foreign_forms.MESSAGE_ACCEPTED),
    ),
    "count": Body(
        *("/v1/messages/count_tokens", foreign_forms.PROMPT, ("model", "messages"), 400),
        *(limits.COMPLETION_BODY_BYTES_MAX, frozenset(), foreign_forms.PROMPT_ACCEPTED),
    ),
    "embeddings": Body(
        *("/v1/embeddings", foreign_forms.EMBEDDING, ("model", "input"), 400),
        *(limits.COMPLETION_BODY_BYTES_MAX, frozenset(), foreign_forms.EMBEDDING_ACCEPTED),
    ),
}


PORTIONS: Final = 3  # of the bodies, where each takes many requests: together they take too long for one test


async def post(face: Face, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[Response, Any]:
    response = await ask(face.port, "POST", path, token=face.token, body=body, headers=headers)
    return response, await response.json()


def fields_of(answer: Any) -> set[str]:
    """The fields that an error names, in any form; Anthropic's has them in its message."""
    if answer.get("type") == "error":
        return {told.partition(":")[0] for told in answer["error"]["message"].split("; ")}
    details = answer["error"]["details"]
    return {failure["field"] for failure in (details if isinstance(details, list) else details.get("errors", []))}


def names(answer: Any, field: str) -> bool:
    """Whether an error is about a field, or about what lies in it or around it."""
    return any(
        f"{named}.".startswith(f"{field}.") or f"{field}.".startswith(f"{named}.") for named in fields_of(answer)
    )


@pytest.mark.gen_test
async def test_what_is_not_plain_json(face: Face) -> None:
    before = await bad_input.stored(face.services.database)
    wrong: list[Any] = []
    for name, body in BODIES.items():
        for what, text in bad_input.malformed(body.example, body.required[0]).items():
            response, answer = await post(face, body.path, text)
            error = answer["error"]
            code = error["type"] if answer.get("type") == "error" else error["code"]
            if response.status != 400 or code not in ("VALIDATION_ERROR", "INVALID_REQUEST", "invalid_request_error"):
                wrong.append((name, what, response.status, answer))
    assert wrong == []
    assert await bad_input.stored(face.services.database) == before


@pytest.mark.gen_test
async def test_numbers_that_are_none_are_named(face: Face) -> None:
    """In fields that the schema knows, and in those that it would let through."""
    before = await bad_input.stored(face.services.database)
    wrong: list[Any] = []
    for body in BODIES.values():
        for number, is_json in bad_input.NUMBERS.items():
            for field, text in ((body.required[0], number), ("surplus", f'{{"a":[0,{number}]}}')):
                response, answer = await post(face, body.path, bad_input.with_text(body.example, field, text))
                named = {field if text == number else "surplus.a.1"}
                if (response.status, fields_of(answer)) != (body.refused if is_json else 400, named):
                    wrong.append((body.path, number[:20], response.status, answer))
    assert wrong == []
    assert await bad_input.stored(face.services.database) == before


@pytest.mark.gen_test
@pytest.mark.parametrize("portion", range(PORTIONS))
async def test_a_wrong_type_in_any_field(face: Face, portion: int) -> None:
    before = await bad_input.stored(face.services.database)
    wrong: list[Any] = []
    for name, body in list(BODIES.items())[portion::PORTIONS]:
        for field, value, changed in bad_input.wrong_types(body.example, numbers=body.numbers):
            if any(field == known and value == right for known, right in body.accepted):
                continue
            response, answer = await post(face, body.path, changed)
            if response.status != body.refused or not names(answer, field):
                wrong.append((name, field, value, response.status, answer.get("error")))
    assert wrong == []
    assert await bad_input.stored(face.services.database) == before


@pytest.mark.gen_test
async def test_missing_fields_other_shapes_and_fields_that_are_not_ones_own(face: Face) -> None:
    before = await bad_input.stored(face.services.database)
    wrong: list[Any] = []
    for body in BODIES.values():
        cases: list[tuple[str, Any]] = list(bad_input.missing(body.example, body.required))
        cases += [
            (field, {**body.example, field: value}) for field in bad_input.FOREIGN for value in ("admin", 9, True)
        ]
        for field, changed in cases:
            response, answer = await post(face, body.path, changed)
            wrong += (
                [(body.path, field, answer)] if (response.status, fields_of(answer)) != (body.refused, {field}) else []
            )
        for shape in ([], [body.example], "text", 5, None, True):
            response, answer = await post(face, body.path, json.dumps(shape).encode())
            wrong += [(body.path, shape, answer)] if response.status != body.refused else []
    assert wrong == []
    assert await bad_input.stored(face.services.database) == before


@pytest.mark.gen_test
async def test_a_body_that_is_too_large_or_packed_or_of_another_kind(face: Face) -> None:
    before = await bad_input.stored(face.services.database)
    for body in BODIES.values():
        padded = json.dumps(body.example).encode().ljust(body.bytes_max + 1)
        assert (await post(face, body.path, padded))[0].status == 413
        packed = gzip.compress(padded)
        for encoding in ("gzip", "identity"):
            assert (await post(face, body.path, packed, {"Content-Encoding": encoding}))[0].status == 400
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "a/b;c"):
            assert (await post(face, body.path, body.example, {"Content-Type": kind}))[0].status == 400
    assert await bad_input.stored(face.services.database) == before


@pytest.mark.gen_test
async def test_a_length_that_is_no_number(face: Face) -> None:
    for length in ("-1", "+5", "0x5", "1e3", "5, 6", "\u0663", "9" * 20, ""):
        connection = await send(face.port, "POST", "/api/auth/login", body={}, headers={"Content-Length": length})
        try:
            assert (await connection.response()).status in (400, 413)
        except asyncio.IncompleteReadError as ended:
            assert ended.partial == b""


@pytest.mark.gen_test
async def test_a_length_that_promises_more_or_less_than_comes(face: Face) -> None:
    before = await bad_input.stored(face.services.database)
    content = json.dumps(BODIES["register"].example).encode()
    less = await send(face.port, "POST", "/api/auth/register", body=content, headers={"Content-Length": "20"})
    assert (await less.response()).status == 400
    more = await send(face.port, "POST", "/api/auth/register", body=content, headers={"Content-Length": "5000"})
    more.writer.write_eof()
    assert await more.reader.read() == b""
    assert await bad_input.stored(face.services.database) == before


@pytest.mark.gen_test
async def test_an_endless_chunked_body_is_cut_off(face: Face) -> None:
    head = "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", face.port)
    writer.write(head.encode())
    sent = 0
    with pytest.raises(ConnectionError):
        while sent < 64 << 20:
            writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
            sent += 0x10000
            await writer.drain()
    assert sent < 16 << 20
    writer.transport.abort()


@pytest.mark.gen_test
@pytest.mark.parametrize("name", ["v1", "mcp"])
async def test_an_endless_chunked_body_is_cut_off_at_a_completions_bound_too(face: Face, name: str) -> None:
    """Whoever it comes from: a credential does not make it longer."""
    before = await bad_input.stored(face.services.database)
    body = BODIES[name]
    head = f"POST {body.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {face.token}\r\n"
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", face.port)
    writer.write(head.encode())
    chunk, sent = b"100000\r\n" + b" " * (1 << 20) + b"\r\n", 0
    with contextlib.suppress(ConnectionError):
        while sent < 4 * body.bytes_max and not reader.at_eof():
            writer.write(chunk)
            sent += 1 << 20
            await writer.drain()
    assert body.bytes_max <= sent < 2 * body.bytes_max
    writer.transport.abort()
    assert face.provider.requests == []
    assert await bad_input.stored(face.services.database) == before


PLAYGROUND: Final = (("Playground key", 201), ("Playground webhook", 201))
VALUES: Final[list[tuple[str, dict[str, Any], int, str | None]]] = [
    ("v1", {"model": "gpt-99"}, 404, None),
    ("mcp", {"model": "gpt-99"}, 404, None),
    *((name, {"messages": []}, BODIES[name].refused, "messages") for name in ("v1", "mcp")),
    *((name, {"messages": MESSAGES * 1_001}, BODIES[name].refused, "messages") for name in ("v1", "mcp")),
    *(
        (name, {"messages": [{"role": role, "content": "x"}]}, BODIES[name].refused, "messages.0.role")
        for name in ("v1", "mcp")
        for role in ("", "User", "admin", "system\u200b", "x" * 10_000)
    ),
    *(
        ("v1", {field: value}, 400, field)
        for field in ("max_tokens", "max_completion_tokens", "n")
        for value in (0, -1, -(2**63), 2**63 - 1)
    ),
    *(("mcp", {"maxTokens": value}, 422, "maxTokens") for value in (0, -1, -(2**63), 2**63 - 1)),
    *(
        (name, {"temperature": value}, BODIES[name].refused, "temperature")
        for name in ("v1", "mcp")
        for value in (-0.1, 2.1, 1e308, -(2**63), 2**63 - 1)
    ),
    *(("v1", {"top_p": value}, 400, "top_p") for value in (-0.1, 1.1)),
    *(("v1", {"stop": value}, 400, "stop") for value in ([""], ["a"] * 5, "", [["a"]])),
    *(("register", {"email": value}, 422, "email") for value in ("", "a", "a@", "a b@c.d", f"{'a' * 250}@b.cd")),
    *(("register", {"password": value}, 422, "password") for value in ("", "short", "x" * 1_025)),
    *(("register", {"username": value}, 422, "username") for value in ("", "a b", "$gt", "x" * 101)),
    ("register", {"firstName": "\u0301" * 100_000}, 422, "firstName"),
    *(
        ("v1", {"messages": [{"role": "assistant", "content": "x", "tool_calls": calls}]}, 400, field)
        for calls, field in (
            (["a"], "messages.0.tool_calls.0"),
            (5, "messages.0.tool_calls"),
            ([{"function": "x"}], "messages.0.tool_calls.0.function"),
            ([{"id": "1", "function": {"name": "x", "arguments": {}}}], "messages.0.tool_calls.0.function.arguments"),
            ([{"id": "1", "function": CALLED}] * 257, "messages.0.tool_calls"),
        )
    ),
]


@pytest.mark.gen_test
async def test_values_out_of_range(face: Face) -> None:
    before = await bad_input.stored(face.services.database)
    wrong: list[Any] = []
    for name, change, status, field in VALUES:
        response, answer = await post(face, BODIES[name].path, {**BODIES[name].example, **change})
        if response.status != status or (field is not None and not names(answer, field)):
            wrong.append((name, str(change)[:100], response.status, answer["error"]))
    assert wrong == []
    assert await bad_input.stored(face.services.database) == before


@pytest.mark.gen_test
async def test_the_examples_are_good(face: Face) -> None:
    """Else all of the above would be refused for another reason; and what looks odd but is right is taken."""
    login = (await post(face, "/api/auth/register", BODIES["register"].example))[1]
    assert (await post(face, "/api/auth/login", BODIES["login"].example))[0].status == 200
    token = login["data"]["tokens"]["refreshToken"]
    assert (await post(face, "/api/auth/refresh", {"refreshToken": token}))[0].status == 200
    for name in ("v1", "mcp"):
        assert (await post(face, BODIES[name].path, BODIES[name].example))[0].status == 200
    for name, status in (("top-up", 200), ("event", 200), ("webhook", 201), *PLAYGROUND):
        assert (await post(face, BODIES[name].path, BODIES[name].example))[0].status == status
    for name in ("v1", "chat", "generate", "messages", "count", "embeddings"):
        body = BODIES[name]
        assert (await post(face, body.path, body.example))[0].status == 200, name
        for field, value in body.accepted:
            changed = bad_input.changed(body.example, field, value)
            assert (await post(face, body.path, changed))[0].status == 200, (name, field, value)
    twin = {**BODIES["register"].example, "email": "\uff41@EXAMPLE.org", "username": "another"}
    assert (await post(face, "/api/auth/register", twin))[0].status == 409
