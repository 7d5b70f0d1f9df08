"""Sign-in and refresh: what they cost, what they tell, and what kills a login."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.errors import Code, HubError
from hub.identity import LoginResult
from models.clock import now
from models.database import Database
from tests.integration.identity.parts import (
    HERE,
    PASSWORD,
    Hub,
    bearer,
    code_of,
    cookie,
    open_hub,
    registration,
)


@pytest.mark.gen_test
async def test_a_login_is_a_new_one_each_time(hub: Hub) -> None:
    first = await hub.identities.register(registration())
    second = await hub.identities.login("USER@example.com", PASSWORD, HERE)
    assert first.user["_id"] == second.user["_id"]
    ids = {(await hub.identities.resolve(of(one))).login_id for one in (first, second) for of in (bearer, cookie)}
    assert len(ids) == 2


@pytest.mark.gen_test
async def test_known_and_unknown_users_cost_one_check_and_one_answer(hub: Hub) -> None:
    await hub.identities.register(registration())
    answers = []
    for email in ("user@example.com", "nobody@example.com"):
        before = hub.passwords.checks
        with pytest.raises(HubError) as caught:
            await hub.identities.login(email, "a wrong password", HERE)
        answers.append((caught.value.code, caught.value.message, caught.value.details))
        assert hub.passwords.checks == before + 1
    assert answers[0] == answers[1]
    assert answers[0][0] is Code.BAD_CREDENTIALS


@pytest.mark.gen_test
async def test_a_taken_address_costs_the_same_hash(hub: Hub) -> None:
    await hub.identities.register(registration())
    before = hub.passwords.hashes
    assert await code_of(hub.identities.register(registration())) is Code.CONFLICT
    assert hub.passwords.hashes == before + 1


@pytest.mark.gen_test
async def test_brute_force_ends_at_ten_and_the_owners_device_stays(hub: Hub) -> None:
    """One account, 200 tries from ever new addresses in ever new spellings."""
    owner = await hub.identities.register(registration())
    before = hub.passwords.checks
    spellings = ("user@example.com", "USER@example.com", "ｕser@example.com")
    codes = []
    for n in range(200):
        codes.append(await code_of(hub.identities.login(spellings[n % 3], f"guess number {n}", f"198.51.100.{n}")))
    assert hub.passwords.checks - before == codes.count(Code.BAD_CREDENTIALS) == 10
    assert codes.count(Code.RATE_LIMITED) == 190
    assert await code_of(hub.identities.login("user@example.com", PASSWORD, HERE)) is Code.RATE_LIMITED
    assert await code_of(hub.identities.login("user@example.com", PASSWORD, HERE, cookie(owner))) is None


@pytest.mark.gen_test
async def test_another_accounts_device_opens_no_door(hub: Hub) -> None:
    await hub.identities.register(registration("victim@example.com"))
    attacker = await hub.identities.register(registration("attacker@example.com"))
    codes = [
        await code_of(hub.identities.login("victim@example.com", f"guess number {n}", HERE, cookie(attacker)))
        for n in range(15)
    ]
    assert codes == [Code.BAD_CREDENTIALS] * 10 + [Code.RATE_LIMITED] * 5


@pytest.mark.gen_test
async def test_a_flood_of_logins_is_bounded(database: Database, tmp_path: Path) -> None:
    """E11, small: what cannot wait is told so, the rest is answered."""
    async with open_hub(database, tmp_path, environ={"HUB_RATE_LIMITS": "off"}) as hub:
        await hub.identities.register(registration())
        tries = [hub.identities.login("user@example.com", "a wrong password", HERE) for _ in range(200)]
        codes = await asyncio.gather(*(code_of(one) for one in tries))
        assert set(codes) <= {Code.BAD_CREDENTIALS, Code.UNAVAILABLE}
        assert codes.count(Code.BAD_CREDENTIALS) == hub.passwords.checks
        assert await code_of(hub.identities.login("user@example.com", PASSWORD, HERE)) is None


@pytest.mark.gen_test
async def test_a_refresh_gives_a_new_pair_of_the_same_login(hub: Hub) -> None:
    first = await hub.identities.register(registration())
    second = await hub.identities.refresh(first.refresh_token)
    assert second.refresh_token != first.refresh_token
    one, other = [await hub.identities.resolve(bearer(result)) for result in (first, second)]
    assert one.login_id == other.login_id
    assert (await hub.identities.refresh(second.refresh_token)).cookie is None


@pytest.mark.gen_test
async def test_a_used_refresh_token_kills_the_family(hub: Hub) -> None:
    first = await hub.identities.register(registration())
    second = await hub.identities.refresh(first.refresh_token)
    third = await hub.identities.refresh(second.refresh_token)
    await hub.identities.resolve(bearer(third))
    assert await code_of(hub.identities.refresh(first.refresh_token)) is Code.UNAUTHENTICATED
    assert await code_of(hub.identities.refresh(third.refresh_token)) is Code.UNAUTHENTICATED
    for credential in (bearer(first), bearer(third), cookie(first)):
        assert await code_of(hub.identities.resolve(credential)) is Code.UNAUTHENTICATED


@pytest.mark.gen_test
async def test_of_twenty_uses_at_once_one_gives_a_pair_that_lives(hub: Hub) -> None:
    first = await hub.identities.register(registration())
    results = await asyncio.gather(
        *(hub.identities.refresh(first.refresh_token) for _ in range(20)), return_exceptions=True
    )
    pairs = [result for result in results if isinstance(result, LoginResult)]
    refused = [result for result in results if isinstance(result, HubError)]
    assert len(pairs) == 1 and len(refused) == 19
    assert {error.code for error in refused} == {Code.UNAUTHENTICATED}
    assert await code_of(hub.identities.resolve(bearer(pairs[0]))) is None
    assert await code_of(hub.identities.refresh(first.refresh_token)) is Code.UNAUTHENTICATED
    assert await code_of(hub.identities.refresh(pairs[0].refresh_token)) is Code.UNAUTHENTICATED, "reuse killed it"


@pytest.mark.gen_test
async def test_on_two_nodes_too_one_use_gives_a_pair(hub: Hub, tmp_path: Path) -> None:
    async with open_hub(hub.database, tmp_path) as other:
        first = await hub.identities.register(registration())
        nodes = [hub, other] * 10
        codes = await asyncio.gather(*(code_of(node.identities.refresh(first.refresh_token)) for node in nodes))
        assert codes.count(None) == 1


@pytest.mark.gen_test
async def test_a_wrong_refresh_token_is_refused(hub: Hub) -> None:
    first = await hub.identities.register(registration())
    bad: list[Any] = ["", "x", "login_1", "login_1.x", "x" * 10_000, "login_1.\ud800", None, {"$gt": ""}]
    for token in bad:
        assert await code_of(hub.identities.refresh(token)) is Code.UNAUTHENTICATED
    guessed = first.refresh_token[:-1] + ("A" if first.refresh_token[-1] != "A" else "B")
    for other in (guessed, first.cookie, first.access_token):
        assert await code_of(hub.identities.refresh(other or "")) is Code.UNAUTHENTICATED
    assert await code_of(hub.identities.refresh(first.refresh_token)) is None, "a wrong one kills nothing"


@pytest.mark.gen_test
async def test_an_expired_login_is_over_before_the_database_removes_it(hub: Hub) -> None:
    result = await hub.identities.register(registration())
    await hub.database["logins"].update_one({}, {"$set": {"expires_at": now() - timedelta(seconds=1)}})
    assert await code_of(hub.identities.refresh(result.refresh_token)) is Code.UNAUTHENTICATED
    assert await code_of(hub.identities.resolve(bearer(result))) is Code.UNAUTHENTICATED
    assert await code_of(hub.identities.resolve(cookie(result))) is Code.UNAUTHENTICATED
