"""Revocation reaches every node, whatever the broker loses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from config import limits
from hub.errors import Code
from hub.identity import Credential
from hub.realtime.broker import REVOCATIONS, Publication
from models import logins, revocations, users
from models.clock import now
from models.database import Database, DatabaseError
from tests.integration.identity.parts import (
    HERE,
    PASSWORD,
    Hub,
    LostBroker,
    bearer,
    code_of,
    cookie,
    open_hub,
    put_out,
    registration,
)
from tests.patience import until, within


@pytest.mark.gen_test
async def test_logout_ends_the_login_at_once_and_tells(hub: Hub) -> None:
    heard: list[Publication] = []
    hub.broker.subscribe(REVOCATIONS, lambda _, publication: heard.append(publication))
    result = await hub.identities.register(registration())
    other = await hub.identities.login("user@example.com", PASSWORD, HERE)
    identity = await hub.identities.resolve(bearer(result))
    await hub.identities.resolve(cookie(result))
    await hub.identities.logout(identity)
    assert await code_of(hub.identities.resolve(bearer(result))) is Code.UNAUTHENTICATED
    assert await code_of(hub.identities.resolve(cookie(result))) is Code.UNAUTHENTICATED
    assert await code_of(hub.identities.refresh(result.refresh_token)) is Code.UNAUTHENTICATED
    assert await code_of(hub.identities.resolve(bearer(other))) is None, "another visit goes on"
    (signal,) = heard
    assert (signal.kind, signal.type) == ("signal", "revoked")
    assert signal.data["user"] == identity.user_id and signal.data["login"] == identity.login_id
    assert signal.data["reason"] == "logout"


@pytest.mark.gen_test
async def test_a_suspended_user_is_refused(hub: Hub) -> None:
    result = await hub.identities.register(registration())
    await hub.identities.resolve(bearer(result))
    await hub.identities.change_user(result.user["_id"], {"status": "suspended"})
    assert await code_of(hub.identities.resolve(bearer(result))) is Code.UNAUTHENTICATED
    assert await code_of(hub.identities.refresh(result.refresh_token)) is Code.UNAUTHENTICATED
    assert await code_of(hub.identities.login("user@example.com", PASSWORD, HERE)) is Code.FORBIDDEN
    assert await code_of(hub.identities.login("user@example.com", "a wrong one", HERE)) is Code.BAD_CREDENTIALS


@asynccontextmanager
async def _following(hub: Hub) -> AsyncIterator[asyncio.Task[None]]:
    task = hub.tasks.start(hub.identities.follow(), "revocations")
    await until(hub.identities.revocations.following.is_set)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _refused(hub: Hub, credential: Credential) -> None:
    while await code_of(hub.identities.resolve(credential)) is None:
        await asyncio.sleep(0.01)


@pytest.mark.gen_test
async def test_another_node_hears_within_a_second_without_the_broker(hub: Hub, tmp_path: Path) -> None:
    async with open_hub(hub.database, tmp_path, LostBroker()) as other, _following(other):
        result = await hub.identities.register(registration())
        identity = await other.identities.resolve(bearer(result))
        await hub.identities.logout(identity)
        async with within(1):
            await _refused(other, bearer(result))


@pytest.mark.gen_test
async def test_followers_hand_on_what_the_broker_lost_and_only_that(hub: Hub, tmp_path: Path) -> None:
    async with open_hub(hub.database, tmp_path) as other, _following(other), _following(hub):
        heard: dict[str, list[Any]] = {"own": [], "other": []}
        hub.broker.subscribe(REVOCATIONS, lambda _, publication: heard["own"].append(publication.data))
        other.broker.subscribe(REVOCATIONS, lambda _, publication: heard["other"].append(publication.data))
        result = await hub.identities.register(registration())
        for reason in ("first", "second"):
            await put_out(hub, result, reason)
        await until(lambda: len(heard["other"]) >= 2)
        assert [data["reason"] for data in heard["own"]] == ["first", "second"]
        assert heard["other"] == heard["own"]


@pytest.mark.gen_test
async def test_what_was_missed_is_read_when_following_begins_again(hub: Hub, tmp_path: Path) -> None:
    async with open_hub(hub.database, tmp_path, LostBroker()) as other:
        result = await hub.identities.register(registration())
        identity = await other.identities.resolve(bearer(result))
        async with _following(other):
            pass
        await hub.identities.logout(identity)
        assert await code_of(other.identities.resolve(bearer(result))) is None, "nobody told it yet"
        async with _following(other):
            assert await code_of(other.identities.resolve(bearer(result))) is Code.UNAUTHENTICATED


@pytest.mark.gen_test
@pytest.mark.parametrize("apart_milliseconds", [1, 0], ids=["one after the other", "all in one moment"])
async def test_however_much_was_missed_all_of_it_is_handed_on(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart_milliseconds: int
) -> None:
    monkeypatch.setattr(limits, "REVOCATIONS_REPLAY_MAX", 4)
    heard: list[str] = []
    missed = [f"user_{number}" for number in range(18)]
    async with open_hub(hub.database, tmp_path) as other:
        other.broker.subscribe(REVOCATIONS, lambda _, publication: heard.append(publication.data["user"]))
        moment, step = now(), timedelta(milliseconds=apart_milliseconds)
        for number, user in enumerate(missed):
            revocation = revocations.new_revocation(user, "missed", moment + number * step, None, None)
            await revocations.add(hub.database, revocation)
        async with _following(other):
            assert sorted(heard) == sorted(missed)


@pytest.mark.gen_test
async def test_the_change_stream_is_opened_again_when_it_breaks(
    hub: Hub, mongod_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongod_uri)
    async with admin, open_hub(hub.database, tmp_path, LostBroker()) as other, _following(other):
        following, broke = other.identities.revocations.following, asyncio.Event()
        monkeypatch.setattr(following, "clear", lambda: (broke.set(), asyncio.Event.clear(following)))
        fault = {"failCommands": ["getMore", "aggregate"], "errorCode": 280, "appName": "hub"}  # a fatal stream error
        reply = await admin.admin.command({"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": fault})
        try:
            result = await hub.identities.register(registration())
            identity = await other.identities.resolve(bearer(result))
            await until(broke.is_set)
        finally:
            off = await admin.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
        assert off["count"] > reply["count"]
        await until(following.is_set)
        await hub.identities.logout(identity)
        async with within(1):
            await _refused(other, bearer(result))


@pytest.mark.gen_test
async def test_a_revocation_during_a_read_is_not_forgotten(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The read took place before, its answer comes after: what it says must not be cached."""
    result = await hub.identities.register(registration())
    real = users.by_id
    revoked: list[str] = []

    async def late(database: Database, user_id: str) -> Any:
        found = await real(database, user_id)
        if not revoked:
            revoked.append(user_id)
            await put_out(hub, result, "meanwhile")
        return found

    monkeypatch.setattr(users, "by_id", late)
    assert await code_of(hub.identities.resolve(bearer(result))) is Code.UNAUTHENTICATED
    assert revoked


