"""The sandbox: the same answer each time, honest counts, its limits and its pace."""

import asyncio

import pytest

from hub import tokens
from hub.providers.base import Delta, Finish, ProviderCall, ProviderEvent, Usage
from hub.providers.sandbox import SandboxProvider


def call(max_tokens: int = 1000, prompt: str = "Tell me a story") -> ProviderCall:
    return ProviderCall("gpt-4", [{"role": "user", "content": prompt}], max_tokens)


async def collect(provider: SandboxProvider, asked: ProviderCall) -> list[ProviderEvent]:
    return [event async for batch in provider.stream(asked) for event in batch]


def text_of(events: list[ProviderEvent]) -> str:
    return "".join(event.content for event in events if isinstance(event, Delta))


@pytest.mark.parametrize("vocabulary", ["cl100k_base", None])
@pytest.mark.parametrize("max_tokens", [1, 2, 17, 399, 400, 1000])
def test_it_runs_to_its_limit_and_says_so(vocabulary: str | None, max_tokens: int) -> None:
    events = asyncio.run(collect(SandboxProvider(1e6, vocabulary), call(max_tokens)))
    limit = min(max_tokens, 400)
    usage = events[-2]
    assert isinstance(usage, Usage) and limit - 1 <= usage.completion_tokens <= limit
    assert usage.completion_tokens == tokens.count_text(vocabulary, text_of(events))
    assert usage.prompt_tokens == tokens.count_messages(vocabulary, call().messages)
    assert events[-1] == Finish("length" if max_tokens < 400 else "stop")


def test_the_same_prompt_has_the_same_answer_and_another_prompt_another() -> None:
    provider = SandboxProvider(1e6, "cl100k_base")
    first, second = (asyncio.run(provider.complete(call())) for _ in range(2))
    other = asyncio.run(provider.complete(call(prompt="Tell me a joke")))
    assert first == second != other
    assert first.content == text_of(asyncio.run(collect(provider, call())))
    assert "```python" in first.content and "sandbox" in first.content


def test_broken_text_is_answered_too() -> None:
    assert asyncio.run(SandboxProvider(1e6, "cl100k_base").complete(call(prompt="\ud800"))).content


def test_its_pace() -> None:
    async def seconds() -> float:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await collect(SandboxProvider(200, "cl100k_base"), call(max_tokens=60))
        return loop.time() - started

    assert 0.25 < asyncio.run(seconds()) < 5  # 60 tokens at 200 a second: 0.3 s


def test_a_whole_answer_does_not_wait() -> None:
    async def answered() -> str:
        return (await asyncio.wait_for(SandboxProvider(0.001).complete(call()), 5)).finish_reason

    assert asyncio.run(answered()) == "stop"
