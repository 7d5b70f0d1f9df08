"""`PUT /api/users/me` and its password: every field, every refusal, and what stands with a change."""

import asyncio
import json
from typing import Any

import pytest
from tornado.websocket import websocket_connect

from hub.errors import HubError
from hub.letters import SUBJECTS
from tests.outbox import letter_to
from tests.patience import within
from tests.site import PASSWORD, Site

ME, CHANGE = "/api/users/me", "/api/users/me/password"
NEW = "AnotherHorse8"


async def signed_in(site: Site) -> Any:
    return site.client(token=await site.token())


@pytest.mark.gen_test
async def test_every_field_is_kept_and_shown(site: Site) -> None:
    client = await signed_in(site)
    before = (await client.get(ME)).data
    assert before["autoTopup"] == {"enabled": False, "credits": 0}
    given = {
        "firstName": "Zoë",
        "lastName": "O’Neill",
        "phone": "+4917612345678",
        "timezone": "Europe/Berlin",
        "language": "pt-BR",
        "autoTopup": {"enabled": True, "credits": 2.5},
    }
    changed = (await client.request("PUT", ME, given, status=200)).data
    assert {name: changed[name] for name in given} == given
    assert changed["updatedAt"] > before["updatedAt"]
    assert (await client.get(ME)).data == changed


@pytest.mark.gen_test
async def test_what_is_absent_stays_and_null_clears(site: Site) -> None:
    client = await signed_in(site)
    full = {"firstName": "Ada", "phone": "+1234567890", "timezone": "Asia/Tokyo", "language": "ja"}
    await client.request("PUT", ME, {**full, "autoTopup": {"enabled": True, "credits": 3}}, status=200)
    changed = (await client.request("PUT", ME, {"lastName": "Byron"}, status=200)).data
    assert {**full, "lastName": "Byron"}.items() <= changed.items()
    off = (await client.request("PUT", ME, {"autoTopup": {"enabled": False}}, status=200)).data
    assert off["autoTopup"] == {"enabled": False, "credits": 3}, "the amount stays for the next time"
    cleared = (await client.request("PUT", ME, dict.fromkeys([*full, "autoTopup"]), status=200)).data
    defaults = {"firstName": "", "phone": None, "timezone": "UTC", "language": "en"}
    assert {**defaults, "autoTopup": {"enabled": False, "credits": 0}}.items() <= cleared.items()
    same = (await client.request("PUT", ME, {}, status=200)).data
    assert same == cleared


@pytest.mark.gen_test
async def test_every_failure_is_told_at_once(site: Site) -> None:
    client = await signed_in(site)
    bad = {
        "firstName": 5,
        "lastName": "x" * 101,
        "phone": "123",
        "timezone": "Mars/Olympus",
        "language": "english please",
        "autoTopup": {"enabled": "yes", "credits": 0, "more": 1},
        "role": "admin",
    }
    answer = await client.request("PUT", ME, bad, status=422)
    named = {detail["field"] for detail in answer.body["error"]["details"]}
    nested = {"autoTopup.enabled", "autoTopup.credits", "autoTopup.more"}
    assert answer.code == "VALIDATION_ERROR" and named == {*bad, *nested} - {"autoTopup"}


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("phone", ["+123456", "+1234567890123456", "1234567890", "+12345٦7890", "", 1234567890, True]),
        ("timezone", ["", "../../etc/passwd", "europe/berlin", "UTC\n", 5, {"$gt": ""}]),
        ("language", ["", "e", "en_US", "en-", "x" * 17, 5]),
        ("firstName", ["a\nb", "a\u202eb", ["a"], {"$ne": None}]),
        ("autoTopup", [True, [], {}, {"enabled": True, "credits": "5"}, {"enabled": True, "credits": -1}]),
        ("balance", [5]),
        ("email", ["x@example.com"]),
        ("email_verified", [True]),
        ("_id", ["user_1"]),
    ],
)
async def test_bad_values_change_nothing(site: Site, field: str, values: list[Any]) -> None:
    client = await signed_in(site)
    before = await site.services.database["users"].find_one({})
    for value in values:
        await client.request("PUT", ME, {"lastName": "Changed", field: value}, status=422)
    assert await site.services.database["users"].find_one({}) == before


@pytest.mark.gen_test
async def test_a_change_is_an_event_without_what_was_typed(site: Site) -> None:
    client = await signed_in(site)
    await client.request("PUT", ME, {"phone": "+1234567890"}, status=200)
    (event,) = await site.services.database["events"].find({"type": "user.updated"}, limit=5)
    assert event["data"]["changed"] == ["phone"] and "+1234567890" not in str(event)
    await client.request("PUT", ME, {}, status=200)
    assert await site.services.database["events"].count({"type": "user.updated"}) == 1


