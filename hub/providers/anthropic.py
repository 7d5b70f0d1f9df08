"""The wire form of Anthropic's Messages API, streamed and whole, read back into OpenAI's terms.

Pure: bytes in, events out. `anthropic_request.py` writes the requests.
"""

from collections.abc import Callable
from typing import Any, Final

import orjson

from hub.providers.anthropic_request import messages_body
from hub.providers.base import (
    Completion,
    Delta,
    Finish,
    HttpRequest,
    Json,
    ProviderCall,
    ProviderError,
    ProviderEvent,
    Usage,
    temporary_status,
)
from hub.providers.sse import SseError, SseSplitter
from hub.providers.wire import dump_body, load_object
from hub.providers.words import credentials_refused, provider_words

VERSION: Final = "2023-06-01"

# A reason that is missing here is a new way of stopping, and `stop` says no more than that.
_FINISH: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
# Mid-stream errors have a type and no status.
_STATUS: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_INPUT_COUNTS: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class AnthropicConverter:
    """Anthropic itself or a server that speaks its Messages API."""

    def __init__(self, name: str, label: str, base_url: str, api_key: str | None) -> None:
        self.name = name
        self.label = label
        self._url = f"{base_url}/v1/messages"
        self._secrets = (api_key, base_url)
        self._headers = {"Content-Type": "application/json", "anthropic-version": VERSION}
        if api_key is not None:
            self._headers["x-api-key"] = api_key

    def request(self, call: ProviderCall, *, stream: bool) -> HttpRequest:
        """Raises `ProviderError` (`request_is_wrong`) for what has no form there, such as a picture of unknown kind."""
        body = messages_body(call)
        if stream:
            body["stream"] = True
        headers = self._headers | {"Accept": "text/event-stream" if stream else "application/json"}
        return HttpRequest(self._url, headers, dump_body(body))

    def parse_completion(self, body: bytes) -> Completion:
        document = load_object(body, self.label)
        blocks, reason = document.get("content"), document.get("stop_reason")
        if not isinstance(blocks, list) or not isinstance(reason, str):
            raise ProviderError(f"{self.label} sent no answer")
        if not all(isinstance(block, dict) for block in blocks):
            raise ProviderError(f"{self.label} sent content that is not in blocks")
        text = "".join(block.get("text", "") for block in blocks if block.get("type") == "text")
        usage = document.get("usage")
        return Completion(text, _FINISH.get(reason, "stop"), _whole_usage(usage), _extra(blocks))

    def parse_error(self, status: int, body: bytes) -> str:
        if status in (401, 403):
            return credentials_refused(self.label)
        return provider_words(self.label, status, _error_message(body), self._secrets)

    def stream_parser(self) -> "AnthropicStreamParser":
        return AnthropicStreamParser(self.label, self._secrets)


