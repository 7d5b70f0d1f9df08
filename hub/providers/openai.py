"""The wire form of OpenAI's chat completions, spoken by OpenAI, MiniMax, Ollama, vLLM, llama.cpp and LM Studio.

Pure: bytes in, events out. It always asks for usage, and believes none of it.
"""

import re
from typing import Any, Final

import orjson

from hub.providers.base import (
    Completion,
    Delta,
    EmbeddingCall,
    Embeddings,
    Finish,
    HttpRequest,
    Json,
    ProviderCall,
    ProviderError,
    ProviderEvent,
    Usage,
    temporary_status,
)
from hub.providers.openai_embeddings import embedding_body, parse_embeddings
from hub.providers.sse import SseError, SseSplitter
from hub.providers.wire import dump_body, load_object
from hub.providers.words import credentials_refused, provider_words

# Fields that the hub decides, whatever the caller sent.
_OURS: Final = frozenset({"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n"})
_HEAD: Final = frozenset({"role", "name", "content"})  # of a message or delta; MiniMax names the speaker in each
# OpenAI's reasoning models refuse `max_tokens`, other servers know nothing else. The name decides, because it decides
# there too, and an operator who adds such a model to the catalogue could forget a mark.
_COMPLETION_TOKENS_NAMES: Final = re.compile(r"(.*/)?(o[1-9]|gpt-([5-9]|\d\d))(?![\da-z])")


class OpenAIConverter:
    """One OpenAI-compatible server. `label` is the company's name in messages; `api_key` None sends no credential."""

    def __init__(self, name: str, label: str, base_url: str, api_key: str | None) -> None:
        self.name = name
        self.label = label
        self._url = f"{base_url}/chat/completions"
        self._embeddings_url = f"{base_url}/embeddings"
        self._secrets = (api_key, base_url)
        self._headers = {"Content-Type": "application/json"}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"

    def request(self, call: ProviderCall, *, stream: bool) -> HttpRequest:
        body = {key: value for key, value in call.parameters.items() if key not in _OURS and value is not None}
        by_completion = _COMPLETION_TOKENS_NAMES.match(call.model)
        body |= {"model": call.model, "messages": list(call.messages)}
        body["max_completion_tokens" if by_completion else "max_tokens"] = call.max_tokens
        if call.choices > 1:
            body["n"] = call.choices
        if stream:
            body |= {"stream": True, "stream_options": _stream_options(call)}
        headers = self._headers | {"Accept": "text/event-stream" if stream else "application/json"}
        return HttpRequest(self._url, headers, dump_body(body))

    def embedding_request(self, call: EmbeddingCall) -> HttpRequest:
        headers = self._headers | {"Accept": "application/json"}
        return HttpRequest(self._embeddings_url, headers, dump_body(embedding_body(call)))

    def parse_embeddings(self, body: bytes, call: EmbeddingCall) -> Embeddings:
        return parse_embeddings(body, self.label, call)

    def parse_completion(self, body: bytes, call: ProviderCall) -> Completion:
        document = load_object(body, self.label)
        if document.get("error"):
            raise _chunk_error(document["error"], self.label, self._secrets)
        choices = _choices(document)[: call.choices]
        if not choices or not all(isinstance(choice.get("message"), dict) for choice in choices):
            raise ProviderError(f"{self.label} sent no answer")
        first, *others = (_whole(choice) for choice in choices)
        if not all(_are_calls(delta) for delta in (first, *others)):
            raise _unreadable_calls(self.label)
        if not isinstance(reason := choices[0].get("finish_reason"), str) or not reason:
            raise ProviderError(f"{self.label} sent no answer")
        return Completion(first.content, reason, _usage(document), first.extra, others)

    def parse_error(self, status: int, body: bytes) -> str:
        if status in (401, 403):
            return credentials_refused(self.label)
        return provider_words(self.label, status, _error_message(body), self._secrets)

    def stream_parser(self, call: ProviderCall) -> "OpenAIStreamParser":
        return OpenAIStreamParser(self.label, self._secrets, call.choices)


def _stream_options(call: ProviderCall) -> Json:
    """The caller's, and the usage whether the caller wants to see it or not."""
    given = call.parameters.get("stream_options")
    return {**(given if isinstance(given, dict) else {}), "include_usage": True}


