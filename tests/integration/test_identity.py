"""Identity against the real database: sign-up as one operation, logins, refresh, revocation, and what it costs."""

import asyncio
import dataclasses
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from tornado.ioloop import IOLoop

from config import limits, settings
from hub import admin_seed
from hub.access_tokens import AccessTokens
from hub.errors import Code, HubError
from hub.identity import Credential, Identities, LoginResult, Registration
from hub.identity_cache import IdentityCache
from hub.ledger import Ledger
from hub.passwords import Passwords
from hub.realtime.broker import REVOCATIONS, MemoryBroker, Publication
from hub.tasks import Tasks
from hub.throttle import Throttle
from models import logins, revocations, users, wallets
from models.clock import now
from models.database import Database, DatabaseError
from models.notifications import NOTIFICATIONS

PASSWORD = "securePassword123"
HERE = "203.0.113.7"
FAST = 4


class LostBroker(MemoryBroker):
    """A broker that loses every message."""

    def publish(self, channel: str, publication: Publication) -> None:
        pass


@dataclass
class Hub:
    """One process's part of the hub that knows identities."""

    database: Database
    broker: MemoryBroker
    passwords: Passwords
    identities: Identities
    tasks: Tasks
    settings: settings.Settings


@asynccontextmanager
async def _hub(
    database: Database, folder: Path, broker: MemoryBroker | None = None, **environ: str
) -> AsyncIterator[Hub]:
    configured = settings.load({"HUB_DATA_DIR": str(folder), **environ})
    broker = broker or MemoryBroker()
    tasks = Tasks()
    ledger = Ledger(database, broker)
    ledger.open()
    ledger.start(tasks)
    passwords = Passwords(configured.jwt_secret, cost=FAST)
    tokens = AccessTokens(configured.jwt_secret)
    throttle = Throttle(configured.rate_limits)
    identities = Identities(configured, database, ledger, broker, tokens, passwords, throttle)
    try:
        yield Hub(database, broker, passwords, identities, tasks, configured)
    finally:
        identities.close()
        await ledger.close()
        await tasks.close(5)
        await passwords.close()


@pytest.fixture
def hub(io_loop: IOLoop, database: Database, tmp_path: Path) -> Iterator[Hub]:
    context = _hub(database, tmp_path)
    yield io_loop.run_sync(context.__aenter__)
    io_loop.run_sync(lambda: context.__aexit__(None, None, None))


def _registration(email: str = "user@example.com", **changes: Any) -> Registration:
    return dataclasses.replace(Registration(email, PASSWORD, address=HERE), **changes)


def _bearer(result: LoginResult) -> Credential:
    return Credential("bearer", result.access_token)


def _cookie(result: LoginResult) -> Credential:
    assert result.cookie is not None
    return Credential("cookie", result.cookie)


async def _code(awaitable: Any) -> Code | None:
    """How a call failed, None where it did not."""
    try:
        await awaitable
    except HubError as error:
        return error.code
    return None


# --- signing up ---------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_sign_up_makes_everything(hub: Hub) -> None:
    result = await hub.identities.register(_registration(first_name="John", last_name="Doe", username="JohnDoe"))
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
    assert (await hub.identities.resolve(_bearer(result))).user_id == user["_id"]


@pytest.mark.gen_test
async def test_without_welcome_credits_there_is_no_entry(database: Database, tmp_path: Path) -> None:
    async with _hub(database, tmp_path, HUB_SIGNUP_CREDITS="0") as hub:
        user = (await hub.identities.register(_registration())).user
        assert await wallets.entries(database, user["_id"], "credit", skip=0, limit=10) == ([], 0)
        wallet = await wallets.wallet(database, user["_id"])
        assert wallet is not None and wallet["credits"] == 0


@pytest.mark.gen_test
async def test_twins_collide_and_leave_nothing(hub: Hub) -> None:
    await hub.identities.register(_registration("User@example.com", username="Twin"))
    for twin, field in (
        (_registration("ｕser@EXAMPLE.com"), "email"),
        (_registration("other@example.com", username="tWIN"), "username"),
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
        hub.identities.register(_registration("User@example.com" if n % 2 else "user@EXAMPLE.com")) for n in range(20)
    ]
    codes = await asyncio.gather(*(_code(one) for one in tries))
    assert codes.count(None) == 1
    assert codes.count(Code.CONFLICT) == 19
    assert await hub.database["users"].count({}) == await hub.database["wallets"].count({}) == 1


