"""The tally: percentiles by nearest rank, within a bound of memory."""

import pytest

from config import limits
from hub.tally import Reservoir, Tally

SHARES = (0.5, 0.95, 0.99)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], [None, None, None]),
        ([7], [7, 7, 7]),
        ([2, 1], [1, 2, 2]),
        (range(1, 101), [50, 95, 99]),
        (range(200, 0, -1), [100, 190, 198]),
    ],
)
def test_percentiles_are_values_that_were_measured(values: list[float], expected: list[float | None]) -> None:
    reservoir = Reservoir()
    for value in values:
        reservoir.add(value)
    assert reservoir.percentiles(SHARES) == expected


def test_a_flood_is_chosen_from_fairly() -> None:
    reservoir = Reservoir()
    for value in range(100_000):
        reservoir.add(value)
    (middle,) = reservoir.percentiles((0.5,))
    assert middle is not None and 35_000 < middle < 65_000
    assert len(reservoir._kept) == limits.TALLY_VALUES_MAX


def test_taking_begins_anew() -> None:
    tally = Tally()
    tally.request(200, 0.1, streamed=False)
    tally.request(503, 9.0, streamed=True)
    taken = tally.take()
    assert (taken.requests, taken.errors) == (2, 1)
    assert taken.latency.percentiles((0.99,)) == [0.1]
    assert (tally.counts.requests, tally.counts.latency.percentiles((0.5,))) == (0, [None])
