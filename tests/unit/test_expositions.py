"""Figures of several workers as one exposition, and whose are left out."""

import asyncio
import os
import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from config import limits
from hub.metrics import Metrics
from hub.processes.expositions import Expositions


def samples(exposition: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """By name and labels, from a text in which each family is described once."""
    families = list(text_string_to_metric_families(exposition.decode()))
    assert len({family.name for family in families}) == len(families)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def busy(requests: int) -> Metrics:
    metrics = Metrics()
    metrics.watch("mood", "What may hold a brace {and a space}", lambda: float(requests))
    for _ in range(requests):
        metrics.request("smart_ai_hub", 200, 0.02)
    return metrics


def test_each_sample_says_whose_it_is(tmp_path: Path) -> None:
    one, other = busy(2), busy(3)
    other.client("one of its own")

    async def scenario() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        await Expositions(tmp_path, 7, other).write()
        return samples(await Expositions(tmp_path, 0, one).exposition())

    found = asyncio.run(scenario())
    alone = {0: samples(one.exposition()), 7: samples(other.exposition())}
    expected = {
        (name, labels | {("process", str(number))}): value
        for number, of in alone.items()
        for (name, labels), value in of.items()
    }
    assert found == expected
    assert found["hub_mood", frozenset({("process", "7")})] == 3


def test_the_dead_are_left_out_and_removed(tmp_path: Path) -> None:
    living, dead, ended = (Expositions(tmp_path, number, busy(number)) for number in range(3))

    async def scenario() -> bytes:
        for figures in (living, dead, ended):
            await figures.write()
        ended.close()
        await ended.write()
        long_ago = time.time() - limits.EXPOSITION_STALE_SECONDS - 1
        os.utime(tmp_path / "1.prom", (long_ago, long_ago))
        return await living.exposition()

    processes = {dict(labels)["process"] for _, labels in samples(asyncio.run(scenario()))}
    assert processes == {"0"}
    assert [path.name for path in tmp_path.iterdir()] == ["0.prom"]