@pytest.mark.gen_test
async def test_users_are_numbered(hub: Hub) -> None:
    results = await asyncio.gather(*(hub.identities.register(_registration(f"user{n}@example.com")) for n in range(20)))
    assert sorted(result.user["number"] for result in results) == list(range(1, 21))


@pytest.mark.gen_test
async def test_the_further_password_rule_comes_with_a_username(hub: Hub) -> None:
    weak = {"password": "lowercase"}
    assert await _code(hub.identities.register(_registration(username="johndoe", **weak))) is Code.INVALID
    assert await _code(hub.identities.register(_registration(**weak))) is None


@pytest.mark.gen_test
@pytest.mark.parametrize("value", [None, 5, ["a"], {"$gt": ""}, "\ud800", "a\0b"])
async def test_bad_input_is_refused_before_hashing(hub: Hub, value: Any) -> None:
    for field in ("email", "first_name", "last_name", "username"):
        if field == "username" and value is None:
            continue
        assert await _code(hub.identities.register(_registration(**{field: value}))) is Code.INVALID, field
    assert await _code(hub.identities.login(value, PASSWORD, HERE)) is Code.INVALID
    assert hub.passwords.hashes == hub.passwords.checks == 0


@pytest.mark.gen_test
async def test_only_digests_of_secrets_are_stored(hub: Hub) -> None:
    result = await hub.identities.register(_registration())
    login = await hub.database["logins"].find_one({})
    user = await hub.database["users"].find_one({})
    assert login is not None and user is not None
    stored = json.dumps([login, user], default=str)
    for secret in (result.refresh_token, result.cookie or "", result.access_token, PASSWORD):
        assert secret not in stored and secret.rpartition(".")[2] not in stored
        assert secret not in repr(result)
    assert login["cookie_hash"] == hashlib.sha256((result.cookie or "").encode()).hexdigest()
    assert PASSWORD not in repr(_registration())


# --- signing in ---------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_login_is_a_new_one_each_time(hub: Hub) -> None:
    first = await hub.identities.register(_registration())
    second = await hub.identities.login("USER@example.com", PASSWORD, HERE)
    assert first.user["_id"] == second.user["_id"]
    ids = {(await hub.identities.resolve(of(one))).login_id for one in (first, second) for of in (_bearer, _cookie)}
    assert len(ids) == 2


@pytest.mark.gen_test
async def test_known_and_unknown_users_cost_one_check_and_one_answer(hub: Hub) -> None:
    await hub.identities.register(_registration())
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
    await hub.identities.register(_registration())
    before = hub.passwords.hashes
    assert await _code(hub.identities.register(_registration())) is Code.CONFLICT
    assert hub.passwords.hashes == before + 1


@pytest.mark.gen_test
async def test_brute_force_ends_at_ten_and_the_owners_device_stays(hub: Hub) -> None:
    """E7: one account, 200 tries from ever new addresses in ever new spellings."""
    owner = await hub.identities.register(_registration())
    before = hub.passwords.checks
    spellings = ("user@example.com", "USER@example.com", "ｕser@example.com")
    codes = []
    for n in range(200):
        codes.append(await _code(hub.identities.login(spellings[n % 3], f"guess number {n}", f"198.51.100.{n}")))
    assert hub.passwords.checks - before == codes.count(Code.BAD_CREDENTIALS) == 10
    assert codes.count(Code.RATE_LIMITED) == 190
    assert await _code(hub.identities.login("user@example.com", PASSWORD, HERE)) is Code.RATE_LIMITED
    assert await _code(hub.identities.login("user@example.com", PASSWORD, HERE, _cookie(owner))) is None


@pytest.mark.gen_test
async def test_another_accounts_device_opens_no_door(hub: Hub) -> None:
    await hub.identities.register(_registration("victim@example.com"))
    attacker = await hub.identities.register(_registration("attacker@example.com"))
    codes = [
        await _code(hub.identities.login("victim@example.com", f"guess number {n}", HERE, _cookie(attacker)))
        for n in range(15)
    ]
    assert codes == [Code.BAD_CREDENTIALS] * 10 + [Code.RATE_LIMITED] * 5


