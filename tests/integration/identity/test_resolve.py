"""From a credential to who is asking: what is read, what is cached, and for how long."""

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from config import limits
from hub.errors import Code
from hub.identity import Credential
from hub.identity_cache import IdentityCache
from models.clock import now
from models.database import Database, DatabaseError
from tests.integration.identity.parts import (
    Hub,
    bearer,
    code_of,
    cookie,
    open_hub,
    registration,
)


@pytest.mark.gen_test
async def test_an_identity_is_whole(hub: Hub) -> None:
    result = await hub.identities.register(registration())
    by_token = await hub.identities.resolve(bearer(result))
    by_cookie = await hub.identities.resolve(cookie(result))
    assert (by_token.kind, by_cookie.kind) == ("token", "cookie")
    assert by_token.expires_at is not None and by_cookie.expires_at is not None
    assert by_token.expires_at < by_cookie.expires_at
    for identity in (by_token, by_cookie):
        assert (identity.role, identity.tier, identity.permissions, identity.key_id) == ("user", "free", None, None)
        assert "password" not in identity.user and identity.user["email"] == "user@example.com"


@pytest.mark.gen_test
async def test_the_service_token_is_the_service(hub: Hub) -> None:
    identity = await hub.identities.resolve(Credential("bearer", hub.settings.service_token))
    assert (identity.kind, identity.role) == ("service", "service")
    assert (
        await code_of(hub.identities.resolve(Credential("cookie", hub.settings.service_token))) is Code.UNAUTHENTICATED
    )


@pytest.mark.gen_test
async def test_what_is_no_credential_is_refused(hub: Hub) -> None:
    result = await hub.identities.register(registration())
    texts = ["", "x", "x" * 1_000_000, "\ud800", "login_1.x", "login_1.", ".", "{'$gt': ''}", result.refresh_token]
    for text in texts:
        assert await code_of(hub.identities.resolve(Credential("bearer", text))) is Code.UNAUTHENTICATED
        assert await code_of(hub.identities.resolve(Credential("cookie", text))) is Code.UNAUTHENTICATED
    assert await code_of(hub.identities.resolve(Credential("cookie", result.access_token))) is Code.UNAUTHENTICATED
    assert await code_of(hub.identities.resolve(Credential("bearer", result.cookie or ""))) is Code.UNAUTHENTICATED


@pytest.mark.gen_test
async def test_a_cached_identity_reads_nothing(database: Database, mongod_uri: str, tmp_path: Path) -> None:
    """While the server refuses every read and write, what is cached is still known, and only that."""
    own = Database(mongod_uri, database.name, app_name="cached")
    await own.open([])
    admin: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongod_uri)
    async with admin, open_hub(own, tmp_path) as hub:
        result = await hub.identities.register(registration())
        stranger = await hub.identities.register(registration("other@example.com"))
        credentials = (bearer(result), cookie(result))
        for credential in credentials:
            await hub.identities.resolve(credential)
        commands = ["find", "aggregate", "update", "insert", "findAndModify"]
        fault = {"failCommands": commands, "errorCode": 2, "appName": "cached"}
        await admin.admin.command({"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": fault})
        try:
            for credential in credentials:
                for _ in range(100):
                    await hub.identities.resolve(credential)
            with pytest.raises(DatabaseError):
                await hub.identities.resolve(bearer(stranger))
        finally:
            await admin.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    await own.close()


@pytest.mark.gen_test
async def test_a_cached_identity_lives_thirty_seconds_and_never_beyond_its_token(hub: Hub) -> None:
    identity = await hub.identities.resolve(bearer(await hub.identities.register(registration())))
    clock = {"age": 0.0, "wall": 1_000.0}
    cache = IdentityCache(monotonic=lambda: clock["age"], wall=lambda: clock["wall"])
    lasting, short = [dataclasses.replace(identity, expires_at=when) for when in (None, 1_010.0)]
    cache.put(b"lasting", lasting)
    cache.put(b"short", short)
    clock.update(age=9.9, wall=1_009.9)
    assert cache.get(b"short") is short
    clock.update(age=10.0, wall=1_010.0)
    assert cache.get(b"short") is None
    clock.update(age=limits.IDENTITY_CACHE_SECONDS - 0.1, wall=0.0)
    assert cache.get(b"lasting") is lasting
    clock.update(age=limits.IDENTITY_CACHE_SECONDS)
    assert cache.get(b"lasting") is None
    assert len(cache) == 0


@pytest.mark.gen_test
async def test_the_cache_is_bounded(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = await hub.identities.resolve(bearer(await hub.identities.register(registration())))
    monkeypatch.setattr(limits, "IDENTITY_CACHE_ENTRIES", 3)
    cache = IdentityCache()
    for n in range(10):
        cache.put(bytes([n]), dataclasses.replace(identity, user_id=f"user_{n}"))
        cache.get(bytes([0]))
    assert len(cache) == len(cache._of_user) == 3
    assert cache.get(bytes([0])) is not None, "the one in use stays"


@pytest.mark.gen_test
async def test_a_cookie_slides_once_an_hour(hub: Hub, tmp_path: Path) -> None:
    result = await hub.identities.register(registration())
    stamp = now() - timedelta(hours=2)
    change = {"last_used_at": stamp, "expires_at": stamp + timedelta(seconds=limits.LOGIN_SECONDS)}
    await hub.database["logins"].update_one({}, {"$set": change})
    await hub.identities.resolve(cookie(result))
    login = await hub.database["logins"].find_one({})
    assert login is not None and login["last_used_at"] > stamp + timedelta(hours=1)
    assert login["expires_at"] - login["last_used_at"] == timedelta(days=7)
    async with open_hub(hub.database, tmp_path) as other:
        await other.identities.resolve(cookie(result))
    assert await hub.database["logins"].find_one({}) == login, "within the hour nothing is written"
