"""Section `memory`: what an idle hub keeps resident, fresh and after its first two hundred completions."""

from bench.accounts import sign_up
from bench.completions import ANSWER_TOKENS, load
from bench.hub_process import hub
from bench.load_http import completion
from bench.processes import provider
from bench.report import Figure

REPETITIONS = 3
COMPLETIONS = 200
AT_ONCE = 8


async def measure() -> list[Figure]:
    runs = [await _run() for _ in range(REPETITIONS)]
    return [
        Figure("idle after its start", "MB", [fresh for fresh, _ in runs], "<= 150"),
        Figure(f"after {COMPLETIONS} completions", "MB", [used for _, used in runs], "<= 150"),
    ]


async def _run() -> tuple[float, float]:
    """Resident megabytes of 10^6 bytes of all the hub's processes, without the database's."""
    async with hub() as process:
        fresh = process.resident_kib()
        requests = [completion(process.port, token, stream=False) for token in await sign_up(process, AT_ONCE)]
        async with provider(process.provider_port, process.provider_log, chunks=ANSWER_TOKENS):
            await load(process.port, requests, AT_ONCE, COMPLETIONS)
            return fresh * 1_024 / 1e6, process.resident_kib() * 1_024 / 1e6