@pytest.mark.gen_test
async def test_a_flood_of_logins_is_bounded(database: Database, tmp_path: Path) -> None:
    """E11, small: what cannot wait is told so, the rest is answered."""
    async with _hub(database, tmp_path, HUB_RATE_LIMITS="off") as hub:
        await hub.identities.register(_registration())
        tries = [hub.identities.login("user@example.com", "a wrong password", HERE) for _ in range(200)]
        codes = await asyncio.gather(*(_code(one) for one in tries))
        assert set(codes) <= {Code.BAD_CREDENTIALS, Code.UNAVAILABLE}
        assert codes.count(Code.BAD_CREDENTIALS) == hub.passwords.checks
        assert await _code(hub.identities.login("user@example.com", PASSWORD, HERE)) is None


# --- refresh ------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_refresh_gives_a_new_pair_of_the_same_login(hub: Hub) -> None:
    first = await hub.identities.register(_registration())
    second = await hub.identities.refresh(first.refresh_token)
    assert second.refresh_token != first.refresh_token
    one, other = [await hub.identities.resolve(_bearer(result)) for result in (first, second)]
    assert one.login_id == other.login_id
    assert (await hub.identities.refresh(second.refresh_token)).cookie is None


@pytest.mark.gen_test
async def test_a_used_refresh_token_kills_the_family(hub: Hub) -> None:
    first = await hub.identities.register(_registration())
    second = await hub.identities.refresh(first.refresh_token)
    third = await hub.identities.refresh(second.refresh_token)
    await hub.identities.resolve(_bearer(third))
    assert await _code(hub.identities.refresh(first.refresh_token)) is Code.UNAUTHENTICATED
    assert await _code(hub.identities.refresh(third.refresh_token)) is Code.UNAUTHENTICATED
    for credential in (_bearer(first), _bearer(third), _cookie(first)):
        assert await _code(hub.identities.resolve(credential)) is Code.UNAUTHENTICATED


@pytest.mark.gen_test
async def test_of_twenty_uses_at_once_one_gives_a_pair_that_lives(hub: Hub) -> None:
    first = await hub.identities.register(_registration())
    results = await asyncio.gather(
        *(hub.identities.refresh(first.refresh_token) for _ in range(20)), return_exceptions=True
    )
    pairs = [result for result in results if isinstance(result, LoginResult)]
    refused = [result for result in results if isinstance(result, HubError)]
    assert len(pairs) == 1 and len(refused) == 19
    assert {error.code for error in refused} == {Code.UNAUTHENTICATED}
    assert await _code(hub.identities.resolve(_bearer(pairs[0]))) is None
    assert await _code(hub.identities.refresh(first.refresh_token)) is Code.UNAUTHENTICATED
    assert await _code(hub.identities.refresh(pairs[0].refresh_token)) is Code.UNAUTHENTICATED, "reuse killed it"


@pytest.mark.gen_test
async def test_on_two_nodes_too_one_use_gives_a_pair(hub: Hub, tmp_path: Path) -> None:
    async with _hub(hub.database, tmp_path) as other:
        first = await hub.identities.register(_registration())
        nodes = [hub, other] * 10
        codes = await asyncio.gather(*(_code(node.identities.refresh(first.refresh_token)) for node in nodes))
        assert codes.count(None) == 1


@pytest.mark.gen_test
@pytest.mark.parametrize("token", ["", "x", "login_1", "login_1.x", "x" * 10_000, "login_1.\ud800", None, {"$gt": ""}])
async def test_a_wrong_refresh_token_is_refused(hub: Hub, token: Any) -> None:
    first = await hub.identities.register(_registration())
    assert await _code(hub.identities.refresh(token)) is Code.UNAUTHENTICATED
    guessed = first.refresh_token[:-1] + ("A" if first.refresh_token[-1] != "A" else "B")
    for other in (guessed, first.cookie, first.access_token):
        assert await _code(hub.identities.refresh(other or "")) is Code.UNAUTHENTICATED
    assert await _code(hub.identities.refresh(first.refresh_token)) is None, "a wrong one kills nothing"


@pytest.mark.gen_test
async def test_an_expired_login_is_over_before_the_database_removes_it(hub: Hub) -> None:
    result = await hub.identities.register(_registration())
    await hub.database["logins"].update_one({}, {"$set": {"expires_at": now() - timedelta(seconds=1)}})
    assert await _code(hub.identities.refresh(result.refresh_token)) is Code.UNAUTHENTICATED
    assert await _code(hub.identities.resolve(_bearer(result))) is Code.UNAUTHENTICATED
    assert await _code(hub.identities.resolve(_cookie(result))) is Code.UNAUTHENTICATED


