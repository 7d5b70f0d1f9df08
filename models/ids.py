"""Identifiers: a prefix that tells what it names, the time, and 64 random bits.

The time comes first so that a new document lands at the right edge of its index instead of anywhere in it. An identifier
is no secret: who may see what it names is checked wherever it is used. Secrets come from the `secrets` module.
"""

import random
import time

_random = random.Random()  # seeded by the operating system; asking that for each id cost a system call, six a request
_last = (0, 0)  # milliseconds and random part of the newest id


def new_id(prefix: str) -> str:
    """For example `txn_019aa5c3b2e4f1c2a7b8d9e0f1a2`: 12 hex digits of milliseconds, then 16 of chance.

    Ids of one process ascend: within a millisecond, or when the clock steps back, by a random step from the last one.
    """
    global _last
    milliseconds, chance = time.time_ns() // 1_000_000, _random.getrandbits(63)
    if milliseconds <= _last[0]:
        milliseconds, chance = _last[0], _last[1] + _random.getrandbits(32) + 1
    _last = (milliseconds, chance)
    return f"{prefix}_{milliseconds:012x}{chance:016x}"


def new_epoch() -> str:
    """Names one life of a log whose offsets begin at zero: 12 hex digits of chance."""
    return f"{_random.getrandbits(48):012x}"
