"""Anthropic's Messages API, played by a server on loopback."""

from functools import lru_cache
from typing import ClassVar

import orjson

from tests.stand_ins.base import Json, Scenario, StandIn, usage_counts

_ID = "msg_013Zva2CMHLNnXjNJJKqJ2EF"


class AnthropicStandIn(StandIn):
    """Serves any path; `base_url` is what a hub is given."""

    recordings: ClassVar = {
        "blocks": ("anthropic_blocks.sse", "anthropic_blocks.json"),
        "text": ("anthropic_text.sse", "anthropic_message.json"),
        "tools": ("anthropic_tools.sse", "anthropic_message_tools.json"),
        "failure": ("anthropic_error.sse", "anthropic_error_400.json"),
    }

    @property
    def base_url(self) -> str:
        return self.url

    def frames(self, scenario: Scenario, body: Json) -> tuple[bytes, bytes, bytes]:
        return _frames(scenario, str(body["model"]))

    def whole_body(self, scenario: Scenario, body: Json) -> Json:
        content = [{"type": "text", "text": scenario.word * scenario.chunks}]
        whole = _message(str(body["model"])) | {"content": content, "stop_reason": "end_turn"}
        counts = usage_counts(scenario)
        if counts is None:
            del whole["usage"]
        else:
            whole["usage"] = {"input_tokens": counts[0], "output_tokens": counts[1]}
        return whole

    def error_body(self, status: int) -> Json:
        error = {"type": "api_error", "message": f"Stand-in error {status}"}
        return {"type": "error", "error": error, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}

    def error_frame(self) -> bytes:
        return _frame("error", error={"type": "overloaded_error", "message": "Overloaded"})


@lru_cache(maxsize=64)
def _frames(scenario: Scenario, model: str) -> tuple[bytes, bytes, bytes]:
    counts = usage_counts(scenario)
    message = _message(model)
    if counts is not None:
        message["usage"] = {"input_tokens": counts[0], "output_tokens": 1}  # a placeholder, as Anthropic sends it
    else:
        del message["usage"]
    opening = _frame("message_start", message=message)
    opening += _frame("content_block_start", index=0, content_block={"type": "text", "text": ""}) + _frame("ping")
    word = _frame("content_block_delta", index=0, delta={"type": "text_delta", "text": scenario.word})
    usage = {} if counts is None else {"usage": {"output_tokens": counts[1]}}
    ending = _frame("content_block_stop", index=0)
    ending += _frame("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, **usage)
    return opening, word, ending + _frame("message_stop")


def _message(model: str) -> Json:
    head = {"id": _ID, "type": "message", "role": "assistant", "model": model, "content": []}
    return head | {"stop_reason": None, "stop_sequence": None, "usage": {}}


def _frame(kind: str, **fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind} | fields))