# --- resolving ----------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_an_identity_is_whole(hub: Hub) -> None:
    result = await hub.identities.register(_registration())
    token = await hub.identities.resolve(_bearer(result))
    cookie = await hub.identities.resolve(_cookie(result))
    assert (token.kind, cookie.kind) == ("token", "cookie")
    assert token.expires_at is not None and cookie.expires_at is None
    for identity in (token, cookie):
        assert (identity.role, identity.tier, identity.permissions, identity.key_id) == ("user", "free", None, None)
        assert "password" not in identity.user and identity.user["email"] == "user@example.com"


@pytest.mark.gen_test
async def test_the_service_token_is_the_service(hub: Hub) -> None:
    identity = await hub.identities.resolve(Credential("bearer", hub.settings.service_token))
    assert (identity.kind, identity.role) == ("service", "service")
    assert await _code(hub.identities.resolve(Credential("cookie", hub.settings.service_token))) is Code.UNAUTHENTICATED


@pytest.mark.gen_test
async def test_what_is_no_credential_is_refused(hub: Hub) -> None:
    result = await hub.identities.register(_registration())
    texts = ["", "x", "x" * 1_000_000, "\ud800", "login_1.x", "login_1.", ".", "{'$gt': ''}", result.refresh_token]
    for text in texts:
        assert await _code(hub.identities.resolve(Credential("bearer", text))) is Code.UNAUTHENTICATED
        assert await _code(hub.identities.resolve(Credential("cookie", text))) is Code.UNAUTHENTICATED
    assert await _code(hub.identities.resolve(Credential("cookie", result.access_token))) is Code.UNAUTHENTICATED
    assert await _code(hub.identities.resolve(Credential("bearer", result.cookie or ""))) is Code.UNAUTHENTICATED


@pytest.mark.gen_test
async def test_a_cached_identity_reads_nothing(database: Database, mongod_uri: str, tmp_path: Path) -> None:
    """While the server refuses every read and write, what is cached is still known, and only that."""
    own = Database(mongod_uri, database.name, app_name="cached")
    await own.open([])
    admin: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongod_uri)
    async with admin, _hub(own, tmp_path) as hub:
        result = await hub.identities.register(_registration())
        stranger = await hub.identities.register(_registration("other@example.com"))
        credentials = (_bearer(result), _cookie(result))
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
                await hub.identities.resolve(_bearer(stranger))
        finally:
            await admin.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    await own.close()


@pytest.mark.gen_test
async def test_a_cached_identity_lives_thirty_seconds_and_never_beyond_its_token(hub: Hub) -> None:
    identity = await hub.identities.resolve(_bearer(await hub.identities.register(_registration())))
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
    identity = await hub.identities.resolve(_bearer(await hub.identities.register(_registration())))
    monkeypatch.setattr(limits, "IDENTITY_CACHE_ENTRIES", 3)
    cache = IdentityCache()
    for n in range(10):
        cache.put(bytes([n]), dataclasses.replace(identity, user_id=f"user_{n}"))
        cache.get(bytes([0]))
    assert len(cache) == len(cache._of_user) == 3
    assert cache.get(bytes([0])) is not None, "the one in use stays"


@pytest.mark.gen_test
async def test_a_cookie_slides_once_an_hour(hub: Hub, tmp_path: Path) -> None:
    result = await hub.identities.register(_registration())
    stamp = now() - timedelta(hours=2)
    change = {"last_used_at": stamp, "expires_at": stamp + timedelta(seconds=limits.LOGIN_SECONDS)}
    await hub.database["logins"].update_one({}, {"$set": change})
    await hub.identities.resolve(_cookie(result))
    login = await hub.database["logins"].find_one({})
    assert login is not None and login["last_used_at"] > stamp + timedelta(hours=1)
    assert login["expires_at"] - login["last_used_at"] == timedelta(days=7)
    async with _hub(hub.database, tmp_path) as other:
        await other.identities.resolve(_cookie(result))
    assert await hub.database["logins"].find_one({}) == login, "within the hour nothing is written"


