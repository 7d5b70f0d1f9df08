"""Sign-up is one operation: all of it stands or nothing does. And the first administrator."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from hub import admin_seed
from hub.errors import Code, HubError
from models import wallets
from models.database import Database
from models.notifications import NOTIFICATIONS
from tests.integration.identity.parts import (
    HERE,
    PASSWORD,
    Hub,
    bearer,
    code_of,
    open_hub,
    registration,
)


@pytest.mark.gen_test
async def test_a_sign_up_makes_everything(hub: Hub) -> None:
    result = await hub.identities.register(registration(first_name="John", last_name="Doe", username="JohnDoe"))
    user = result.user
    assert "password" not in user
    assert (user["first_name"], user["username"], user["role"], user["tier"]) == ("John", "JohnDoe", "user", "free")
    wallet = await wallets.wallet(hub.database, user["_id"])
    assert wallet is not None and wallet["credits"] == hub.settings.signup_credits_micro == 10_000_000
    (entry,), _ = await wallets.entries(hub.database, user["_id"], "credit", skip=0, limit=10)
    assert (entry["kind"], entry["amount"]) == ("bonus", 10_000_000)
    notices = await hub.database[NOTIFICATIONS].find({"user": user["_id"]}, limit=10)
    assert [(notice["title"], notice["category"]) for notice in notices] == [("Welcome to Smart AI Hub", "account")]
    events = await hub.database["events"].find({}, limit=10, sort=[("offset", 1)])
    assert [event["type"] for event in events] == ["user.created", "notification.created"]
    assert (await hub.identities.resolve(bearer(result))).user_id == user["_id"]


@pytest.mark.gen_test
async def test_without_welcome_credits_there_is_no_entry(database: Database, tmp_path: Path) -> None:
    async with open_hub(database, tmp_path, environ={"HUB_SIGNUP_CREDITS": "0"}) as hub:
        user = (await hub.identities.register(registration())).user
        assert await wallets.entries(database, user["_id"], "credit", skip=0, limit=10) == ([], 0)
        wallet = await wallets.wallet(database, user["_id"])
        assert wallet is not None and wallet["credits"] == 0


@pytest.mark.gen_test
async def test_twins_collide_and_leave_nothing(hub: Hub) -> None:
    await hub.identities.register(registration("User@example.com", username="Twin"))
    for twin, field in (
        (registration("ｕser@EXAMPLE.com"), "email"),
        (registration("other@example.com", username="tWIN"), "username"),
    ):
        with pytest.raises(HubError) as caught:
            await hub.identities.register(twin)
        assert caught.value.code is Code.CONFLICT
        assert [detail.field for detail in caught.value.details] == [field]
    for collection in ("users", "wallets", "logins", "notifications", "entries"):
        assert await hub.database[collection].count({}) == 1, collection


@pytest.mark.gen_test
async def test_of_twenty_twins_at_once_one_is_made(hub: Hub) -> None:
    tries = [
        hub.identities.register(registration("User@example.com" if n % 2 else "user@EXAMPLE.com")) for n in range(20)
    ]
    codes = await asyncio.gather(*(code_of(one) for one in tries))
    assert codes.count(None) == 1
    assert codes.count(Code.CONFLICT) == 19
    assert await hub.database["users"].count({}) == await hub.database["wallets"].count({}) == 1


@pytest.mark.gen_test
async def test_users_are_numbered(hub: Hub) -> None:
    results = await asyncio.gather(*(hub.identities.register(registration(f"user{n}@example.com")) for n in range(20)))
    assert sorted(result.user["number"] for result in results) == list(range(1, 21))


@pytest.mark.gen_test
async def test_the_further_password_rule_comes_with_a_username(hub: Hub) -> None:
    weak = {"password": "lowercase"}
    assert await code_of(hub.identities.register(registration(username="johndoe", **weak))) is Code.INVALID
    assert await code_of(hub.identities.register(registration(**weak))) is None


@pytest.mark.gen_test
async def test_bad_input_is_refused_before_hashing(hub: Hub) -> None:
    bad: list[Any] = [5, ["a"], {"$gt": ""}, "\ud800", "a\0b"]
    for value in bad:
        for field in ("email", "password", "first_name", "last_name", "username"):
            assert await code_of(hub.identities.register(registration(**{field: value}))) is Code.INVALID, field
        assert await code_of(hub.identities.login(value, PASSWORD, HERE)) is Code.INVALID
    assert hub.passwords.hashes == hub.passwords.checks == 0


@pytest.mark.gen_test
async def test_only_digests_of_secrets_are_stored(hub: Hub) -> None:
    result = await hub.identities.register(registration())
    login = await hub.database["logins"].find_one({})
    user = await hub.database["users"].find_one({})
    assert login is not None and user is not None
    stored = json.dumps([login, user], default=str)
    for secret in (result.refresh_token, result.cookie or "", result.access_token, PASSWORD):
        assert secret not in stored and secret.rpartition(".")[2] not in stored
        assert secret not in repr(result)
    assert login["cookie_hash"] == hashlib.sha256((result.cookie or "").encode()).hexdigest()
    assert PASSWORD not in repr(registration())


ADMIN = {"HUB_ADMIN_EMAIL": "Admin@example.com", "HUB_ADMIN_PASSWORD": "the admin's password"}


async def _seed(hub: Hub) -> None:
    await admin_seed.seed(hub.settings, hub.database, hub.identities, hub.passwords)


@pytest.mark.gen_test
async def test_the_configured_administrator_is_made_once(database: Database, tmp_path: Path) -> None:
    async with open_hub(database, tmp_path, environ=ADMIN) as hub:
        await asyncio.gather(_seed(hub), _seed(hub))
        await _seed(hub)
        result = await hub.identities.login("admin@example.com", ADMIN["HUB_ADMIN_PASSWORD"], HERE)
        assert result.user["role"] == "admin"
        assert await database["users"].count({}) == 1


@pytest.mark.gen_test
async def test_a_stranger_at_the_administrators_address_stays_a_user(database: Database, tmp_path: Path) -> None:
    async with open_hub(database, tmp_path, environ=ADMIN) as hub:
        stranger = await hub.identities.register(registration("admin@example.com"))
        await _seed(hub)
        assert (await hub.identities.resolve(bearer(stranger))).role == "user"


@pytest.mark.gen_test
async def test_the_operator_makes_administrators_of_users(hub: Hub) -> None:
    await hub.identities.register(registration())
    await admin_seed.create_admin(hub.database, hub.identities, "user@example.com", "another password")
    assert (await hub.identities.login("user@example.com", PASSWORD, HERE)).user["role"] == "admin"
    fresh = await admin_seed.create_admin(hub.database, hub.identities, "new@example.com", "another password")
    assert fresh["role"] == "admin"
