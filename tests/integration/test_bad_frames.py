"""Bad input on every WebSocket command: an error reply that names the field, the connection kept, nothing stored."""

import json
from typing import Any, Final

import pytest

from hub.realtime.commands import COMMANDS
from tests import bad_input
from tests.http_streams import Face
from tests.ws_client import Client

MESSAGES = [{"role": "user", "content": "Hello"}]
EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "connect": {"token": "some", "recover": {"epoch": "abc", "offset": 4}},
    "refresh": {"token": "some"},
    "ping": {},
    "subscribe": {"channel": "admin:metrics"},
    "unsubscribe": {"channel": "admin:metrics"},
    "history": {"after": 3, "epoch": "abc", "limit": 5},
    "chat.start": {
        "model": "gpt-4",
        "messages": MESSAGES,
        "conversation_id": "conv_1",
        "project_id": 7,
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.5,
        "stop": ["."],
        "on_disconnect": "continue",
        "idempotency_key": "key",
    },
    "chat.stop": {"stream_id": "stream_1"},
    "chat.resume": {"stream_id": "stream_1", "epoch": "abc", "after": 3},
    "chat.rate": {"message_id": "msg_1", "rating": "up"},
    "conversations.list": {"limit": 5, "before": "conv_1"},
    "conversations.messages": {"conversation_id": "conv_1", "limit": 5},
    "conversations.delete": {"conversation_id": "conv_1"},
    "notifications.list": {"limit": 5, "before": "ntf_1"},
    "notifications.read": {"ids": ["ntf_1"]},
    "notifications.read_all": {},
    "workflow.approve": {"execution_id": "exec_1", "node": "ask", "approved": True, "comment": "Well"},
}
REQUIRED: Final = {
    "refresh": ("token",),
    "subscribe": ("channel",),
    "unsubscribe": ("channel",),
    "history": ("after",),
    "chat.start": ("messages",),  # and the model, where no project is named
    "chat.stop": ("stream_id",),
    "chat.resume": ("stream_id", "epoch", "after"),
    "chat.rate": ("message_id", "rating"),
    "conversations.messages": ("conversation_id",),
    "conversations.delete": ("conversation_id",),
    "notifications.read": ("ids",),
    "workflow.approve": ("execution_id", "node", "approved"),
}
NUMBERS: Final = frozenset({"temperature", "top_p"})
RIGHT_ALL_THE_SAME: Final = (("stop", "x"), ("rating", None))
COMMANDS_PER_SOCKET = 60  # below the burst that a connection may send