# --- revocation ---------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_logout_ends_the_login_at_once_and_tells(hub: Hub) -> None:
    heard: list[Publication] = []
    hub.broker.subscribe(REVOCATIONS, lambda _, publication: heard.append(publication))
    result = await hub.identities.register(_registration())
    other = await hub.identities.login("user@example.com", PASSWORD, HERE)
    identity = await hub.identities.resolve(_bearer(result))
    await hub.identities.resolve(_cookie(result))
    await hub.identities.logout(identity)
    assert await _code(hub.identities.resolve(_bearer(result))) is Code.UNAUTHENTICATED
    assert await _code(hub.identities.resolve(_cookie(result))) is Code.UNAUTHENTICATED
    assert await _code(hub.identities.refresh(result.refresh_token)) is Code.UNAUTHENTICATED
    assert await _code(hub.identities.resolve(_bearer(other))) is None, "another visit goes on"
    (signal,) = heard
    assert (signal.kind, signal.type) == ("signal", "revoked")
    assert signal.data["user"] == identity.user_id and signal.data["login"] == identity.login_id
    assert signal.data["reason"] == "logout"


@pytest.mark.gen_test
async def test_revoking_a_user_ends_all_logins(hub: Hub) -> None:
    results = [await hub.identities.register(_registration())]
    results.append(await hub.identities.login("user@example.com", PASSWORD, HERE))
    stranger = await hub.identities.register(_registration("other@example.com"))
    for result in [*results, stranger]:
        await hub.identities.resolve(_bearer(result))
    await hub.identities.revoke_user(results[0].user["_id"], "suspended")
    for result in results:
        assert await _code(hub.identities.resolve(_bearer(result))) is Code.UNAUTHENTICATED
    assert await _code(hub.identities.resolve(_bearer(stranger))) is None
    assert await hub.database["logins"].count({}) == 1


@pytest.mark.gen_test
async def test_a_suspended_user_is_refused(hub: Hub) -> None:
    result = await hub.identities.register(_registration())
    await hub.identities.resolve(_bearer(result))
    await hub.identities.change_user(result.user["_id"], {"status": "suspended"})
    assert await _code(hub.identities.resolve(_bearer(result))) is Code.UNAUTHENTICATED
    assert await _code(hub.identities.refresh(result.refresh_token)) is Code.UNAUTHENTICATED
    assert await _code(hub.identities.login("user@example.com", PASSWORD, HERE)) is Code.FORBIDDEN
    assert await _code(hub.identities.login("user@example.com", "a wrong one", HERE)) is Code.BAD_CREDENTIALS


@asynccontextmanager
async def _following(hub: Hub) -> AsyncIterator[asyncio.Task[None]]:
    task = hub.tasks.start(hub.identities.follow(), "revocations")
    await asyncio.wait_for(hub.identities.revocations.following.wait(), 10)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _refused(hub: Hub, credential: Credential) -> None:
    while await _code(hub.identities.resolve(credential)) is None:
        await asyncio.sleep(0.01)


@pytest.mark.gen_test(timeout=30)
async def test_another_node_hears_within_a_second_without_the_broker(hub: Hub, tmp_path: Path) -> None:
    async with _hub(hub.database, tmp_path, LostBroker()) as other, _following(other):
        result = await hub.identities.register(_registration())
        identity = await other.identities.resolve(_bearer(result))
        await hub.identities.logout(identity)
        await asyncio.wait_for(_refused(other, _bearer(result)), 3)


@pytest.mark.gen_test(timeout=30)
async def test_followers_hand_on_what_the_broker_lost_and_only_that(hub: Hub, tmp_path: Path) -> None:
    async with _hub(hub.database, tmp_path) as other, _following(other), _following(hub):
        heard: dict[str, list[Any]] = {"own": [], "other": []}
        hub.broker.subscribe(REVOCATIONS, lambda _, publication: heard["own"].append(publication.data))
        other.broker.subscribe(REVOCATIONS, lambda _, publication: heard["other"].append(publication.data))
        result = await hub.identities.register(_registration())
        for reason in ("first", "second"):
            await hub.identities.revoke_user(result.user["_id"], reason)
        while len(heard["other"]) < 2:
            await asyncio.sleep(0.01)
        assert [data["reason"] for data in heard["own"]] == ["first", "second"]
        assert heard["other"] == heard["own"]


@pytest.mark.gen_test(timeout=30)
async def test_what_was_missed_is_read_when_following_begins_again(hub: Hub, tmp_path: Path) -> None:
    async with _hub(hub.database, tmp_path, LostBroker()) as other:
        result = await hub.identities.register(_registration())
        identity = await other.identities.resolve(_bearer(result))
        async with _following(other):
            pass
        await hub.identities.logout(identity)
        assert await _code(other.identities.resolve(_bearer(result))) is None, "nobody told it yet"
        async with _following(other):
            assert await _code(other.identities.resolve(_bearer(result))) is Code.UNAUTHENTICATED


