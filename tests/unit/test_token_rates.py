"""Tokens a minute of an API key: what is counted when a completion begins, and what comes back at its end."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from config.catalogue import load_catalogue
from config.plans import Limit
from hub.chat_records import Job
from hub.counters import MemoryCounters
from hub.errors import Code, HubError
from hub.identity_cache import Identity, KeyLimits
from hub.providers.base import Usage
from hub.streams import Outcome, Stream
from hub.token_rates import TokenRates
from models.ids import new_id

LIMIT = Limit(1_000, 60)
MODEL = load_catalogue()["gpt-4"]


def new_job(prompt_tokens: int = 10, max_tokens: int = 400, choices: int = 1) -> Job:
    stream = Stream(new_id("stream"), "user_1", MODEL.id, None, new_id("msg"), credential="key_1")
    job = Job(
        stream, MODEL, [], prompt_tokens, max_tokens, {}, True, "ai_aggregator", "/v1/chat/completions", [], False, None
    )
    job.choices, job.tokens_per_minute = choices, LIMIT.amount
    return job


def end(job: Job, prompt_tokens: int, completion_tokens: int) -> None:
    job.stream.admitted = True
    job.stream.outcome = Outcome("stop", Usage(prompt_tokens, completion_tokens), "counted", None)


@asynccontextmanager
async def counting() -> AsyncIterator[tuple[TokenRates, MemoryCounters]]:
    counters = MemoryCounters()
    yield TokenRates(True, counters), counters


@pytest.mark.parametrize(
    ("choices", "asked", "granted", "reserved"), [(1, 400, 400, 410), (1, 5_000, 990, 1_000), (3, 5_000, 330, 1_000)]
)
def test_the_longest_answer_is_counted_until_it_has_ended(
    choices: int, asked: int, granted: int, reserved: int
) -> None:
    async def work() -> None:
        async with counting() as (rates, counters):
            job = new_job(max_tokens=asked, choices=choices)
            async with rates.counted(job):
                assert (job.max_tokens, counters.used("key_1", LIMIT)) == (granted, reserved)
                end(job, 12, 30)
            assert counters.used("key_1", LIMIT) == 42, "by the usage that is charged, whatever was counted before"

    asyncio.run(work())


@pytest.mark.parametrize(
    ("used", "max_tokens", "fits"), [(734, 400, True), (735, 400, False), (970, 20, True), (971, 20, False)]
)
def test_a_prompt_and_a_first_piece_have_to_fit(used: int, max_tokens: int, fits: bool) -> None:
    async def work() -> None:
        async with counting() as (rates, counters):
            counters.put("key_1", LIMIT, used, time.time() + 30)
            job = new_job(max_tokens=max_tokens)
            if fits:
                async with rates.counted(job):
                    assert job.max_tokens == LIMIT.amount - used - job.prompt_tokens
                return
            with pytest.raises(HubError) as refused:
                async with rates.counted(job):
                    pass
            assert refused.value.code is Code.RATE_LIMITED and 29 <= (refused.value.retry_after_seconds or 0) <= 31
            assert counters.used("key_1", LIMIT) == used

    asyncio.run(work())


def test_what_was_counted_beforehand_comes_back_where_it_fails() -> None:
    async def work() -> None:
        async with counting() as (rates, counters):
            of_key = KeyLimits(None, None, None, None, LIMIT.amount)
            key = Identity("user_1", "user", "free", "key", None, "key_1", None, None, {}, of_key)
            async with rates.spent(key, 400):
                pass
            with pytest.raises(HubError, match="away"):
                async with rates.spent(key, 500):
                    assert counters.used("key_1", LIMIT) == 900
                    raise HubError(Code.PROVIDER_FAILED, "away")
            assert counters.used("key_1", LIMIT) == 400

    asyncio.run(work())


@pytest.mark.parametrize(("admitted", "left"), [(False, 0), (True, 410)])
def test_what_never_began_comes_back_and_what_nobody_knows_the_end_of_does_not(admitted: bool, left: int) -> None:
    async def work() -> None:
        async with counting() as (rates, counters):
            job = new_job()
            with pytest.raises(RuntimeError):
                async with rates.counted(job):
                    job.stream.admitted = admitted
                    raise RuntimeError
            assert counters.used("key_1", LIMIT) == left

    asyncio.run(work())


def test_nothing_comes_back_to_a_later_minute() -> None:
    async def work() -> None:
        async with counting() as (rates, counters):
            job = new_job()
            async with rates.counted(job):
                end(job, 10, 1)
                counters.put("key_1", LIMIT, 500, time.time() + 90)
            assert (await counters.hit("key_1", LIMIT, 0))[0] == 500

    asyncio.run(work())


def test_without_a_limit_nothing_is_counted() -> None:
    async def work() -> None:
        async with counting() as (rates, counters):
            job = new_job(max_tokens=5_000)
            job.tokens_per_minute = None
            async with rates.counted(job):
                assert (job.max_tokens, counters.used("key_1", LIMIT)) == (5_000, 0)
        switched_off = new_job(max_tokens=5_000)
        async with TokenRates(False, MemoryCounters()).counted(switched_off):
            assert switched_off.max_tokens == 5_000

    asyncio.run(work())
