"""The score of an AI model: what moves it, by how much, and what does not."""

from dataclasses import replace

import pytest

from hub.insight.scores import Figures, reliability, satisfaction, score, speed, stars

NOTHING = Figures(requests=0, broken=0, fruitless=0, answered_ms=0, waited_ms=0, timed=0, up=0, down=0)
GOOD = Figures(
    requests=1_000, broken=0, fruitless=0, answered_ms=2_500_000, waited_ms=500_000, timed=1_000, up=0, down=0
)


def test_the_formula_is_the_documented_one() -> None:
    """Half of it reliability, a quarter each satisfaction and speed."""
    known = replace(GOOD, broken=10, fruitless=20, up=30, down=10)
    assert reliability(known) == (990 + 19) / (1_020 + 20)
    assert satisfaction(known) == 37.5 / 50
    assert speed(known) == 2_000 / 2_500
    assert score(known) == pytest.approx(10 * (0.5 * 1_009 / 1_040 + 0.25 * 0.75 + 0.25 * 0.8))


def test_a_vote_and_a_failure_alone_decide_nothing() -> None:
    assert stars(NOTHING) == stars(GOOD) == 4.0
    assert stars(replace(GOOD, up=1)) == pytest.approx(4.09, abs=0.01)
    assert stars(replace(GOOD, down=1)) == pytest.approx(3.73, abs=0.01)
    assert reliability(replace(NOTHING, fruitless=1)) > 0.9
    assert abs(score(replace(GOOD, up=1)) - score(GOOD)) < 0.06


def test_many_of_them_do() -> None:
    assert stars(replace(GOOD, up=1_000)) > 4.98
    assert stars(replace(GOOD, down=1_000)) < 1.04
    assert reliability(replace(NOTHING, fruitless=1_000)) < 0.02
    assert 9 < score(replace(GOOD, up=1_000)) <= 10


@pytest.mark.parametrize(
    "worse",
    [
        replace(GOOD, fruitless=50),
        replace(GOOD, broken=50),
        replace(GOOD, down=20),
        replace(GOOD, waited_ms=900_000),
        replace(GOOD, timed=0),  # without a first token its whole answer is waited for
    ],
)
def test_failures_thumbs_down_and_waiting_lower_it(worse: Figures) -> None:
    assert 0 < score(worse) < score(GOOD) < 10


def test_times_are_those_of_answers_that_did_not_break_off() -> None:
    assert GOOD.response_ms == 2_500
    assert replace(GOOD, requests=1_010, broken=10).response_ms == 2_500
    assert (NOTHING.response_ms, NOTHING.wait_ms, speed(NOTHING)) == (0, None, 0)
    assert replace(NOTHING, requests=3, broken=3).wait_ms is None
    assert replace(NOTHING, requests=2, answered_ms=100).wait_ms == 50