@pytest.mark.gen_test
async def test_a_new_password_ends_the_other_logins_and_keeps_this_one(site: Site) -> None:
    registered = await site.register()
    email = registered["user"]["email"]
    signing_in = [await site.client().post("/api/auth/login", {"email": email, "password": PASSWORD}) for _ in range(3)]
    tokens = [answer.body["access_token"] for answer in signing_in]
    mine, others = site.client(token=tokens[0]), [site.client(token=token) for token in tokens[1:]]
    for other in others:
        await other.get(ME)
    await mine.request("PUT", CHANGE, {"currentPassword": PASSWORD, "newPassword": NEW}, status=200)
    await mine.get(ME)
    for other in [*others, site.client(token=registered["access_token"])]:
        await other.get(ME, status=401)
    kept = signing_in[0].data["tokens"]["refreshToken"]
    await site.client().post("/api/auth/refresh", {"refreshToken": kept})
    for answer in signing_in[1:]:
        token = answer.data["tokens"]["refreshToken"]
        await site.client().post("/api/auth/refresh", {"refreshToken": token}, status=401)
    await site.client().post("/api/auth/login", {"email": email, "password": PASSWORD}, status=401)
    await site.client().post("/api/auth/login", {"email": email, "password": NEW})
    await letter_to(site.services.settings.data_dir, email, SUBJECTS["password_changed"])


@pytest.mark.gen_test
async def test_the_sockets_of_the_other_logins_are_closed_alone(site: Site) -> None:
    registered = await site.register()
    signed = await site.client().post("/api/auth/login", {"email": registered["user"]["email"], "password": PASSWORD})
    sockets = {}
    for name, token in (("kept", signed.body["access_token"]), ("other", registered["access_token"])):
        sockets[name] = await websocket_connect(f"ws://127.0.0.1:{site.port}/ws")
        await sockets[name].write_message(json.dumps({"id": 1, "type": "connect", "token": token}))
        assert json.loads(str(await sockets[name].read_message()))["type"] == "connected"
    mine = site.client(token=signed.body["access_token"])
    async with within(1):
        await mine.request("PUT", CHANGE, {"currentPassword": PASSWORD, "newPassword": NEW}, status=200)
        while await sockets["other"].read_message() is not None:
            pass  # pushes that were on their way
    assert sockets["other"].close_code == 4502
    await sockets["kept"].write_message(json.dumps({"id": 2, "type": "ping"}))
    while json.loads(str(await sockets["kept"].read_message())).get("id") != 2:
        pass  # the balance and the events of the change
    for one in sockets.values():
        one.close()


@pytest.mark.gen_test
async def test_a_wrong_or_unusable_password_changes_nothing(site: Site) -> None:
    client = await signed_in(site)
    answer = await client.request("PUT", CHANGE, {"currentPassword": "wrong one", "newPassword": NEW}, status=401)
    assert answer.code == "AUTHENTICATION_FAILED"
    for new in ("short", PASSWORD, "x" * 2_000, 5, None):
        body = {"currentPassword": PASSWORD, "newPassword": new}
        refused = await client.request("PUT", CHANGE, body, status=422)
        assert refused.body["error"]["details"][0]["field"] == "newPassword"
    await client.request("PUT", CHANGE, {"newPassword": NEW}, status=422)
    await site.client().request("PUT", CHANGE, {"currentPassword": PASSWORD, "newPassword": NEW}, status=401)
    await client.get(ME)


@pytest.mark.gen_test
async def test_a_stolen_login_cannot_guess_the_password(limited_site: Site) -> None:
    """Long before the minute's hundred requests that an address of this kind has."""
    site = limited_site
    client = await signed_in(site)
    before = site.services.passwords.checks
    for tried in range(10):
        guess = {"currentPassword": f"guess number {tried}", "newPassword": NEW}
        refused = await client.request("PUT", CHANGE, guess, status=401)
        assert refused.headers["X-RateLimit-Limit"] == "100"
    for password in ("guess number 10", PASSWORD):
        body = {"currentPassword": password, "newPassword": NEW}
        refused = await client.request("PUT", CHANGE, body, status=429)
        assert 60 < int(refused.headers["Retry-After"]) <= 900
    assert site.services.passwords.checks == before + 10


@pytest.mark.gen_test
async def test_of_two_changes_at_once_one_stands(site: Site) -> None:
    client = await signed_in(site)
    bodies = [{"currentPassword": PASSWORD, "newPassword": f"Concurrent{n}"} for n in range(2)]
    answers = await asyncio.gather(*(client.raw("PUT", CHANGE, body) for body in bodies))
    assert sorted(answer.code for answer in answers) == [200, 401]


@pytest.mark.gen_test
async def test_a_sign_in_that_overlaps_a_change_of_the_password_does_not_outlive_it(site: Site) -> None:
    """The old password was compared before the change, and the login is stored after it."""
    user = (await site.register())["data"]["user"]["id"]
    compared = (await site.services.database["users"].find_one({"_id": user}) or {})["password"]
    logins = site.services.database["logins"]
    await site.services.identities.sign_in(user, by_password=compared)
    assert await logins.count({"user": user}) == 2
    with pytest.raises(HubError, match="Invalid email or password"):
        await site.services.identities.sign_in(user, by_password="the hash before " + compared)
    assert await logins.count({"user": user}) == 2