@pytest.mark.gen_test
async def test_a_change_of_role_is_seen_at_once_and_ends_nothing(hub: Hub) -> None:
    heard: list[str] = []
    hub.broker.subscribe(REVOCATIONS, lambda _, publication: heard.append(publication.type))
    result = await hub.identities.register(registration())
    assert (await hub.identities.resolve(bearer(result))).role == "user"
    await hub.identities.change_user(result.user["_id"], {"role": "admin"})
    assert (await hub.identities.resolve(bearer(result))).role == "admin"
    assert heard == ["changed"]


@pytest.mark.gen_test
async def test_the_login_and_its_revocation_change_together(hub: Hub) -> None:
    result = await hub.identities.register(registration())
    login = await hub.database["logins"].find_one({})
    assert login is not None
    revocation = revocations.new_revocation("user_other", "not theirs", now(), login["_id"], None)
    await logins.end(hub.database, revocation)
    assert await code_of(hub.identities.resolve(bearer(result))) is None, "another user's login is out of reach"


@pytest.mark.gen_test
async def test_a_revocation_that_failed_tells_nobody(hub: Hub, mongod_uri: str) -> None:
    heard: list[Publication] = []
    hub.broker.subscribe(REVOCATIONS, lambda _, publication: heard.append(publication))
    result = await hub.identities.register(registration())
    admin: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongod_uri)
    async with admin:
        fault = {"failCommands": ["insert"], "errorCode": 2, "appName": "hub"}
        await admin.admin.command({"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": fault})
        try:
            with pytest.raises(DatabaseError):
                await put_out(hub, result, "suspended")
        finally:
            await admin.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    assert heard == []
    assert await code_of(hub.identities.resolve(bearer(result))) is None, "neither half of it was written"
    await put_out(hub, result, "suspended")
    assert await code_of(hub.identities.resolve(bearer(result))) is Code.UNAUTHENTICATED
    assert len(heard) == 1


@pytest.mark.gen_test
async def test_a_caller_who_leaves_is_told_for(hub: Hub) -> None:
    """Whether the write stands cannot be known then; the caches must not be the ones to doubt it."""
    heard: list[Publication] = []
    hub.broker.subscribe(REVOCATIONS, lambda _, publication: heard.append(publication))
    result = await hub.identities.register(registration())
    leaving = asyncio.create_task(put_out(hub, result, "suspended"))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert [publication.data["reason"] for publication in heard] == ["suspended"]
