"""The throttle: who counts as one, what is refused, and whom an attacker cannot lock out."""

import asyncio
from collections.abc import Awaitable

import pytest

from hub.counters import MemoryCounters
from hub.errors import Code, HubError
from hub.throttle import Throttle, place

PER_ACCOUNT = 10
PER_ADDRESS = 60


async def _allowed(*tries: Awaitable[None]) -> int:
    results = await asyncio.gather(*tries, return_exceptions=True)
    errors = [result for result in results if result is not None]
    assert all(isinstance(error, HubError) and error.code is Code.RATE_LIMITED for error in errors)
    assert all(isinstance(error, HubError) and 1 <= (error.retry_after_seconds or 0) <= 900 for error in errors)
    return len(results) - len(errors)


def test_one_account_from_many_addresses() -> None:
    async def work() -> None:
        throttle = Throttle(True, MemoryCounters())
        tries = [throttle.login("user@example.com", f"203.0.113.{n}") for n in range(200)]
        assert await _allowed(*tries) == PER_ACCOUNT

    asyncio.run(work())


def test_many_accounts_from_one_address() -> None:
    async def work() -> None:
        throttle = Throttle(True, MemoryCounters())
        tries = [throttle.login(f"user{n}@example.com", "203.0.113.7") for n in range(200)]
        assert await _allowed(*tries) == PER_ADDRESS

    asyncio.run(work())


def test_an_ipv6_network_is_one_place() -> None:
    async def work() -> None:
        throttle = Throttle(True, MemoryCounters())
        tries = [throttle.login(f"user{n}@example.com", f"2001:db8:1:2:{n:x}::{n:x}") for n in range(200)]
        assert await _allowed(*tries) == PER_ADDRESS

    asyncio.run(work())


def test_a_used_up_address_uses_up_no_account() -> None:
    async def work() -> None:
        throttle = Throttle(True, MemoryCounters())
        await _allowed(*(throttle.login(f"user{n}@example.com", "203.0.113.7") for n in range(PER_ADDRESS)))
        assert await _allowed(*(throttle.login("owner@example.com", "203.0.113.7") for _ in range(50))) == 0
        await throttle.login("owner@example.com", "198.51.100.1")

    asyncio.run(work())


def test_a_known_device_is_counted_by_itself() -> None:
    async def work() -> None:
        throttle = Throttle(True, MemoryCounters())
        await _allowed(*(throttle.login("owner@example.com", "203.0.113.7") for _ in range(200)))
        known = [throttle.login("owner@example.com", "203.0.113.7", "login_1") for _ in range(50)]
        assert await _allowed(*known) == PER_ACCOUNT

    asyncio.run(work())


def test_success_forgets_what_was_tried_before() -> None:
    async def work() -> None:
        throttle = Throttle(True, MemoryCounters())
        for _ in range(5):
            assert await _allowed(*(throttle.login("owner@example.com", "203.0.113.7") for _ in range(9))) == 9
            await throttle.succeeded("owner@example.com")

    asyncio.run(work())


def test_registrations_are_counted_apart() -> None:
    async def work() -> None:
        throttle = Throttle(True, MemoryCounters())
        assert await _allowed(*(throttle.registration("203.0.113.7") for _ in range(100))) == 60
        await throttle.login("owner@example.com", "203.0.113.7")

    asyncio.run(work())


def test_switched_off_it_counts_nothing() -> None:
    async def work() -> None:
        throttle = Throttle(False, MemoryCounters())
        assert await _allowed(*(throttle.login("owner@example.com", "203.0.113.7") for _ in range(200))) == 200

    asyncio.run(work())


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not an address", "not an address"),
    ],
)
def test_places(address: str, expected: str) -> None:
    assert place(address) == expected
