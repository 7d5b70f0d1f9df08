"""Credits in US dollars: exact, rounded down where a balance is shown and up where credits are bought."""

import random
from decimal import ROUND_DOWN, Decimal
from pathlib import Path

import pytest

from config import limits
from config.settings import SettingsError, load
from hub.usd import micro_bought, usd_number, usd_text

DOLLAR = 1_000_000  # millionths of a dollar for a credit


@pytest.mark.parametrize(
    ("micro", "rate", "text"),
    [
        (100_000_000, DOLLAR, "100.00"),
        (0, DOLLAR, "0.00"),
        (9_999, DOLLAR, "0.00"),
        (10_000, DOLLAR, "0.01"),
        (1_999_999, DOLLAR, "1.99"),
        (10**18, DOLLAR, "1000000000000.00"),
        (10_000_000, 15_000, "0.15"),
        (1, limits.CREDIT_MICRO_USD_MAX, "0.00"),
        (10, limits.CREDIT_MICRO_USD_MAX, "0.01"),
    ],
)
def test_a_balance_is_rounded_down_to_cents(micro: int, rate: int, text: str) -> None:
    assert usd_text(micro, rate) == text


def test_amounts_are_as_exact_as_a_number_can_say() -> None:
    chance = random.Random(5)
    for _ in range(2_000):
        micro, rate = chance.randrange(10**8), chance.choice((DOLLAR, 15_000, 3, 999_999))
        exact = Decimal(micro) * rate / 10**12
        assert Decimal(repr(usd_number(micro, rate))) == exact
        assert Decimal(usd_text(micro, rate)) == exact.quantize(Decimal("0.01"), ROUND_DOWN)
    assert repr(usd_number(2_000_000, DOLLAR)) == "2"


def test_who_pays_has_at_least_that_much_more() -> None:
    for rate in (DOLLAR, 30_000, 999_983, 7, limits.CREDIT_MICRO_USD_MIN, limits.CREDIT_MICRO_USD_MAX):
        for cents in (limits.TOP_UP_CENTS_MIN, 5_000, 123_457, limits.TOP_UP_CENTS_MAX):
            micro = micro_bought(cents, rate)
            assert (micro - 1) * rate < cents * 10**10 <= micro * rate
    assert micro_bought(5_000, DOLLAR) == 50_000_000


def test_the_largest_top_up_at_the_lowest_rate_is_an_amount() -> None:
    most = micro_bought(limits.TOP_UP_CENTS_MAX, limits.CREDIT_MICRO_USD_MIN)
    assert most <= limits.AMOUNT_MICRO_CREDITS_MAX


def _rate(folder: Path, text: str) -> int:
    return load({"HUB_DATA_DIR": str(folder), "HUB_CREDIT_USD": text}).credit_micro_usd


def test_a_credit_is_worth_a_dollar_unless_the_operator_says_otherwise(tmp_path: Path) -> None:
    assert load({"HUB_DATA_DIR": str(tmp_path)}).credit_micro_usd == DOLLAR
    found = [_rate(tmp_path, text) for text in ("1.0", "0.015", "2", "0.0001", "1000", "1E-4")]
    assert found == [DOLLAR, 15_000, 2 * DOLLAR, 100, 10**9, 100]


@pytest.mark.parametrize(
    "text", ["0", "-1", "x", "NaN", "Infinity", "0.00001", "1000.000001", "0.0123456", "1,5", "$1"]
)
def test_a_wrong_rate_stops_the_start(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="HUB_CREDIT_USD"):
        _rate(tmp_path, text)
