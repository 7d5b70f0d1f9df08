"""Section `completions`: the CPU of a whole completion, not streamed, with billing, storage and rate limits on.

Sixty-four users take turns, so that wallets do not stand in each other's way more than they would in life. A bare relay
answers the same requests in the same run: how many times its CPU a completion takes does not depend on the machine.
"""

import asyncio
import time

from bench.accounts import sign_up
from bench.hub_process import HubProcess, hub
from bench.load_http import completion, connections, repeat
from bench.processes import BareRelay, provider, relay
from bench.report import Figure, ratios

USERS = 64
REPETITIONS = 3
WARM_UP = 200  # completions
COMPLETIONS = {1: 100, 8: 480, 64: 1_920}  # at once -> in one repetition
ANSWER_TOKENS = 40
TARGETS = {64: "<= 1.3, aim 0.7"}
TARGET_TIMES = {64: "<= 3.0"}  # 1.3 ms where a bare relay took 0.44


async def measure() -> list[Figure]:
    async with hub() as process:
        tokens = await sign_up(process, USERS)
        requests = [completion(process.port, token, stream=False) for token in tokens]
        async with (
            provider(process.provider_port, process.provider_log, chunks=ANSWER_TOKENS),
            relay(process.provider_port, process.relay_log) as bare,
        ):
            for port in (process.port, bare.port):
                await load(port, requests, USERS, WARM_UP)
            figures: list[Figure] = []
            for at_once, count in COMPLETIONS.items():
                figures += await _figures(process, bare, requests, at_once, count)
            return figures


async def _figures(
    process: HubProcess, bare: BareRelay, requests: list[bytes], at_once: int, count: int
) -> list[Figure]:
    hub_ms: list[float] = []
    bare_ms: list[float] = []
    mongod_ms: list[float] = []
    rates: list[float] = []
    for _ in range(REPETITIONS):
        before, started = process.used(), time.perf_counter()
        done = await load(process.port, requests, at_once, count)
        seconds, cost = time.perf_counter() - started, process.since(before)
        bare_ms.append(await _bare_ms(bare, requests, at_once, count))
        hub_ms.append(cost.hub / done * 1e3)
        mongod_ms.append(cost.servers / done * 1e3)
        rates.append(done / seconds)
    who = f"{at_once} at once"
    return [
        Figure(f"hub CPU a completion, {who}", "ms", hub_ms, TARGETS.get(at_once, "")),
        Figure(f"a bare relay's CPU, {who}", "ms", bare_ms),
        Figure(f"hub CPU over a bare relay's, {who}", "times", ratios(hub_ms, bare_ms), TARGET_TIMES.get(at_once, "")),
        Figure(f"mongod CPU a completion, {who}", "ms", mongod_ms),
        Figure(f"completions, {who}", "a second", rates),
    ]


async def _bare_ms(bare: BareRelay, requests: list[bytes], at_once: int, count: int) -> float:
    before = bare.cpu_seconds()
    done = await load(bare.port, requests, at_once, count)
    return (bare.cpu_seconds() - before) / done * 1e3


async def load(port: int, requests: list[bytes], at_once: int, count: int) -> int:
    """Ask for `count` completions over `at_once` connections, each with users of its own; how many were answered."""
    async with connections(port, at_once) as opened:
        asking = [
            repeat(connection, requests[number::at_once], count // at_once) for number, connection in enumerate(opened)
        ]
        return sum(len(answers) for answers in await asyncio.gather(*asking))
