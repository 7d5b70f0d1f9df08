"""Messages as a client of Anthropic's puts them together from server-sent events, and is strict about it."""

import json
from typing import Any

Event = dict[str, Any]
_JOINED = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


def events_of(stream: bytes) -> list[Event]:
    """The data of all events, each of which names its type twice."""
    found = []
    for block in stream.decode().split("\n\n"):
        if not block or block.startswith(":"):
            continue
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}", block
        found.append(event)
    return found


def message_of(events: list[Event]) -> Event:
    """The message that complete events make, in their one order: start, block after block, delta, stop."""
    start, *blocks, last, stop = [event for event in events if event["type"] != "ping"]
    assert (start["type"], last["type"], stop["type"]) == ("message_start", "message_delta", "message_stop")
    message: Event = {**start["message"], "content": content_of(blocks)}
    return {**message, **last["delta"], "usage": {**message["usage"], **last["usage"]}}


def content_of(events: list[Event]) -> list[Event]:
    """Blocks of which each begins when the one before has ended."""
    blocks: list[Event] = []
    inputs: dict[int, str] = {}
    is_open = False
    for event in events:
        kind = event["type"]
        if kind == "content_block_start":
            assert not is_open and event["index"] == len(blocks), event
            blocks.append(dict(event["content_block"]))
        elif kind == "content_block_delta":
            assert is_open and event["index"] == len(blocks) - 1, event
            _add(blocks[-1], event["delta"], inputs, event["index"])
        else:
            assert kind == "content_block_stop" and is_open and event["index"] == len(blocks) - 1, event
        is_open = kind != "content_block_stop"
    assert not is_open
    for index, text in inputs.items():
        blocks[index]["input"] = json.loads(text)
    return blocks


def _add(block: Event, delta: Event, inputs: dict[int, str], index: int) -> None:
    if delta["type"] == "input_json_delta":
        inputs[index] = inputs.get(index, "") + delta["partial_json"]
    elif delta["type"] == "citations_delta":
        block["citations"] = [*block.get("citations", []), delta["citation"]]
    else:
        name = _JOINED[delta["type"]]
        block[name] += delta[name]
