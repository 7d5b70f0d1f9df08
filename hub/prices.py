"""What an answer costs: integers of 10^-12 credit ("pico") until the one rounding, up to a micro-credit.

It knows no wallet and writes nothing; the view at the foot turns micro-credits into what documents show.
"""

from decimal import Decimal
from typing import Final

from config.catalogue import AiModel

PICO_PER_MICRO: Final = 10**6
MICRO_PER_CREDIT: Final = 10**6


def price_pico(model: AiModel, prompt_tokens: int, completion_tokens: int) -> int:
    """The exact price of an answer in 10^-12 credit; linear, so that the parts of an answer sum to the whole."""
    assert prompt_tokens >= 0 and completion_tokens >= 0, "usage is checked before it is priced"
    return prompt_tokens * model.input_price + completion_tokens * model.output_price


def to_micro(pico: int) -> int:
    """Micro-credits, rounded up: the only place where money is rounded."""
    return -(-pico // PICO_PER_MICRO)


def charge_micro(model: AiModel, prompt_tokens: int, completion_tokens: int) -> int:
    """What an answer costs in micro-credits."""
    return to_micro(price_pico(model, prompt_tokens, completion_tokens))


def tokens_affordable(model: AiModel, micro: int, prompt_tokens: int) -> int:
    """The most completion tokens whose charge, with the prompt's, is at most `micro`; 0 where the prompt takes it all."""
    left = micro * PICO_PER_MICRO - price_pico(model, prompt_tokens, 0)
    return max(0, left // model.output_price)


def credits_text(micro: int) -> str:
    """Credits in words for people: exact, without an exponent, and without zeros at the end."""
    return format((Decimal(micro) / MICRO_PER_CREDIT).normalize(), "f")


def credits_number(micro: int) -> int | float:
    """Credits as a JSON number with up to six decimals; whole amounts stay integers.

    Exact up to 10^15 micro-credits (a thousand million credits); beyond it the last decimals are the nearest float's.
    """
    whole, rest = divmod(micro, MICRO_PER_CREDIT)
    return micro / MICRO_PER_CREDIT if rest else whole
