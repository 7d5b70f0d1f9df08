"""Passwords: every byte counts, unknown users cost the same, and a flood is bounded."""

import asyncio
import threading
import time
import unicodedata
from collections.abc import Awaitable, Callable

import bcrypt
import pytest

from config import limits
from hub.errors import Code, HubError
from hub.passwords import BCRYPT_COST, Passwords, check_composition, check_form

SECRET = "a secret of the tests that is long enough to be one"
FAST = 4  # bcrypt's smallest cost


def _run(work: Callable[[Passwords], Awaitable[None]]) -> None:
    async def job() -> None:
        passwords = Passwords(SECRET, cost=FAST)
        try:
            await work(passwords)
        finally:
            await passwords.close()

    asyncio.run(job())


LONG = [
    "비밀번호" * 16,  # 64 characters, 192 bytes
    "x" * 72,
    "x" * 73,
    "x" * 1_024,
    "nul\0inside and after",
    "\U0001f511" * 256,
]


@pytest.mark.parametrize("password", LONG, ids=lambda password: f"{len(password.encode())}-bytes")
def test_a_long_password_is_distinct_to_its_last_byte(password: str) -> None:
    async def work(passwords: Passwords) -> None:
        hashed = await passwords.hash(password)
        assert await passwords.verify(password, hashed)
        assert not await passwords.verify(password[:-1] + "?", hashed)
        assert not await passwords.verify(password[:-1], hashed)

    _run(work)


def test_what_follows_a_nul_counts() -> None:
    async def work(passwords: Passwords) -> None:
        hashed = await passwords.hash("same head\0one")
        assert not await passwords.verify("same head\0two", hashed)

    _run(work)


def test_composed_and_decomposed_letters_are_the_same_password() -> None:
    async def work(passwords: Passwords) -> None:
        hashed = await passwords.hash(unicodedata.normalize("NFC", "pässwörd é"))
        assert await passwords.verify(unicodedata.normalize("NFD", "pässwörd é"), hashed)

    _run(work)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "seven77",
        "x" * 1_025,
        "é" * 513,
        "x" * 10_000_000,
        "long enough \ud800",
        None,
        12345678,
        ["password"],
        {"$gt": ""},
    ],
    ids=["empty", "7", "1025-bytes", "1026-bytes", "10MB", "surrogate", "null", "number", "list", "operator"],
)
def test_a_password_of_another_form_is_refused_before_hashing(password: str) -> None:
    async def work(passwords: Passwords) -> None:
        started = time.thread_time()
        with pytest.raises(HubError) as caught:
            await passwords.hash(password)
        assert time.thread_time() - started < 0.1
        assert caught.value.code is Code.INVALID
        assert caught.value.details[0].field == "password"
        assert caught.value.details[0].value is None, "a password is never sent back"
        assert passwords.hashes == 0

    _run(work)


def test_an_overlong_password_is_not_checked_either() -> None:
    async def work(passwords: Passwords) -> None:
        with pytest.raises(HubError) as caught:
            await passwords.verify("x" * 10_000_000, None)
        assert caught.value.code is Code.INVALID
        assert passwords.checks == 0

    _run(work)


def test_an_unknown_user_costs_one_check_of_equal_cost() -> None:
    async def work(passwords: Passwords) -> None:
        hashed = await passwords.hash("the right password")
        assert not await passwords.verify("a wrong password", hashed)
        assert passwords.checks == 1
        assert not await passwords.verify("a wrong password", None)
        assert passwords.checks == 2
        assert hashed.startswith(passwords._nobody.decode()[:7]), "the same algorithm and cost"

    _run(work)


def test_the_dummy_hash_makes_bcrypt_do_its_work() -> None:
    """A hash that bcrypt refuses to parse would be answered at once, and tell."""
    nobody = Passwords(SECRET, cost=FAST)._nobody
    assert not bcrypt.checkpw(b"anything", nobody)
    assert bcrypt.hashpw(b"anything", nobody)[:29] == nobody[:29]


def test_the_default_cost_is_twelve() -> None:
    assert BCRYPT_COST == 12
    assert Passwords(SECRET)._nobody.startswith(b"$2b$12$")


def test_a_hash_is_worthless_without_the_pepper() -> None:
    async def work(passwords: Passwords) -> None:
        hashed = await passwords.hash("correct horse")
        other = Passwords(SECRET + "!", cost=FAST)
        assert not await other.verify("correct horse", hashed)
        await other.close()

    _run(work)


def test_two_hash_at_once_fifty_wait_and_the_rest_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threads are held until all 200 have asked, so that nothing depends on how fast they are."""
    go = threading.Event()
    running: list[int] = []
    most: list[int] = []
    real = bcrypt.checkpw

    def held(password: bytes, hashed: bytes) -> bool:
        running.append(1)
        most.append(len(running))
        go.wait(10)
        running.pop()
        return real(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", held)

    async def work(passwords: Passwords) -> None:
        tries = [asyncio.create_task(passwords.verify("a password", None)) for _ in range(200)]
        refused = 200 - limits.PASSWORD_HASHES_AT_ONCE - limits.PASSWORD_HASH_QUEUE_MAX
        while sum(task.done() for task in tries) < refused:
            await asyncio.sleep(0)
        go.set()
        results = await asyncio.gather(*tries, return_exceptions=True)
        errors = [result for result in results if isinstance(result, HubError)]
        assert len(errors) == refused
        assert all(error.code is Code.UNAVAILABLE and error.retry_after_seconds for error in errors)
        assert results.count(False) == 200 - refused
        assert max(most) <= limits.PASSWORD_HASHES_AT_ONCE

    _run(work)


def test_a_caller_who_leaves_frees_the_place_and_the_slot() -> None:
    async def work(passwords: Passwords) -> None:
        tries = [asyncio.create_task(passwords.verify("a password", None)) for _ in range(40)]
        await asyncio.sleep(0)
        for task in tries:
            task.cancel()
        await asyncio.gather(*tries, return_exceptions=True)
        assert passwords._waiting == 0
        hashed = await asyncio.wait_for(passwords.hash("still works"), 5)
        assert await passwords.verify("still works", hashed)

    _run(work)


def test_the_playgrounds_composition() -> None:
    check_composition("Secure1pass")
    for password in ("secure1pass", "SECURE1PASS", "SecurePass"):
        with pytest.raises(HubError):
            check_composition(password)


def test_eight_characters_are_enough() -> None:
    assert check_form("12345678") == "12345678"
    assert check_form("비밀번호비밀번호") == "비밀번호비밀번호"
