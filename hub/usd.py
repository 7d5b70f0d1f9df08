"""What credits are worth in US dollars, by the operator's rate (`HUB_CREDIT_USD`): whole numbers until they are shown.

micro-credits * rate (millionths of a dollar for a credit) = picodollars, millionths of a millionth of a dollar
"""

from typing import Final

_PICO_PER_USD: Final = 10**12
_PICO_PER_CENT: Final = 10**10


def usd_text(micro: int, rate: int) -> str:
    """A balance of at least 0 as documents show it, `100.00`: rounded down to cents, so that it can be spent."""
    assert micro >= 0, "balances are never negative"
    cents = micro * rate // _PICO_PER_CENT
    return f"{cents // 100}.{cents % 100:02}"


def usd_number(micro: int, rate: int) -> int | float:
    """An amount as a JSON number, unrounded: exact up to fifteen digits, beyond that the nearest that a float can say."""
    whole, rest = divmod(micro * rate, _PICO_PER_USD)
    return micro * rate / _PICO_PER_USD if rest else whole


def micro_bought(cents: int, rate: int) -> int:
    """The micro-credits that so many cents buy, rounded up: who pays 50 dollars has 50 dollars more."""
    return -(-cents * _PICO_PER_CENT // rate)