async def replies(face: Face, frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The reply to each frame, on as few connections as allowed; each of them must still answer at the end."""
    found: list[dict[str, Any]] = []
    for start in range(0, len(frames), COMMANDS_PER_SOCKET):
        socket = await Client.open(face.port, headers={"Authorization": f"Bearer {face.token}"})
        if frames[0]["type"] != "connect":
            await socket.request("connect")
        for number, frame in enumerate(frames[start : start + COMMANDS_PER_SOCKET], 1_000):
            socket.send_text(json.dumps({"id": number, **frame}))
            found.append(await socket.reply(number))
        assert (await socket.request("ping"))["server_time"]
        socket.abort()
    return found


def names(reply: dict[str, Any], field: str) -> bool:
    """Whether an error is about a field, or about what lies in it or around it."""
    fields = [detail["field"] for detail in reply["error"].get("details", [])]
    return any(f"{named}.".startswith(f"{field}.") or f"{field}.".startswith(f"{named}.") for named in fields)


def test_every_command_has_an_example() -> None:
    assert set(EXAMPLES) == set(COMMANDS)


@pytest.mark.gen_test
async def test_a_wrong_type_in_any_field(face: Face) -> None:
    before = await bad_input.stored(face.services.database)
    wrong: list[Any] = []
    for command, example in EXAMPLES.items():
        cases = [
            case
            for case in bad_input.wrong_types(example, numbers=NUMBERS)
            if (case[0], case[1]) not in RIGHT_ALL_THE_SAME
        ]
        answers = await replies(face, [{"type": command, **changed} for _, _, changed in cases])
        wrong += [
            (command, field, value, reply)
            for (field, value, _), reply in zip(cases, answers, strict=True)
            if not refuses(reply, field)
        ]
    assert wrong == []
    assert await bad_input.stored(face.services.database) == before


@pytest.mark.gen_test
async def test_missing_fields_and_fields_that_are_not_ones_own(face: Face) -> None:
    before = await bad_input.stored(face.services.database)
    wrong: list[Any] = []
    for command, example in EXAMPLES.items():
        cases = list(bad_input.missing(example, REQUIRED.get(command, ())))
        cases += [(field, {**example, field: "admin"}) for field in bad_input.FOREIGN]
        answers = await replies(face, [{"type": command, **changed} for _, changed in cases])
        wrong += [
            (command, field, reply)
            for (field, _), reply in zip(cases, answers, strict=True)
            if not refuses(reply, field)
        ]
    assert wrong == []
    assert await bad_input.stored(face.services.database) == before


def refuses(reply: dict[str, Any], field: str) -> bool:
    return reply.get("error", {}).get("code") == "VALIDATION_ERROR" and names(reply, field)


@pytest.mark.gen_test
async def test_what_is_not_plain_json(face: Face) -> None:
    """Each on a connection of its own: the tenth in a minute would close it."""
    before = await bad_input.stored(face.services.database)
    wrong: list[Any] = []
    example = {"id": 7, "type": "chat.resume", **EXAMPLES["chat.resume"]}
    texts = bad_input.malformed(example, "after")
    for what in ("UTF-16", "Latin-1"):  # no text frame can hold them: the protocol itself closes
        del texts[what]
    for what, text in texts.items():
        socket = await Client.open(face.port, headers={"Authorization": f"Bearer {face.token}"})
        await socket.request("connect")
        socket.send_text(text.decode())
        reply = await socket.receive()
        if reply.get("error", {}).get("code") != "VALIDATION_ERROR":
            wrong.append((what, reply))
        assert (await socket.request("ping"))["server_time"]
        socket.abort()
    assert wrong == []
    assert await bad_input.stored(face.services.database) == before


@pytest.mark.gen_test
async def test_numbers_that_are_none_are_named(face: Face) -> None:
    example = {"id": 7, "type": "chat.resume", **EXAMPLES["chat.resume"]}
    for number in bad_input.NUMBERS:
        socket = await Client.open(face.port, headers={"Authorization": f"Bearer {face.token}"})
        await socket.request("connect")
        socket.send_text(bad_input.with_text(example, "after", number).decode())
        assert refuses(await socket.receive(), "after"), number
        assert (await socket.request("ping"))["server_time"]
        socket.abort()


NO_COMMANDS: Final[list[Any]] = [
    [],
    "text",
    5,
    None,
    True,
    {},
    {"id": 1},
    {"id": 1, "type": None},
    {"id": 1, "type": {"$ne": 1}},
]
NO_IDS: Final[list[Any]] = [None, True, 1.5, [], {}, {"$gt": 1}, "", "x" * 65, -(2**63) - 1]


@pytest.mark.gen_test
async def test_what_is_no_command_or_has_no_id(face: Face) -> None:
    """An id that is none is not echoed: the reply has none."""
    for frame in [*NO_COMMANDS, {"type": "x"}, *({"id": number, "type": "ping"} for number in NO_IDS)]:
        socket = await Client.open(face.port, headers={"Authorization": f"Bearer {face.token}"})
        await socket.request("connect")
        socket.send_text(json.dumps(frame))
        reply = await socket.receive()
        assert reply["error"]["code"] == "VALIDATION_ERROR", frame
        assert reply.get("id") in (None, 1), frame
        assert (await socket.request("ping"))["server_time"]
        socket.abort()
