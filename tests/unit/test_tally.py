"""The tally: percentiles that are nearly right and add up over nodes, within a bound of memory."""

import math
import random
import time

import orjson
import pytest

from config import limits
from hub.tally import Counts, Durations, Tally

SHARES = (0.5, 0.95, 0.99)
ERROR_MAX = 0.025
ADD_SECONDS_MAX = 3e-6  # three times what is meant


def _of(values: list[float]) -> Durations:
    durations = Durations()
    for value in values:
        durations.add(value)
    return durations


def _nearest_rank(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


@pytest.mark.parametrize(
    "values",
    [
        [7.0],
        [2.0, 1.0],
        [0.001 * number for number in range(1, 101)],
        [random.Random(1).lognormvariate(-4, 2) for _ in range(10_000)],
        [limits.DURATION_SECONDS_MIN, limits.DURATION_SECONDS_MAX],
    ],
    ids=len,
)
def test_percentiles_are_nearly_those_of_all_values(values: list[float]) -> None:
    for share, found in zip(SHARES, _of(values).percentiles(SHARES), strict=True):
        assert found == pytest.approx(_nearest_rank(values, share), rel=ERROR_MAX)


def test_each_time_there_is_comes_out_nearly_as_it_went_in() -> None:
    for number in range(20_000):
        value = limits.DURATION_SECONDS_MIN * (limits.DURATION_SECONDS_MAX / limits.DURATION_SECONDS_MIN) ** (
            number / 20_000
        )
        assert _of([value]).percentiles((0.5,)) == [pytest.approx(value, rel=ERROR_MAX)]


def test_what_is_beyond_the_ends_counts_there() -> None:
    lowest, highest = _of([-1.0, 0.0, 1e-9, 1e9]).percentiles((0.5, 1.0))
    assert lowest == pytest.approx(limits.DURATION_SECONDS_MIN, rel=ERROR_MAX)
    assert highest == pytest.approx(limits.DURATION_SECONDS_MAX, rel=ERROR_MAX)
    assert Durations().percentiles(SHARES) == [None, None, None]


def test_what_two_nodes_measured_is_as_if_one_had() -> None:
    values = [random.Random(2).lognormvariate(-3, 1) for _ in range(2_000)]
    merged = _of(values[:300])
    merged.merge(orjson.loads(orjson.dumps(_of(values[300:]).pairs())))
    assert merged.percentiles(SHARES) == _of(values).percentiles(SHARES)


def test_no_flood_takes_more_memory_than_there_are_steps() -> None:
    durations = _of([math.exp(random.Random(number).uniform(-20, 20)) for number in range(50_000)])
    durations.merge([(step, 1) for step in range(-1_000, 10_000)])
    steps = math.log(limits.DURATION_SECONDS_MAX / limits.DURATION_SECONDS_MIN) / math.log(limits.DURATION_STEP)
    assert len(durations.pairs()) == math.ceil(steps) == 320


def test_counting_costs_about_a_microsecond() -> None:
    values = [random.Random(number).lognormvariate(-4, 2) for number in range(1_000)]
    best = math.inf
    for _ in range(20):
        started = time.process_time()
        _of(values)
        best = min(best, time.process_time() - started)
    assert best / len(values) < ADD_SECONDS_MAX


def test_taking_begins_anew() -> None:
    tally = Tally()
    tally.request(200, 0.1, streamed=False)
    tally.request(503, 9.0, streamed=True)
    taken = tally.take()
    assert (taken.requests, taken.errors) == (2, 1)
    assert taken.latency.percentiles((0.99,)) == [pytest.approx(0.1, rel=ERROR_MAX)]
    assert (tally.counts.requests, tally.counts.latency.percentiles((0.5,))) == (0, [None])


def test_counts_add_up_and_what_is_not_named_is_nothing() -> None:
    one, total = Tally(), Counts()
    one.request(500, 0.2, streamed=False)
    one.counts.spent_micro, one.counts.events = 7, 3
    one.counts.first_token.add(0.05)
    for view in (one.counts.view(), one.counts.view(), {}):
        total.merge(orjson.loads(orjson.dumps(view)))
    assert (total.requests, total.errors, total.spent_micro, total.events) == (2, 2, 14, 6)
    assert total.latency.pairs() == [(step, 2) for step, _ in one.counts.latency.pairs()]
    assert total.first_token.percentiles((0.5,)) == one.counts.first_token.percentiles((0.5,))
