"""Identifiers: a prefix that tells what it names, the time, and 64 random bits.

The time comes first so that a new document lands at the right edge of its index instead of anywhere in it.
"""

import secrets
import time


def new_id(prefix: str) -> str:
    """For example `txn_019aa5c3b2e4f1c2a7b8d9e0f1a2`: 12 hex digits of milliseconds, then 16 of chance."""
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"
