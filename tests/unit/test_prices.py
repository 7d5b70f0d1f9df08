"""Prices: integers from the catalogue to the wallet, one rounding, error zero."""

import json
import random
from dataclasses import replace
from decimal import Decimal

import pytest

from config.catalogue import AiModel, load_catalogue
from hub.prices import charge_micro, credits_number, price_pico, to_micro, tokens_affordable

GPT_4 = load_catalogue()["gpt-4"]


def model(dice: random.Random) -> AiModel:
    return replace(GPT_4, input_price=dice.randint(1, 10**12), output_price=dice.randint(1, 10**12))


def test_random_products_have_error_zero() -> None:
    """A million: never below the exact price, never a whole micro-credit above it, and always an integer."""
    dice = random.Random(16)
    for _ in range(1_000):
        each = model(dice)
        for bits in (dice.getrandbits(40) for _ in range(1_000)):
            prompt, completion = bits >> 20, bits & 0xFFFFF
            charged = charge_micro(each, prompt, completion)
            excess = charged * 10**6 - prompt * each.input_price - completion * each.output_price
            assert type(charged) is int and 0 <= excess < 10**6


def test_the_sum_of_parts_is_the_total() -> None:
    dice = random.Random(17)
    for _ in range(2_000):
        each, parts = model(dice), [dice.randint(0, 1000) for _ in range(20)]
        assert sum(price_pico(each, 0, part) for part in parts) == price_pico(each, 0, sum(parts))


def test_rounding_is_up() -> None:
    assert [to_micro(pico) for pico in (0, 1, 10**6, 10**6 + 1)] == [0, 1, 1, 2]


def test_the_hub_documents_prices() -> None:
    assert charge_micro(GPT_4, 20, 15) == 1_500  # 0.0015 credit


def test_affordable_tokens_are_exactly_those_that_can_be_paid() -> None:
    dice = random.Random(18)
    for _ in range(20_000):
        each, micro, prompt = model(dice), dice.randint(0, 10**12), dice.randint(0, 100)
        count = tokens_affordable(each, micro, prompt)
        if count:
            assert charge_micro(each, prompt, count) <= micro
        assert charge_micro(each, prompt, count + 1) > micro


@pytest.mark.parametrize(
    ("micro", "text"),
    [(0, "0"), (12_500_000, "12.5"), (1, "1e-06"), (10_000_000, "10"), (-1_500, "-0.0015"), (100_000, "0.1")],
)
def test_credits_as_json(micro: int, text: str) -> None:
    assert json.dumps(credits_number(micro)) == text


def test_credits_survive_json() -> None:
    dice = random.Random(19)
    for _ in range(20_000):
        micro = dice.randint(0, 10**15)
        assert Decimal(json.dumps(credits_number(micro))) * 10**6 == micro