@pytest.mark.gen_test(timeout=30)
async def test_the_change_stream_is_opened_again_when_it_breaks(hub: Hub, mongod_uri: str, tmp_path: Path) -> None:
    admin: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongod_uri)
    async with admin, _hub(hub.database, tmp_path, LostBroker()) as other, _following(other):
        fault = {"failCommands": ["getMore", "aggregate"], "errorCode": 280, "appName": "hub"}  # a fatal stream error
        reply = await admin.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 3}, "data": fault})
        result = await hub.identities.register(_registration())
        identity = await other.identities.resolve(_bearer(result))
        while other.identities.revocations.following.is_set():
            await asyncio.sleep(0.01)
        await asyncio.wait_for(other.identities.revocations.following.wait(), 10)
        await hub.identities.logout(identity)
        await asyncio.wait_for(_refused(other, _bearer(result)), 3)
        off = await admin.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
        assert off["count"] - reply["count"] == 3


@pytest.mark.gen_test
async def test_a_revocation_during_a_read_is_not_forgotten(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The read took place before, its answer comes after: what it says must not be cached."""
    result = await hub.identities.register(_registration())
    real = users.by_id
    revoked = []

    async def late(database: Database, user_id: str) -> Any:
        found = await real(database, user_id)
        if not revoked:
            revoked.append(user_id)
            await hub.identities.revoke_user(user_id, "meanwhile")
        return found

    monkeypatch.setattr(users, "by_id", late)
    assert await _code(hub.identities.resolve(_bearer(result))) is Code.UNAUTHENTICATED
    assert revoked


@pytest.mark.gen_test
async def test_a_change_of_role_is_seen_at_once_and_ends_nothing(hub: Hub) -> None:
    heard: list[str] = []
    hub.broker.subscribe(REVOCATIONS, lambda _, publication: heard.append(publication.type))
    result = await hub.identities.register(_registration())
    assert (await hub.identities.resolve(_bearer(result))).role == "user"
    await hub.identities.change_user(result.user["_id"], {"role": "admin"})
    assert (await hub.identities.resolve(_bearer(result))).role == "admin"
    assert heard == ["changed"]


@pytest.mark.gen_test
async def test_the_login_and_its_revocation_change_together(hub: Hub) -> None:
    result = await hub.identities.register(_registration())
    login = await hub.database["logins"].find_one({})
    assert login is not None
    revocation = revocations.new_revocation("user_other", "not theirs", now(), login["_id"], None)
    await logins.end(hub.database, revocation)
    assert await _code(hub.identities.resolve(_bearer(result))) is None, "another user's login is out of reach"


# --- the first administrator ---------------------------------------------------------------------------------

ADMIN = {"HUB_ADMIN_EMAIL": "Admin@example.com", "HUB_ADMIN_PASSWORD": "the admin's password"}


async def _seed(hub: Hub) -> None:
    await admin_seed.seed(hub.settings, hub.database, hub.identities, hub.passwords)


@pytest.mark.gen_test
async def test_the_configured_administrator_is_made_once(database: Database, tmp_path: Path) -> None:
    async with _hub(database, tmp_path, **ADMIN) as hub:
        await asyncio.gather(_seed(hub), _seed(hub))
        await _seed(hub)
        result = await hub.identities.login("admin@example.com", ADMIN["HUB_ADMIN_PASSWORD"], HERE)
        assert result.user["role"] == "admin"
        assert await database["users"].count({}) == 1


@pytest.mark.gen_test
async def test_a_stranger_at_the_administrators_address_stays_a_user(database: Database, tmp_path: Path) -> None:
    async with _hub(database, tmp_path, **ADMIN) as hub:
        stranger = await hub.identities.register(_registration("admin@example.com"))
        await _seed(hub)
        assert (await hub.identities.resolve(_bearer(stranger))).role == "user"


@pytest.mark.gen_test
async def test_the_operator_makes_administrators_of_users(hub: Hub) -> None:
    await hub.identities.register(_registration())
    await admin_seed.create_admin(hub.database, hub.identities, "user@example.com", "another password")
    assert (await hub.identities.login("user@example.com", PASSWORD, HERE)).user["role"] == "admin"
    fresh = await admin_seed.create_admin(hub.database, hub.identities, "new@example.com", "another password")
    assert fresh["role"] == "admin"