class OpenAIStreamParser:
    """One streamed answer. Usage and finish are kept to the end, because usage comes in a chunk of its own after it."""

    def __init__(self, label: str, secrets: tuple[str | None, ...], choices: int) -> None:
        self._label = label
        self._secrets = secrets
        self._choices = choices
        self._splitter = SseSplitter()
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._unfinished: set[int] = set()  # choices that have begun
        self._done = False

    @property
    def finished(self) -> bool:
        return self._finish is not None and not self._unfinished

    def feed(self, data: bytes, events: list[ProviderEvent]) -> None:
        try:
            payloads = self._splitter.feed(data)
        except SseError as error:
            raise ProviderError(f"{self._label}: {error}") from error
        for _, payload in payloads:
            self._take(payload, events)

    def end(self, events: list[ProviderEvent]) -> None:
        for _, payload in self._splitter.end():
            self._take_last(payload, events)
        if not self._done:
            self._complete(events)

    def _take(self, payload: bytes, events: list[ProviderEvent]) -> None:
        if self._done:
            return
        if payload.startswith(b"[DONE]"):
            self._complete(events)
            return
        chunk = load_object(payload, self._label)
        try:
            choice = chunk["choices"][0]
            delta = choice["delta"]
            plain = len(delta) == 1 and not (choice["finish_reason"] or chunk.get("usage") or choice["index"])
            plain = plain and not choice.get("logprobs")
            content = delta["content"]
        except (LookupError, TypeError):
            plain, content = False, None
        if plain and type(content) is str and "error" not in chunk:
            if content:
                events.append(Delta(content))
        else:
            self._take_odd(chunk, events)

    def _take_odd(self, chunk: Json, events: list[ProviderEvent]) -> None:
        """Any chunk at all: first, last, usage, tool calls, errors. The plain ones in between never come here."""
        if chunk.get("error"):
            raise _chunk_error(chunk["error"], self._label, self._secrets)
        self._usage = _usage(chunk) or self._usage
        for choice in _choices(chunk):
            self._take_choice(choice, events)

    def _take_choice(self, choice: Json, events: list[ProviderEvent]) -> None:
        delta, number, reason = choice.get("delta"), _index(choice), _reason(choice)
        if not 0 <= number < self._choices:
            return  # nobody asked for it
        said = _delta(choice, delta if isinstance(delta, dict) else {})
        if said is not None:
            if not _are_calls(said):
                raise _unreadable_calls(self._label)
            events.append(said)
        if reason is None:
            self._unfinished.add(number)
            return
        self._unfinished.discard(number)
        if not number:
            self._finish = Finish(reason)

    def _take_last(self, payload: bytes, events: list[ProviderEvent]) -> None:
        """What stood unfinished when the connection closed: half a line is an error, unless the answer had ended."""
        try:
            self._take(payload, events)
        except ProviderError:
            if not self.finished:
                raise

    def _complete(self, events: list[ProviderEvent]) -> None:
        if self._finish is None or self._unfinished:
            raise ProviderError(f"{self._label} ended the stream before the answer was finished", temporary=True)
        self._done = True
        if self._usage is not None:
            events.append(self._usage)
        events.append(self._finish)


def _choices(document: Json) -> list[Json]:
    choices = document.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _reason(choice: Json) -> str | None:
    reason = choice.get("finish_reason")
    return reason if isinstance(reason, str) and reason else None


def _whole(choice: Json) -> Delta:
    return _delta(choice, choice["message"]) or Delta("")


def _delta(choice: Json, said: Json) -> Delta | None:
    """What a choice says, in its `delta` or `message` and beside it; None where it says nothing."""
    content, extra, beside = _text(said.get("content")), _extra(said), _beside(choice)
    if not content and not extra and beside.keys() <= {"index"}:
        return None
    return Delta(content, {**(extra or {}), "choice": beside} if beside else extra)


def _beside(choice: Json) -> Json:
    """What stands beside a delta, as `Delta` keeps it. The first choice's finish reason is the stream's own."""
    number = _index(choice)
    beside: Json = {"index": number} if number else {}
    if number and (reason := _reason(choice)):
        beside["finish_reason"] = reason
    if isinstance(logprobs := choice.get("logprobs"), dict) and any(logprobs.values()):
        beside["logprobs"] = logprobs
    return beside


def _index(choice: Json) -> int:
    index = choice.get("index")
    return index if type(index) is int else 0


def _text(content: object) -> str:
    """Content is text or null; some servers send a list of parts, of which the text parts count."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def _extra(message: Json) -> Json | None:
    """All but whose it is and the content: tool_calls, refusal, reasoning. Nulls and what is empty say nothing."""
    fields = {key: value for key, value in message.items() if key not in _HEAD and value not in (None, [], "")}
    return fields or None


def _are_calls(delta: Delta) -> bool:
    """Whether its tool calls, if it has any, can be put together by those who read them."""
    calls = (delta.extra or {}).get("tool_calls", [])
    return isinstance(calls, list) and all(isinstance(call, dict) and _is_call(call) for call in calls)


def _is_call(call: Json) -> bool:
    index, function = call.get("index"), call.get("function")
    if not (index is None or (type(index) is int and index >= 0)) or not isinstance(function, dict | None):
        return False
    texts = (call.get("id"), *((function or {}).get(name) for name in ("name", "arguments")))
    return all(isinstance(text, str | None) for text in texts)


def _unreadable_calls(label: str) -> ProviderError:
    return ProviderError(f"{label} sent tool calls that cannot be read")


def _usage(document: Json) -> Usage | None:
    """None where it is absent or not two integers; whether the integers are believable is not decided here."""
    usage = document.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(prompt) is not int or type(completion) is not int:
        return None
    cached = _part(usage, "prompt_tokens_details", "cached_tokens", prompt)
    return Usage(prompt, completion, cached, _part(usage, "completion_tokens_details", "reasoning_tokens", completion))


def _part(usage: Json, details: str, name: str, whole: int) -> int:
    """A detail of a count: nothing where it is absent, or cannot be a part of it."""
    told = usage.get(details)
    count = told.get(name) if isinstance(told, dict) else None
    return count if type(count) is int and 0 < count <= whole else 0


def _error_message(body: bytes) -> str | None:
    try:
        error: Any = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return None
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else None


def _chunk_error(error: object, label: str, secrets: tuple[str | None, ...]) -> ProviderError:
    """An error inside an answer whose status was 200; its `code` may be a status as a number."""
    message = error.get("message") if isinstance(error, dict) else error
    code = error.get("code") if isinstance(error, dict) else None
    status = code if type(code) is int and 400 <= code < 600 else None
    words = message if isinstance(message, str) else None
    return ProviderError(
        credentials_refused(label) if status in (401, 403) else provider_words(label, status, words, secrets),
        status=status,
        temporary=status is None or temporary_status(status),
    )
