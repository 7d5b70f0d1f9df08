"""A stream in Anthropic's form: a `message`, or the server-sent events that a message is made of.

    message_start -> of each block: content_block_start, content_block_delta ..., content_block_stop
                  -> message_delta -> message_stop

What a provider said in Anthropic's own form comes back as it was; texts, thoughts and tool calls of others become blocks.
Blocks are opened and closed by what the deltas say and nothing else, so that a replay of a stream has the same ones. What
Anthropic has no field for stands in `hub`, in the message and in `message_delta`: the `receipt`, and the `detail` of an
answer that is shorter than it might be.
"""

from typing import Any, Final

import orjson

from handlers.ai_aggregator.openai_views import failure_of, hub_view
from handlers.dialects import ANTHROPIC
from hub.errors import HubError
from hub.providers.anthropic_native import told
from hub.providers.base import Delta, Usage
from hub.streams import Outcome, Stream

Json = dict[str, Any]

_STOP_REASONS: Final = {
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_THOUGHTS: Final = ("reasoning_content", "reasoning")  # as different companies call them
_NO_ENDING: Final[Json] = {}


def message_id(stream: Stream) -> str:
    return "msg_" + stream.id.partition("_")[2]


def usage_view(usage: Usage) -> Json:
    """Anthropic counts cached tokens apart from the other input."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }


def message_view(stream: Stream, outcome: Outcome) -> Json:
    """The whole answer as one `message`."""
    (whole, *_) = (*stream.deltas, Delta(""))
    kept = told(whole)
    blocks = kept["blocks"] if "blocks" in kept else _blocks(whole)
    ending = kept.get("ending", _NO_ENDING)
    called = any(block.get("type") == "tool_use" for block in blocks)
    return {
        "id": message_id(stream),
        "type": "message",
        "role": "assistant",
        "model": stream.model,
        "content": blocks,
        **_ended(outcome, ending, called),
        "usage": _usage(outcome, ending),
        "hub": hub_view(outcome),
    }


def _blocks(delta: Delta) -> list[Json]:
    """The blocks of a whole answer that came in OpenAI's form."""
    extra = delta.extra or {}
    thoughts, text = _thoughts(extra), _text(delta, extra)
    blocks: list[Json] = [{"type": "thinking", "thinking": thoughts, "signature": ""}] if thoughts else []
    blocks += [{"type": "text", "text": text}] if text else []
    return blocks + [_tool_use(call, _input(call)) for call in extra.get("tool_calls") or ()]


def _thoughts(extra: Json) -> str:
    return next((extra[name] for name in _THOUGHTS if isinstance(extra.get(name), str)), "")


def _text(delta: Delta, extra: Json) -> str:
    """What the model wrote; a refusal in words is a text too."""
    refusal = extra.get("refusal")
    return delta.content + refusal if isinstance(refusal, str) else delta.content


def _tool_use(call: Json, arguments: Json) -> Json:
    name = (call.get("function") or {}).get("name")
    return {"type": "tool_use", "id": call.get("id"), "name": name, "input": arguments}


def _input(call: Json) -> Json:
    """Arguments as an object; what was cut off in the middle is none, and is shown as the text that it is."""
    text = (call.get("function") or {}).get("arguments") or "{}"
    try:
        arguments = orjson.loads(text)
    except orjson.JSONDecodeError:
        arguments = None
    return arguments if isinstance(arguments, dict) else {"arguments": text}


def _ended(outcome: Outcome, ending: Json, called: bool) -> Json:
    """Why it ended: in Anthropic's own words where there are any, and our word where it was the wallet."""
    if outcome.detail == "insufficient_credits":
        return {"stop_reason": "max_tokens", "stop_sequence": None}
    reason = _STOP_REASONS.get(outcome.finish_reason or "", "end_turn")
    if reason == "end_turn" and called:  # some servers say `stop` of a call too
        reason = "tool_use"
    return {"stop_reason": reason, "stop_sequence": None, **ending.get("delta", {})}


def _usage(outcome: Outcome, ending: Json) -> Json:
    """What is charged, and the company's further counts where it is charged by them."""
    ours = usage_view(outcome.usage)
    return ours | ending.get("usage", {}) if outcome.usage_source == "provider" else ours


class MessageEncoder:
    """Writes the events of one message; the text of most deltas is all that is encoded anew."""

    def __init__(self, stream: Stream, *, request_id: str) -> None:
        self._stream = stream
        self._request_id = request_id
        self._index = -1  # of the block begun last
        self._open: str | None = None  # its type, until it ends
        self._tool_id: str | None = None
        self._tools: dict[int, int] = {}  # number of the tool call -> index of its block
        self._ending = _NO_ENDING

    def begin(self) -> bytes:
        message: Json = {
            "id": message_id(self._stream),
            "type": "message",
            "role": "assistant",
            "model": self._stream.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_view(Usage(self._stream.prompt_tokens, 0)),
        }
        return _event("message_start", {"message": message})

    def deltas(self, deltas: list[Delta], offset: int) -> bytes:
        return b"".join([self._delta(delta) for delta in deltas])

    def _delta(self, delta: Delta) -> bytes:
        if delta.extra is None:
            return self._written(delta.content)
        extra, kept = delta.extra, told(delta)
        events = self._begun(kept["start"]) if "start" in kept else b""
        if thoughts := _thoughts(extra):
            events += self._within("thinking", {"thinking": "", "signature": ""})
            events += self._of_block({"type": "thinking_delta", "thinking": thoughts})
        if text := _text(delta, extra):
            events += self._written(text)
        for call in extra.get("tool_calls") or ():
            events += self._called(call)
        if "delta" in kept:
            events += self._of_block(kept["delta"])
        self._ending = kept.get("ending", self._ending)
        return events

    def _written(self, text: str) -> bytes:
        if not text:
            return b""
        begun = b"" if self._open == "text" else self._within("text", {"text": ""})
        return begun + (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
            b'"delta":{"type":"text_delta","text":%b}}\n\n' % (self._index, orjson.dumps(text))
        )

    def _within(self, kind: str, empty: Json) -> bytes:
        """Where no block of this kind is open, one begins."""
        return b"" if self._open == kind else self._begun({"type": kind, **empty})

    def _begun(self, block: Json) -> bytes:
        """A block begins, and the one before it ends. The text that it may begin with is in the delta's own content."""
        ended = self._ended_block()
        self._index += 1
        self._open, self._tool_id = block["type"], block.get("id")
        shown = {**block, "text": ""} if self._open == "text" else block
        return ended + _event("content_block_start", {"index": self._index, "content_block": shown})

    def _ended_block(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        return _event("content_block_stop", {"index": self._index})

    def _of_block(self, delta: Json, index: int | None = None) -> bytes:
        return _event("content_block_delta", {"index": self._index if index is None else index, "delta": delta})

    def _called(self, call: Json) -> bytes:
        """A part of a tool call: its name, which begins a block unless that has begun, or some of its arguments."""
        number, events = call.get("index", 0), b""
        if number not in self._tools:
            if self._open != "tool_use" or self._tool_id != call.get("id"):
                events = self._begun(_tool_use(call, {}))
            self._tools[number] = self._index
        if arguments := (call.get("function") or {}).get("arguments"):
            events += self._of_block({"type": "input_json_delta", "partial_json": arguments}, self._tools[number])
        return events

    def end(self, outcome: Outcome) -> bytes:
        if (error := failure_of(outcome)) is not None:
            return self._error(error)
        last: Json = {
            "delta": _ended(outcome, self._ending, bool(self._tools)),
            "usage": _usage(outcome, self._ending),
            **{name: value for name, value in self._ending.items() if name not in ("delta", "usage")},
            "hub": hub_view(outcome),
        }
        return self._ended_block() + _event("message_delta", last) + _event("message_stop", {})

    def _error(self, error: HubError) -> bytes:
        body = ANTHROPIC.error(error, ANTHROPIC.codes[error.code][1], self._request_id)
        return b"event: error\ndata: " + orjson.dumps(body) + b"\n\n"


def _event(name: str, data: Json) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps({"type": name, **data}))
