"""The sandbox's embeddings: a vector of length one for each text, the same each time, and no two alike. Pure."""

import hashlib
import math
import random
from collections.abc import Sequence

from hub.providers.openai_embeddings import packed


def vector(text: str | Sequence[int], dimensions: int) -> bytes:
    """Near to nothing but itself: it knows no meaning."""
    seed = text if isinstance(text, str) else repr(list(text))
    dice = random.Random(hashlib.sha256(seed.encode("utf-8", "replace")).digest())
    numbers = [dice.gauss() for _ in range(dimensions)]
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return packed(number / length for number in numbers)
