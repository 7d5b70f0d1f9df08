"""Section `two_processes`: completions a second on one process of the hub and on two, with the same load.

Two cores carry the hub, its database, the provider and the load generator, so that a second process finds less than a
second core free. How much each of them took of a completion is printed beside, with what all of them took of the cores and
what stayed idle: where nothing is idle any more, the rate is the machine's and not the hub's, and where ours and the idle
are less than the whole, something else ran on it.

In a last run each connection asks for all users in turn, so that both processes write the same wallets all the time.
"""

import asyncio
import os
import statistics
import sys
import time
from dataclasses import dataclass

from bench.accounts import sign_up
from bench.completions import ANSWER_TOKENS, USERS, WARM_UP, load
from bench.hub_process import HubProcess, hub
from bench.load_http import completion
from bench.processes import cpu_seconds, idle_seconds, provider
from bench.report import Figure

PROCESSES = (1, 2)
AT_ONCE = 2 * USERS  # each a user of their own; so that of two processes each has as many to commit together
REPETITIONS = 5
COMPLETIONS = 1_920  # in one repetition
TARGET = ">= 1.6"
MACHINE_REPETITIONS = 3
LOOP_SECONDS = 2.0
_LOOP = f"""
import time
end, rounds, kept = time.monotonic() + {LOOP_SECONDS}, 0, {{}}
while time.monotonic() < end:
    for number in range(1_000):
        kept[number % 97] = str(number)
    rounds += 1
print(rounds)
"""
CORES = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Run:
    """CPU milliseconds of a completion, by who used them, and how many there were a second."""

    per_second: float
    hub_ms: float
    servers_ms: float  # the database, and Redis where several processes have one
    load_ms: float  # the load generator and the provider
    idle_percent: float  # of all cores

    @property
    def busy_percent(self) -> float:
        return (self.hub_ms + self.servers_ms + self.load_ms) * self.per_second / 1e3 / CORES * 100


async def measure() -> list[Figure]:
    runs = {count: await _runs(count) for count in PROCESSES}
    one, two = (statistics.median(run.per_second for run in runs[count]) for count in PROCESSES)
    figures = [figure for count, some in runs.items() for figure in _figures(_name(count), some)]
    figures += _figures("2 processes, the same users on both", await _runs(2, shared=True))
    machine = [await _two_loops_over_one() for _ in range(MACHINE_REPETITIONS)]
    return [
        *figures,
        Figure("two processes over one", "times", [two / one], TARGET),
        Figure("the machine: two loops that share nothing, over one", "times", machine),
    ]


async def _two_loops_over_one() -> float:
    """What a second core is worth here: two processes that only compute, in memory of their own, over one of them."""
    alone = await _loop()
    return sum(await asyncio.gather(_loop(), _loop())) / alone


async def _loop() -> int:
    """Rounds of a busy Python process in `LOOP_SECONDS`."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _LOOP, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    return int(printed)


async def _runs(count: int, shared: bool = False) -> list[Run]:
    async with hub(HUB_PROCESSES=str(count)) as process:
        tokens = await sign_up(process, AT_ONCE)
        each = [completion(process.port, token, stream=False) for token in tokens]
        requests = each if not shared else _in_turn(each)
        async with provider(process.provider_port, process.provider_log, chunks=ANSWER_TOKENS) as provider_pid:
            await load(process.port, requests, AT_ONCE, WARM_UP)
            return [await _run(process, requests, provider_pid) for _ in range(REPETITIONS)]


def _in_turn(each: list[bytes]) -> list[bytes]:
    """Dealt out to as many connections, each gets others every time."""
    return [each[(number + turn) % len(each)] for turn in range(len(each)) for number in range(len(each))]


async def _run(process: HubProcess, requests: list[bytes], provider_pid: int) -> Run:
    others, idle = [os.getpid(), provider_pid], idle_seconds()
    before, load_before, started = process.used(), cpu_seconds(others), time.perf_counter()
    done = await load(process.port, requests, AT_ONCE, COMPLETIONS)
    seconds, cost = time.perf_counter() - started, process.since(before)
    load_ms = (cpu_seconds(others) - load_before) / done * 1e3
    idle_percent = (idle_seconds() - idle) / seconds / CORES * 100
    return Run(done / seconds, cost.hub / done * 1e3, cost.servers / done * 1e3, load_ms, idle_percent)


def _name(count: int) -> str:
    return "one process" if count == 1 else f"{count} processes"


def _figures(who: str, runs: list[Run]) -> list[Figure]:
    return [
        Figure(f"{who}: completions, {AT_ONCE} at once", "a second", [run.per_second for run in runs]),
        Figure(f"{who}: hub CPU a completion", "ms", [run.hub_ms for run in runs]),
        Figure(f"{who}: database and Redis, CPU a completion", "ms", [run.servers_ms for run in runs]),
        Figure(f"{who}: load generator and provider, CPU a completion", "ms", [run.load_ms for run in runs]),
        Figure(f"{who}: what all of these took of the cores", "%", [run.busy_percent for run in runs]),
        Figure(f"{who}: what stayed idle of the cores", "%", [run.idle_percent for run in runs]),
    ]
