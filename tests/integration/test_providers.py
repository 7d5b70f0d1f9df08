"""The transport and its providers against servers on loopback: tries counted, silence cut, cancellation noticed upstream."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from email.utils import formatdate

import pytest

from config import limits, settings
from config.catalogue import AiModel, load_catalogue
from hub.providers.base import Delta, Finish, ProviderCall, ProviderError, ProviderEvent, Usage
from hub.providers.registry import Providers
from hub.providers.transport import Patience
from tests.stand_ins.anthropic_server import AnthropicStandIn
from tests.stand_ins.base import Scenario, StandIn
from tests.stand_ins.openai_server import OpenAIStandIn

QUICK = Patience(
    connect_seconds=1.0,
    pool_seconds=1.0,
    idle_seconds=0.5,
    answer_seconds=0.5,
    backoff_seconds=0.01,
    drain_seconds=0.05,
)
FULL_HOUSE_MAX = 20  # connections that a queue of none may take nevertheless
CATALOGUE = load_catalogue()
GPT_4, CLAUDE = CATALOGUE["gpt-4"], CATALOGUE["claude-3"]


@dataclass
class World:
    """Both companies' stand-ins, and the hub's providers pointed at them."""

    openai: OpenAIStandIn
    anthropic: AnthropicStandIn
    providers: Providers

    def side(self, model: AiModel) -> StandIn:
        return self.openai if model.provider == "openai" else self.anthropic

    async def stream(self, model: AiModel = GPT_4, prompt: str = "Hi") -> list[ProviderEvent]:
        provider = self.providers.for_model(model)
        assert provider is not None
        return [event async for batch in provider.stream(call(model, prompt)) for event in batch]

    async def failure(self, model: AiModel = GPT_4, prompt: str = "Hi") -> ProviderError:
        with pytest.raises(ProviderError) as caught:
            await self.stream(model, prompt)
        return caught.value


def call(model: AiModel, prompt: str = "Hi") -> ProviderCall:
    return ProviderCall(model.upstream, [{"role": "user", "content": prompt}], 100)


def environment(**more: str) -> dict[str, str]:
    return {
        "HUB_DATA_DIR": "unused",
        "HUB_JWT_SECRET": "0123456789abcdef" * 2,
        "HUB_SERVICE_TOKEN": "abcdef0123456789" * 2,
    } | more


@asynccontextmanager
async def world(patience: Patience = QUICK) -> AsyncIterator[World]:
    openai, anthropic = OpenAIStandIn(), AnthropicStandIn()
    await openai.start()
    await anthropic.start()
    bases = {
        "OPENAI_BASE_URL": openai.base_url,
        "ANTHROPIC_BASE_URL": anthropic.base_url,
        "ANTHROPIC_API_KEY": "sk-ant-test",
    }
    providers = await Providers.open(settings.load(environment(**bases)), patience)
    try:
        yield World(openai, anthropic, providers)
    finally:
        await providers.close()
        await openai.stop()
        await anthropic.stop()


def run(test: Callable[[World], Awaitable[None]], patience: Patience = QUICK) -> None:
    async def main() -> None:
        async with world(patience) as there:
            await asyncio.wait_for(test(there), 20)

    asyncio.run(main())


def text_of(events: list[ProviderEvent]) -> str:
    return "".join(event.content for event in events if isinstance(event, Delta))


BOTH = pytest.mark.parametrize("model", [GPT_4, CLAUDE], ids=["openai", "anthropic"])


@BOTH
def test_a_stream_and_a_whole_answer(model: AiModel) -> None:
    async def test(there: World) -> None:
        events = await there.stream(model)
        assert text_of(events) == " word" * 8
        assert events[-2:] == [Usage(9, 8), Finish("stop")]
        provider = there.providers.for_model(model)
        assert provider is not None
        answer = await provider.complete(call(model))
        assert (answer.content, answer.usage, answer.finish_reason) == (" word" * 8, Usage(9, 8), "stop")
        assert [bool(each.body.get("stream")) for each in there.side(model).requests] == [True, False]

    run(test)


@BOTH
def test_one_read_is_one_batch_and_a_connection_is_used_again(model: AiModel) -> None:
    async def test(there: World) -> None:
        provider = there.providers.for_model(model)
        assert provider is not None
        there.side(model).default = Scenario(chunks=400)
        for _ in range(3):
            batches = [batch async for batch in provider.stream(call(model))]
            assert sum(map(len, batches)) == 402 and len(batches) < 40
        assert len({each.peer for each in there.side(model).requests}) == 1

    run(test, replace(QUICK, drain_seconds=5))


@BOTH
@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_temporary_statuses_are_tried_again(model: AiModel, status: int) -> None:
    async def test(there: World) -> None:
        there.side(model).script(Scenario("error", status=status), Scenario("error", status=status))
        assert text_of(await there.stream(model)) == " word" * 8
        assert len(there.side(model).requests) == 3
        error = await there.failure(model, f"#error{status}")
        assert error.status == status and not error.request_is_wrong
        assert len(there.side(model).requests) == 6

    run(test)


@BOTH
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_other_statuses_are_not(model: AiModel, status: int) -> None:
    async def test(there: World) -> None:
        error = await there.failure(model, f"#error{status}")
        assert len(there.side(model).requests) == 1
        assert error.request_is_wrong == (status not in (401, 403))
        expected = f"Stand-in error {status}" if error.request_is_wrong else "refused the hub's credentials"
        assert expected in error.message and "sk-ant-test" not in error.message

    run(test)


@pytest.mark.parametrize("after", ["0.2", lambda: formatdate(time.time() + 2, usegmt=True)])
def test_retry_after_is_waited_for(after: str | Callable[[], str]) -> None:
    async def test(there: World) -> None:
        there.openai.script(Scenario("error", status=429, retry_after=after if isinstance(after, str) else after()))
        started = time.monotonic()
        await there.stream()
        assert 0.18 <= time.monotonic() - started < 8
        assert len(there.openai.requests) == 2

    run(test)


@pytest.mark.parametrize("after", ["1e999", "9" * 400, "-1", "soon"])
def test_a_retry_after_without_end_or_sense_counts_as_none(after: str) -> None:
    async def test(there: World) -> None:
        there.openai.script(Scenario("error", status=429, retry_after=after))
        started = time.monotonic()
        await there.stream()
        assert time.monotonic() - started < 8 and len(there.openai.requests) == 2

    run(test)


def test_retry_after_in_milliseconds_counts_before_seconds() -> None:
    async def test(there: World) -> None:
        told = (("retry-after-ms", "200"),)
        there.openai.script(Scenario("error", status=429, retry_after="120", headers=told))
        started = time.monotonic()
        await there.stream()
        assert 0.18 <= time.monotonic() - started < 8
        assert len(there.openai.requests) == 2

    run(test)


@BOTH
@pytest.mark.parametrize(
    ("wish", "status", "tries"), [("false", 500, 1), ("true", 404, 3), ("perhaps", 500, 3), ("perhaps", 404, 1)]
)
def test_x_should_retry_counts_before_the_status(model: AiModel, wish: str, status: int, tries: int) -> None:
    async def test(there: World) -> None:
        there.side(model).default = Scenario("error", status=status, headers=(("x-should-retry", wish),))
        error = await there.failure(model)
        assert error.status == status and len(there.side(model).requests) == tries

    run(test)


def test_a_long_retry_after_gives_up_at_once_with_the_figure() -> None:
    async def test(there: World) -> None:
        error = await there.failure(prompt="#error429 retry-after=120")
        assert error.retry_after_seconds == 120 and len(there.openai.requests) == 1

    run(test)


@BOTH
@pytest.mark.parametrize("kind", ["error_first", "empty", "reset"])
def test_a_failure_before_the_first_delta_is_tried_again(model: AiModel, kind: str) -> None:
    async def test(there: World) -> None:
        there.side(model).script(Scenario(kind))
        assert text_of(await there.stream(model)) == " word" * 8
        assert len(there.side(model).requests) == 2

    run(test)


@BOTH
@pytest.mark.parametrize("kind", ["error_chunk", "half_json", "reset_mid", "hang_mid"])
def test_a_failure_after_a_delta_is_told_once(model: AiModel, kind: str) -> None:
    async def test(there: World) -> None:
        there.side(model).default = Scenario(interval_seconds=0.01)
        provider = there.providers.for_model(model)
        assert provider is not None
        events: list[ProviderEvent] = []
        with pytest.raises(ProviderError):
            async for batch in provider.stream(call(model, f"#{kind}")):
                events += batch
        assert text_of(events) == " word" * 4
        assert not any(isinstance(event, Finish) for event in events)
        assert len(there.side(model).requests) == 1

    run(test)


@BOTH
@pytest.mark.parametrize("kind", ["hang_first", "hang_mid"])
def test_silence_is_cut(model: AiModel, kind: str) -> None:
    async def test(there: World) -> None:
        started = time.monotonic()
        error = await there.failure(model, f"#{kind}")
        assert "sent nothing for 0.5 seconds" in error.message
        assert time.monotonic() - started < QUICK.idle_seconds + 1
        await there.side(model).wait_cancelled()
        assert len(there.side(model).requests) == 1

    run(test)


def test_a_silent_whole_answer_is_cut() -> None:
    async def test(there: World) -> None:
        provider = there.providers.for_model(GPT_4)
        assert provider is not None
        with pytest.raises(ProviderError, match="sent nothing"):
            await provider.complete(call(GPT_4, "#hang_first"))
        with pytest.raises(ProviderError, match="not JSON"):
            await provider.complete(call(GPT_4, "#half_json"))
        with pytest.raises(ProviderError, match="no answer"):
            await provider.complete(call(GPT_4, "#empty"))

    run(test)


@BOTH
def test_closing_the_iterator_closes_the_call_upstream_at_once(model: AiModel) -> None:
    async def test(there: World) -> None:
        provider = there.providers.for_model(model)
        assert provider is not None
        there.side(model).default = Scenario(chunks=400, interval_seconds=0.02)
        async with aclosing(provider.stream(call(model))) as batches:
            async for _ in batches:
                break
        await there.side(model).wait_cancelled(1)
        assert there.side(model).requests[0].cancelled

    run(test)


@pytest.mark.parametrize("kind", ["normal", "hang_first"])
def test_cancelling_the_task_closes_the_call_upstream(kind: str) -> None:
    async def test(there: World) -> None:
        there.openai.default = Scenario(chunks=400, interval_seconds=0.02)
        task = asyncio.create_task(there.stream(prompt=f"#{kind}"))
        while not there.openai.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await there.openai.wait_cancelled(1)

    run(test, replace(QUICK, idle_seconds=10))


@BOTH
@pytest.mark.parametrize(
    ("kind", "usage"),
    [
        ("usage_missing", None),
        ("usage_absurd", Usage(10**12, 10**12)),
        ("usage_negative", Usage(-5, -7)),
        ("usage_zero", Usage(9, 0)),
    ],
)
def test_usage_is_passed_on_as_it_came(model: AiModel, kind: str, usage: Usage | None) -> None:
    async def test(there: World) -> None:
        events = await there.stream(model, f"#{kind}")
        assert [event for event in events if isinstance(event, Usage)] == ([usage] if usage else [])
        assert events[-1] == Finish("stop")

    run(test)


def test_nobody_listens() -> None:
    async def test(there: World) -> None:
        await there.openai.stop()
        try:
            error = await there.failure()
        finally:
            await there.openai.start()
        assert error.message == "OpenAI could not be reached" and error.status is None

    run(test)


@contextmanager
def full_house() -> Iterator[str]:
    """The address of a server that takes no more connections: its queue is full, and a handshake gets no answer."""
    with ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        for _ in range(FULL_HOUSE_MAX):
            waiting = sockets.enter_context(socket.socket())
            waiting.settimeout(0.2)
            try:
                waiting.connect(address)
            except TimeoutError:
                yield "http://{}:{}/v1".format(*address)
                return
        raise AssertionError("its queue never filled up")


def test_a_handshake_that_is_never_answered_is_given_up() -> None:
    """Each try after its time, so that the caller hears of it long before the network would say so."""
    patience = replace(QUICK, connect_seconds=0.2, pool_seconds=10.0)

    async def main(url: str) -> None:
        providers = await Providers.open(settings.load(environment(OPENAI_BASE_URL=url)), patience)
        try:
            started = time.monotonic()
            error = await World(OpenAIStandIn(), AnthropicStandIn(), providers).failure()
            took = time.monotonic() - started
        finally:
            await providers.close()
        assert (error.message, error.status, error.temporary) == ("OpenAI could not be reached in time", None, True)
        assert patience.tries * patience.connect_seconds * 0.9 <= took < 10

    with full_house() as url:
        asyncio.run(main(url))


def test_who_waits_too_long_for_a_free_connection_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PROVIDER_CONNECTIONS_MAX", 1)

    async def test(there: World) -> None:
        first = asyncio.create_task(there.stream(prompt="#hang_first"))
        while not there.openai.requests:
            await asyncio.sleep(0.01)
        assert (await there.failure()).message == "OpenAI could not be reached in time"
        assert len(there.openai.requests) == 1 and not first.done()
        first.cancel()
        await asyncio.wait([first])
        assert text_of(await there.stream()) == " word" * 8

    run(test, replace(QUICK, connect_seconds=0.1, pool_seconds=0.1, idle_seconds=10))


def test_a_stand_in_in_a_thread() -> None:
    with OpenAIStandIn().in_thread() as server:
        variables = environment(OPENAI_BASE_URL=f"{server.url}/v1")

        async def main() -> list[ProviderEvent]:
            providers = await Providers.open(settings.load(variables), QUICK)
            try:
                return await World(server, AnthropicStandIn(), providers).stream()
            finally:
                await providers.close()

        assert asyncio.run(main())[-1] == Finish("stop")
