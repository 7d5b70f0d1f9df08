"""The wire form of Anthropic's Messages API, streamed and whole, read back into OpenAI's terms.

Pure: bytes in, events out. `anthropic_request.py` writes the requests.
"""

from collections.abc import Callable
from typing import Any, Final

import orjson

from hub.providers.anthropic_native import KEY, Kept, native_body, whole
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


def request_body(call: ProviderCall) -> Json:
    """The whole body but `stream`. Raises `ProviderError` (`request_is_wrong`) for what has no form there."""
    if call.choices > 1:
        raise ProviderError("This model gives one answer at a time: `n` must be 1", request_is_wrong=True)
    return messages_body(call) if call.native is None else native_body(call, call.native)


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
        body = request_body(call)
        if stream:
            body["stream"] = True
        headers = self._headers | {"Accept": "text/event-stream" if stream else "application/json"}
        if call.native is not None and call.native.betas is not None:
            headers["anthropic-beta"] = call.native.betas
        return HttpRequest(self._url, headers, dump_body(body))

    def parse_completion(self, body: bytes, call: ProviderCall) -> Completion:
        document = load_object(body, self.label)
        blocks, reason = document.get("content"), document.get("stop_reason")
        if not isinstance(blocks, list) or not isinstance(reason, str):
            raise ProviderError(f"{self.label} sent no answer")
        if not all(isinstance(block, dict) for block in blocks):
            raise ProviderError(f"{self.label} sent content that is not in blocks")
        try:
            text, extra = (
                "".join(block.get("text", "") for block in blocks if block.get("type") == "text"),
                _extra(blocks),
            )
        except TypeError as error:
            raise ProviderError(f"{self.label} sent a block that lacks its fields") from error
        if call.native is not None:
            extra = {**(extra or {}), KEY: whole(document)}
        return Completion(text, _FINISH.get(reason, "stop"), _whole_usage(document.get("usage")), extra)

    def parse_error(self, status: int, body: bytes) -> str:
        if status in (401, 403):
            return credentials_refused(self.label)
        return provider_words(self.label, status, _error_message(body), self._secrets)

    def stream_parser(self, call: ProviderCall) -> "AnthropicStreamParser":
        return AnthropicStreamParser(self.label, self._secrets, Kept() if call.native is not None else None)


class AnthropicStreamParser:
    """One streamed answer. The events are told apart by their data's `type`, which repeats the event's name.

    `kept` keeps what OpenAI's terms cannot say, for callers who asked in Anthropic's own.
    """

    def __init__(self, label: str, secrets: tuple[str | None, ...], kept: Kept | None) -> None:
        self._label = label
        self._secrets = secrets
        self._kept = kept
        self._splitter = SseSplitter()
        self._usage: Json = {}
        self._finish: Finish | None = None
        self._done = False
        self._tools: dict[int, int] = {}  # index of the content block -> number of the tool call
        self._takers: dict[str, Callable[[Json], Delta | None]] = {
            "content_block_delta": self._take_delta,
            "content_block_start": self._take_block,
            "content_block_stop": self._take_block_end,
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
        kind = str(chunk.get("type"))
        taker = self._takers.get(kind)
        if taker is not None and not self._done:
            try:
                delta = taker(chunk)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise ProviderError(f"{self._label} sent a {kind} that lacks its fields") from error
            if delta is not None:
                events.append(delta)
        elif kind == "message_stop" and not self._done:
            self._complete(events)

    def _take_delta(self, chunk: Json) -> Delta | None:
        delta = chunk["delta"]
        said = self._said(delta, chunk["index"])
        if self._kept is None:
            return said
        return self._kept.with_block(said, delta if said is None and delta["type"] != "text_delta" else None)

    def _said(self, delta: Json, index: int) -> Delta | None:
        """A delta in OpenAI's terms, which have none for signatures, citations and the inputs of the company's tools."""
        kind = delta["type"]
        if kind == "text_delta":
            return Delta(_written(delta["text"])) if delta["text"] else None
        if kind == "input_json_delta" and (index in self._tools or self._kept is None):
            return _tool_delta(
                {"index": self._tools[index], "function": {"arguments": _written(delta["partial_json"])}}
            )
        if kind == "thinking_delta":
            return Delta("", {"reasoning_content": _written(delta["thinking"])})
        return None

    def _take_block(self, chunk: Json) -> Delta | None:
        said = self._begun(chunk["content_block"], chunk["index"])
        if self._kept is None:
            return said
        self._kept.begins(chunk["content_block"])
        return self._kept.with_block(said)

    def _begun(self, block: Json, index: int) -> Delta | None:
        if block["type"] != "tool_use":
            return Delta(_written(block["text"])) if block.get("text") else None
        number = self._tools[index] = len(self._tools)
        function = {"name": _written(block["name"]), "arguments": ""}
        return _tool_delta({"index": number, "id": block["id"], "type": "function", "function": function})

    def _take_block_end(self, chunk: Json) -> Delta | None:
        return None if self._kept is None else self._kept.ends()

    def _take_start(self, chunk: Json) -> None:
        """Of this usage only the input counts: the output's count here is a placeholder."""
        usage = chunk["message"].get("usage") or {}
        self._usage = {name: value for name, value in usage.items() if name != "output_tokens"}

    def _take_ending(self, chunk: Json) -> None:
        counts = chunk.get("usage") or {}
        self._usage |= {name: count for name, count in counts.items() if count is not None}  # the newest is the sum
        if self._kept is not None:
            self._kept.answer_ends(chunk)
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
        if self._kept is not None:
            events.append(self._kept.ending(self._usage))
        if (usage := _whole_usage(self._usage)) is not None:
            events.append(usage)
        events.append(self._finish)


def _written(text: Any) -> str:
    """Raises `TypeError` for what is no text."""
    if not isinstance(text, str):
        raise TypeError("it is no text")
    return text


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
    details = usage.get("output_tokens_details")
    reasoning = details.get("thinking_tokens") if isinstance(details, dict) else None
    output = usage["output_tokens"]
    return Usage(prompt, output, _part_of(prompt, usage.get("cache_read_input_tokens")), _part_of(output, reasoning))


def _part_of(whole: int, part: Any) -> int:
    """A detail of a count: nothing where it cannot be a part of it."""
    return part if type(part) is int and 0 < part <= whole else 0


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
