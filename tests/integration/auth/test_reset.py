"""A forgotten password is set anew by a mailed link, once, in time, and by nobody else."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from hub.letters import SUBJECTS
from models import mails, users
from models.clock import now
from models.database import Database
from tests.outbox import letter_to, letters, link_in, token_in
from tests.site import PASSWORD, Site

NEW = "AnotherHorse8"
FORGOT, RESET = "/api/auth/forgot-password", "/api/auth/reset-password"
EMAIL = "user1@example.com"


async def asked(site: Site, email: str = EMAIL, number: int = 1) -> str:
    """The token of a reset that was asked for."""
    await site.client().post(FORGOT, {"email": email})
    letter = await letter_to(site.services.settings.data_dir, email, SUBJECTS["reset"], number)
    return token_in(letter)


async def can_sign_in(site: Site, password: str, email: str = EMAIL) -> bool:
    response = await site.client().raw("POST", "/api/auth/login", {"email": email, "password": password})
    return response.code == 200


@pytest.mark.gen_test
async def test_a_reset_sets_the_password_and_ends_every_login(site: Site) -> None:
    registered = await site.register()
    mine = site.client(token=registered["access_token"])
    await mine.get("/api/users/me")
    token = await asked(site)
    answer = await site.client().post(RESET, {"token": token, "newPassword": NEW})
    assert "message" in answer.body
    assert (await mine.get("/api/users/me", status=401)).code == "AUTHENTICATION_FAILED"
    refresh = {"refreshToken": registered["data"]["tokens"]["refreshToken"]}
    await site.client().post("/api/auth/refresh", refresh, status=401)
    assert not await can_sign_in(site, PASSWORD)
    assert await can_sign_in(site, NEW)


@pytest.mark.gen_test
async def test_what_stands_with_a_reset(site: Site) -> None:
    user = (await site.register())["data"]["user"]["id"]
    await site.client().post(RESET, {"token": await asked(site), "newPassword": NEW})
    database = site.services.database
    found = await database["users"].find_one({"_id": user})
    assert found is not None and found["email_verified"], "who has the mail has the address"
    notice = await database["notifications"].find_one({"user": user, "title": "Your password was changed"})
    assert notice is not None and notice["category"] == "security"
    events = await database["events"].find({"channel": f"user:{user}"}, limit=20, sort=[("offset", 1)])
    assert [event["type"] for event in events][-2:] == ["user.updated", "notification.created"]
    assert EMAIL not in json.dumps(events, default=str)
    await letter_to(site.services.settings.data_dir, EMAIL, SUBJECTS["password_changed"])
    assert await database["one_time"].count({"user": user, "kind": "reset"}) == 0


@pytest.mark.gen_test
async def test_word_of_a_new_password_is_mailed_whatever_is_set(site: Site) -> None:
    """Whoever took an account over cannot silence it; in the application the settings hold."""
    registered = await site.register()
    mine = site.client(token=registered["access_token"])
    nothing = {"emailNotifications": False, "pushNotifications": False, "inAppNotifications": False}
    off = {**nothing, "categories": {"security": {"email": False, "push": False, "inApp": False}}}
    await mine.request("PUT", "/api/notifications/settings", off, status=200)
    change = {"currentPassword": PASSWORD, "newPassword": NEW}
    await mine.request("PUT", "/api/users/me/password", change, status=200)
    await letter_to(site.services.settings.data_dir, EMAIL, SUBJECTS["password_changed"])
    assert await site.services.database["notifications"].count({"title": "Your password was changed"}) == 0


@pytest.mark.gen_test
async def test_a_token_works_once_and_takes_the_others_with_it(site: Site) -> None:
    await site.register()
    first, second = await asked(site), await asked(site, number=2)
    assert first != second
    await site.client().post(RESET, {"token": first, "newPassword": NEW})
    for token in (first, second):
        answer = await site.client().post(RESET, {"token": token, "newPassword": "YetAnother7"}, status=422)
        assert [detail["field"] for detail in answer.body["error"]["details"]] == ["token"]
    assert await can_sign_in(site, NEW)


@pytest.mark.gen_test
async def test_of_twenty_uses_at_once_one_succeeds(site: Site) -> None:
    await site.register()
    token = await asked(site)
    bodies = [{"token": token, "newPassword": f"Concurrent{n:02d}"} for n in range(20)]
    answers = await asyncio.gather(*(site.client().raw("POST", RESET, body) for body in bodies))
    statuses = [answer.code for answer in answers]
    assert statuses.count(200) == 1 and statuses.count(422) == 19
    assert await can_sign_in(site, bodies[statuses.index(200)]["newPassword"])


@pytest.mark.gen_test
async def test_an_expired_token_is_nothing_before_the_database_removes_it(site: Site) -> None:
    await site.register()
    token = await asked(site)
    secrets = site.services.database["one_time"]
    (secret,) = await secrets.find({"kind": "reset"}, limit=2)
    assert timedelta(0) < secret["expires_at"] - now() <= timedelta(minutes=10)
    await secrets.update_one({"_id": secret["_id"]}, {"$set": {"expires_at": now() - timedelta(seconds=1)}})
    await site.client().post(RESET, {"token": token, "newPassword": NEW}, status=422)
    assert await can_sign_in(site, PASSWORD)


@pytest.mark.gen_test
async def test_guesses_and_other_kinds_of_token_are_refused(site: Site) -> None:
    registered = await site.register()
    verify = await letter_to(site.services.settings.data_dir, EMAIL, SUBJECTS["verify"])
    token = await asked(site)
    wrong: list[Any] = [token_in(verify), token[:-1], token + "A", "x", registered["access_token"][:120], "é" * 43]
    for guess in wrong:
        await site.client().post(RESET, {"token": guess, "newPassword": NEW}, status=422)
    for shape in (None, 5, {"$gt": ""}, ["x"], "", "x" * 1_000):
        await site.client().post(RESET, {"token": shape, "newPassword": NEW}, status=422)
    await site.client().post(RESET, {"token": token, "newPassword": NEW})


@pytest.mark.gen_test
async def test_a_password_that_is_refused_leaves_the_token(site: Site) -> None:
    await site.register()
    token = await asked(site)
    for bad in ("short", "x" * 2_000, None, 5):
        answer = await site.client().post(RESET, {"token": token, "newPassword": bad}, status=422)
        assert answer.body["error"]["details"][0]["field"] == "newPassword"
    await site.client().post(RESET, {"token": token, "newPassword": NEW})


@pytest.mark.gen_test
async def test_the_link_leads_to_the_configured_address_whatever_the_host_says(site: Site) -> None:
    await site.register()
    headers = {"Host": "evil.example.com", "X-Forwarded-Host": "evil.example.com"}
    await site.client().post(FORGOT, {"email": EMAIL}, headers=headers)
    letter = await letter_to(site.services.settings.data_dir, EMAIL, SUBJECTS["reset"])
    assert link_in(letter).startswith(f"{site.services.settings.public_url}/auth/reset?token=")
    assert "evil" not in letter.as_string()


@pytest.mark.gen_test
async def test_only_digests_are_stored(site: Site) -> None:
    await site.register()
    token = await asked(site)
    database = site.services.database
    stored = [await database[name].find({}, limit=100) for name in ("one_time", "mails", "users", "events")]
    assert stored[0] and token not in json.dumps(stored, default=str)


@pytest.mark.gen_test
async def test_known_and_unknown_addresses_are_answered_alike_and_cost_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both promise the same job; who has the address, if anybody, is looked up by the job."""
    await site.register()
    bodies, jobs, looked_up = [], [], []
    add, by_email = mails.add, users.by_email

    async def noted_job(database: Database, mail: dict[str, Any]) -> None:
        jobs.append((mail["email_key"], {name: type(value) for name, value in mail.items()}, len(looked_up)))
        await add(database, mail)

    async def noted_look(database: Database, email_key: str) -> Any:
        looked_up.append(email_key)
        return await by_email(database, email_key)

    monkeypatch.setattr(mails, "add", noted_job)
    monkeypatch.setattr(users, "by_email", noted_look)
    passwords = site.services.passwords
    before = passwords.hashes, passwords.checks
    for email in (EMAIL, "nobody@example.com"):
        answer = await site.client().post(FORGOT, {"email": email})
        bodies.append({name: value for name, value in answer.body.items() if name != "meta"})
    assert bodies[0] == bodies[1]
    assert (passwords.hashes, passwords.checks) == before
    assert [email for email, _, _ in jobs] == [EMAIL, "nobody@example.com"]
    assert jobs[0][1] == jobs[1][1] and jobs[0][2] == 0, "nobody was looked up before the job was promised"
    await letter_to(site.services.settings.data_dir, EMAIL, SUBJECTS["reset"])
    assert not [one for one in letters(site.services.settings.data_dir) if one["To"] == "nobody@example.com"]


@pytest.mark.gen_test
async def test_no_address_is_flooded_with_mails(limited_site: Site) -> None:
    """Each spelling of an address counts as the same one, known or not."""
    for name in ("user1", "nobody"):
        spellings = (f"{name}@example.com", f"{name.upper()}@example.com", f"{name}@EXAMPLE.com")
        for spelling in spellings:
            await limited_site.client().post(FORGOT, {"email": spelling})
        answer = await limited_site.client().post(FORGOT, {"email": spellings[0]}, status=429)
        assert int(answer.headers["Retry-After"]) > 60


@pytest.mark.gen_test
async def test_a_suspended_user_gets_no_link(site: Site) -> None:
    registered = await site.register()
    await site.services.identities.change_user(registered["data"]["user"]["id"], {"status": "suspended"})
    await site.client().post(FORGOT, {"email": EMAIL})
    deadline = asyncio.get_running_loop().time() + 10
    while await site.services.database["mails"].count({}) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)
    assert [one for one in letters(site.services.settings.data_dir) if one["Subject"] == SUBJECTS["reset"]] == []
