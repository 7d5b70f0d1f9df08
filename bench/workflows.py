"""Section `workflows`: what a step of an execution costs, written down under its claim before the next one begins.

Twenty users execute a chain of ten nodes each, again and again: once of `transform`, which ask nobody, and once of
`ai_call`, each of which is a completion with its hold, its settlement and its message. The same executions of one node
are made beside them, so that a step is what nine more of them cost.
"""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import orjson

from bench.accounts import SETTLE_SECONDS, sign_up
from bench.hub_process import DATABASE, Cost, HubProcess, hub
from bench.load_http import HttpConnection, ask, connections, request
from bench.processes import provider
from bench.report import Figure
from models.database import Database, Document
from models.executions import EXECUTIONS

USERS = 20
ROUNDS = 5  # executions of each user, one after the other, in one repetition
REPETITIONS = 3
NODES = 10
ANSWER_TOKENS = 40
POLL_SECONDS = 0.02
ENDED_SECONDS_MAX = 60.0
CONFIGS: dict[str, Document] = {
    "transform": {"set": {"said": "{{number}}"}},
    "ai_call": {"model": "gpt-4o-mini", "prompt": "Count {{number}}", "max_tokens": ANSWER_TOKENS},
}


async def measure() -> list[Figure]:
    async with hub() as process:
        tokens = await sign_up(process, USERS)
        await asyncio.sleep(SETTLE_SECONDS)
        async with (
            provider(process.provider_port, process.provider_log, chunks=ANSWER_TOKENS),
            connections(process.port, USERS) as opened,
        ):
            figures: list[Figure] = []
            for kind in CONFIGS:
                figures += await _figures(process, opened, tokens, kind)
            return figures


async def _figures(
    process: HubProcess, opened: Sequence[HttpConnection], tokens: Sequence[str], kind: str
) -> list[Figure]:
    hub_ms: list[float] = []
    mongod_ms: list[float] = []
    short, long = [await _workflows(process.port, opened, tokens, kind, count) for count in (1, NODES)]
    for _ in range(REPETITIONS):
        alone = await _executions(process, opened, short)
        whole = await _executions(process, opened, long)
        steps = USERS * ROUNDS * (NODES - 1)
        hub_ms.append((whole.hub - alone.hub) / steps * 1e3)
        mongod_ms.append((whole.servers - alone.servers) / steps * 1e3)
    return [
        Figure(f"a step, {kind}: the hub", "ms", hub_ms),
        Figure(f"a step, {kind}: mongod", "ms", mongod_ms),
    ]


async def _workflows(
    port: int, opened: Sequence[HttpConnection], tokens: Sequence[str], kind: str, count: int
) -> list[bytes]:
    """A request for each user that executes a workflow of so many nodes."""
    nodes = [{"id": f"n{number}", "type": kind, "config": CONFIGS[kind]} for number in range(count)]
    edges = [{"from": one, "to": other} for one, other in pairwise(["trigger", *(str(node["id"]) for node in nodes)])]
    definition = {"trigger": {"type": "manual", "config": {}}, "nodes": nodes, "edges": edges}
    body = {"name": f"{count} of {kind}", "definition": definition, "spend_cap": 10_000}
    requests = []
    for connection, token in zip(opened, tokens, strict=True):
        made = await ask(connection, request(port, token, "POST", "/api/workflows", body), 201)
        path = f"/api/workflows/{orjson.loads(made.body)['id']}/execute"
        requests.append(request(port, token, "POST", path, {"input": {"data": {"number": 5}}}))
    return requests


async def _executions(process: HubProcess, opened: Sequence[HttpConnection], requests: Sequence[bytes]) -> Cost:
    """Have each workflow executed so often; what that cost until the last one has ended."""
    database = Database(process.mongodb_uri, DATABASE)
    await database.open([])
    try:
        before = process.used()
        for _ in range(ROUNDS):
            await asyncio.gather(*(ask(*each, 200) for each in zip(opened, requests, strict=True)))
            await _ended(database)
        return process.since(before)
    finally:
        await database.close()


async def _ended(database: Database) -> None:
    """Until none runs any more; all must have been completed."""
    async with asyncio.timeout(ENDED_SECONDS_MAX):
        while await database[EXECUTIONS].find_one({"status": "running"}):
            await asyncio.sleep(POLL_SECONDS)
    if failed := await database[EXECUTIONS].find_one({"status": {"$ne": "completed"}}):
        raise SystemExit(f"an execution ended as {failed['status']}: {failed.get('error')}")
