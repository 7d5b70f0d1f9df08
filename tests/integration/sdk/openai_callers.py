"""OpenAI's official client for one user, and what its answers say in the words of `tests/houses.py`."""

import json
from collections.abc import Iterable
from typing import Any, Final

import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.houses import House, Said

HELLO: Final = [{"role": "user", "content": "Hello"}]
TOOL: Final = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather at a place",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
    },
}


class Caller:
    """`sent` has the path of each request that really went out, those that the client tried again too."""

    def __init__(self, url: str, api_key: str, **options: Any) -> None:
        self.sent: list[str] = []
        hooks = {"request": [lambda request: self.sent.append(request.url.path)]}
        http_client = openai.DefaultHttpxClient(event_hooks=hooks)
        self.client = openai.OpenAI(base_url=url, api_key=api_key, http_client=http_client, **options)

    @classmethod
    def of(cls, house: House, api_key: str | None = None, **options: Any) -> "Caller":
        """Somebody's, unless a key is given."""
        return cls(house.v1, api_key or house.somebody, **options)

    def ask(self, model: str, **fields: Any) -> Any:
        return self.client.chat.completions.create(**{"model": model, "messages": HELLO, **fields})


def said_by(completion: ChatCompletion) -> Said:
    (choice,) = completion.choices
    usage = completion.usage
    assert usage is not None and usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    calls = [(call.function.name, call.function.arguments) for call in choice.message.tool_calls or ()]
    return _said(choice.message.content or "", usage.prompt_tokens, usage.completion_tokens, calls)


def said_in(chunks: Iterable[ChatCompletionChunk]) -> Said:
    """What chunks with usage come to, put together as OpenAI's guide tells."""
    *pieces, last = chunks
    assert last.choices == [] and last.usage is not None
    assert all(chunk.choices and chunk.usage is None for chunk in pieces)
    deltas = [choice.delta for chunk in pieces for choice in chunk.choices]
    calls: dict[int, tuple[str, str]] = {}
    for call in (call for delta in deltas for call in delta.tool_calls or ()):
        name, arguments = calls.get(call.index, ("", ""))
        assert call.function is not None
        calls[call.index] = (name + (call.function.name or ""), arguments + (call.function.arguments or ""))
    text = "".join(delta.content or "" for delta in deltas)
    return _said(text, last.usage.prompt_tokens, last.usage.completion_tokens, list(calls.values()))


def _said(text: str, prompt_tokens: int, completion_tokens: int, calls: list[tuple[str, str]]) -> Said:
    if not calls:
        return Said(text, prompt_tokens, completion_tokens)
    ((name, arguments),) = calls
    return Said(text, prompt_tokens, completion_tokens, name, json.loads(arguments))
