"""Section `first_token`: what the hub adds to the time to the first word, eight at once through it.

Sixteen clients ask in turn the provider itself and the hub, half of them beginning with either, so that at any time
about eight are on each way and both ways meet the same machine. A bare relay then takes the hub's place. The provider's
own first word takes 20 ms, and its answer 100 ms more: were it shorter, the clients would ask so often that the figure
told how busy the machine is.
"""

import asyncio
import statistics
from collections.abc import Sequence

from bench.accounts import sign_up
from bench.hub_process import HubProcess, hub
from bench.load_http import Answer, HttpConnection, completion, connections, repeat
from bench.processes import provider, relay
from bench.report import Figure

AT_ONCE = 8
REPETITIONS = 3
PAIRS = 30  # of each client, in one repetition
WARM_UP_PAIRS = 5
CHUNKS = 20
INTERVAL_MS = 5.0
STAGGER_SECONDS = 0.008  # so that the clients do not start in step

Pair = tuple[float, float]  # seconds to the first word: directly, through the hub or a bare relay


async def measure() -> list[Figure]:
    async with hub() as process:
        tokens = await sign_up(process, 2 * AT_ONCE)
        async with (
            provider(process.provider_port, process.provider_log, chunks=CHUNKS, interval_ms=INTERVAL_MS),
            relay(process.provider_port, process.relay_log) as bare,
        ):
            runs = await _runs(process, tokens, process.port)
            bare_runs = await _runs(process, tokens, bare.port)
    added, bare_added = _added(runs), _added(bare_runs)
    direct_ms = [statistics.median(direct for direct, _ in run) * 1e3 for run in runs]
    return [
        Figure("directly, median", "ms", direct_ms),
        Figure("added by a bare relay, median", "ms", [statistics.median(run) for run in bare_added]),
        Figure("added by the hub, median", "ms", [statistics.median(run) for run in added], "<= 3"),
        Figure("added by the hub, p90", "ms", [statistics.quantiles(run, n=10)[-1] for run in added]),
    ]


async def _runs(process: HubProcess, tokens: Sequence[str], port: int) -> list[list[Pair]]:
    await _pairs(process, tokens, port, WARM_UP_PAIRS)
    return [await _pairs(process, tokens, port, PAIRS) for _ in range(REPETITIONS)]


def _added(runs: list[list[Pair]]) -> list[list[float]]:
    return [[(through - direct) * 1e3 for direct, through in run] for run in runs]


async def _pairs(process: HubProcess, tokens: Sequence[str], port: int, count: int) -> list[Pair]:
    async with (
        connections(port, len(tokens)) as ours,
        connections(process.provider_port, len(tokens)) as theirs,
    ):
        asking = [
            _client(number, (direct, through), token, port, count)
            for number, (direct, through, token) in enumerate(zip(theirs, ours, tokens, strict=True))
        ]
        return [pair for some in await asyncio.gather(*asking) for pair in some]


async def _client(
    number: int, ways: tuple[HttpConnection, HttpConnection], token: str, port: int, count: int
) -> list[Pair]:
    """Each way in turn; every other client begins with the hub."""
    request = completion(port, token, stream=True)
    await asyncio.sleep(number * STAGGER_SECONDS)
    pairs: list[Pair] = []
    for _ in range(count):
        order = ways if number % 2 else ways[::-1]
        seconds = [_seconds((await repeat(way, [request], 1))[0]) for way in order]
        direct, through = seconds if number % 2 else seconds[::-1]
        pairs.append((direct, through))
    return pairs


def _seconds(answer: Answer) -> float:
    assert answer.first_word_at, "an answer without a word"
    return answer.first_word_at - answer.asked_at