class AnthropicStreamParser:
    """One streamed answer. The events are told apart by their data's `type`, which repeats the event's name."""

    def __init__(self, label: str, secrets: tuple[str | None, ...]) -> None:
        self._label = label
        self._secrets = secrets
        self._splitter = SseSplitter()
        self._input_tokens: int | None = None
        self._output_tokens: int | None = None
        self._finish: Finish | None = None
        self._done = False
        self._tools: dict[int, int] = {}  # index of the content block -> number of the tool call
        self._takers: dict[str, Callable[[Json], Delta | None]] = {
            "content_block_delta": self._take_delta,
            "content_block_start": self._take_block,
            "message_start": self._take_start,
            "message_delta": self._take_ending,
            "error": self._take_error,
        }

    @property
    def finished(self) -> bool:
        return self._finish is not None

    def feed(self, data: bytes, events: list[ProviderEvent]) -> None:
        try:
            payloads = self._splitter.feed(data)
        except SseError as error:
            raise ProviderError(f"{self._label}: {error}") from error
        for _, payload in payloads:
            self._take(payload, events)

    def end(self, events: list[ProviderEvent]) -> None:
        for _, payload in self._splitter.end():
            try:
                self._take(payload, events)
            except ProviderError:
                if self._finish is None:  # otherwise the answer had ended, and half a line after it takes nothing away
                    raise
        if not self._done:
            self._complete(events)

    def _take(self, payload: bytes, events: list[ProviderEvent]) -> None:
        chunk = load_object(payload, self._label)
        kind = chunk.get("type", "")
        taker = self._takers.get(kind)
        if taker is not None and not self._done:
            try:
                delta = taker(chunk)
            except (LookupError, TypeError, AttributeError) as error:
                raise ProviderError(f"{self._label} sent a {kind} that lacks its fields") from error
            if delta is not None:
                events.append(delta)
        elif kind == "message_stop" and not self._done:
            self._complete(events)

    def _take_delta(self, chunk: Json) -> Delta | None:
        delta = chunk["delta"]
        kind = delta["type"]
        if kind == "text_delta":
            return Delta(delta["text"]) if delta["text"] else None
        if kind == "input_json_delta":
            number = self._tools[chunk["index"]]
            return _tool_delta({"index": number, "function": {"arguments": delta["partial_json"]}})
        if kind == "thinking_delta":
            return Delta("", {"reasoning_content": delta["thinking"]})
        return None  # signatures and citations have no place in OpenAI's form

    def _take_block(self, chunk: Json) -> Delta | None:
        block = chunk["content_block"]
        if block["type"] != "tool_use":
            return Delta(block["text"]) if block.get("text") else None
        number = self._tools[chunk["index"]] = len(self._tools)
        function = {"name": block["name"], "arguments": ""}
        return _tool_delta({"index": number, "id": block["id"], "type": "function", "function": function})

    def _take_start(self, chunk: Json) -> None:
        """Of this usage only the input counts: the output's count here is a placeholder."""
        self._input_tokens = _input_tokens(chunk["message"].get("usage"))

    def _take_ending(self, chunk: Json) -> None:
        usage = chunk.get("usage") or {}
        if type(tokens := usage.get("output_tokens")) is int:
            self._output_tokens = tokens  # cumulative: the newest is the sum
        if "input_tokens" in usage:
            self._input_tokens = _input_tokens(usage)
        if isinstance(reason := chunk["delta"].get("stop_reason"), str):
            self._finish = Finish(_FINISH.get(reason, "stop"))

    def _take_error(self, chunk: Json) -> None:
        error = chunk.get("error") or {}
        status = _STATUS.get(str(error.get("type")))
        message = error.get("message")
        words = message if isinstance(message, str) else None
        refused = status in (401, 403)
        raise ProviderError(
            credentials_refused(self._label) if refused else provider_words(self._label, status, words, self._secrets),
            status=status,
            temporary=status is None or temporary_status(status),
        )

    def _complete(self, events: list[ProviderEvent]) -> None:
        if self._finish is None:
            raise ProviderError(f"{self._label} ended the stream before the answer was finished", temporary=True)
        self._done = True
        if self._input_tokens is not None and self._output_tokens is not None:
            events.append(Usage(self._input_tokens, self._output_tokens))
        events.append(self._finish)


def _tool_delta(call: Json) -> Delta:
    return Delta("", {"tool_calls": [call]})


def _input_tokens(usage: Any) -> int | None:
    """What was read, cached or not: cached tokens stand apart there, and are part of the prompt here."""
    counts = [usage.get(name) or 0 for name in _INPUT_COUNTS] if isinstance(usage, dict) else []
    if not counts or "input_tokens" not in usage or not all(type(count) is int for count in counts):
        return None
    return sum(counts)


def _whole_usage(usage: Any) -> Usage | None:
    prompt = _input_tokens(usage)
    if prompt is None or type(usage.get("output_tokens")) is not int:
        return None
    return Usage(prompt, usage["output_tokens"])


def _extra(blocks: list[Json]) -> Json | None:
    """The tool calls and thoughts of a whole answer, as fields of OpenAI's message."""
    extra: Json = {}
    if calls := [_tool_call(block) for block in blocks if block.get("type") == "tool_use"]:
        extra["tool_calls"] = calls
    if thoughts := "".join(block.get("thinking", "") for block in blocks if block.get("type") == "thinking"):
        extra["reasoning_content"] = thoughts
    return extra or None


def _tool_call(block: Json) -> Json:
    function = {"name": block.get("name"), "arguments": orjson.dumps(block.get("input") or {}).decode()}
    return {"id": block.get("id"), "type": "function", "function": function}


def _error_message(body: bytes) -> str | None:
    try:
        message = orjson.loads(body)["error"]["message"]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return None
    return message if isinstance(message, str) else None
