"""Signing up and in by the AI Playground's form, who one is there, and what one changes about it."""

import asyncio
from typing import Any

import pytest

from hub.letters import SUBJECTS
from tests.api_client import Answer, ApiClient
from tests.outbox import letter_to, token_in
from tests.patience import within
from tests.site import PASSWORD, Site
from tests.ws_client import Client, Closed

AT = {"Host": "your-api-domain.com"}
ME, PROFILE, CHANGE = "/api/auth/me", "/api/auth/profile", "/api/auth/password"
NEW_PASSWORD = "AnotherHorse8"
ENDED_SECONDS = 1.0


class Person:
    """Somebody who signed up here."""

    def __init__(self, site: Site, signed_up: dict[str, Any]) -> None:
        self.site = site
        self.id = str(signed_up["user"]["id"])
        self.email = str(signed_up["user"]["email"])
        self.token = str(signed_up["token"])

    @property
    def client(self) -> ApiClient:
        return self.site.client("ai_playground", token=self.token)

    async def me(self, status: int = 200) -> Answer:
        return await self.client.get(ME, status=status, headers=AT)

    async def put(self, path: str, body: Any, status: int = 200) -> Answer:
        return await self.client.request("PUT", path, body, status=status)

    async def login(self, email: str, password: str = PASSWORD, status: int = 200) -> Answer:
        stranger = self.site.client("ai_playground")
        return await stranger.post("/api/auth/login", {"email": email, "password": password}, status=status, headers=AT)

    async def letter(self, address: str, kind: str, number: int = 1) -> Any:
        return await letter_to(self.site.services.settings.data_dir, address, SUBJECTS[kind], number)

    async def document(self) -> dict[str, Any]:
        return await self.site.services.database["users"].find_one({"_id": self.id}) or {}


async def person(site: Site, username: str = "johndoe", email: str = "john@example.com") -> Person:
    body = {"username": username, "email": email, "password": PASSWORD}
    return Person(
        site, (await site.client("ai_playground").post("/api/auth/register", body, status=201, headers=AT)).data
    )


def _fields(answer: Answer) -> set[str]:
    return {failure["field"] for failure in answer.body["error"]["details"]["errors"]}


# --- signing up, in and out -------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize("username", [{}, {"username": None}, {"username": "a b"}])
async def test_nobody_signs_up_here_without_a_username(site: Site, username: dict[str, Any]) -> None:
    stranger, form = site.client("ai_playground"), {"email": "new@example.com", "password": PASSWORD, **username}
    refused = await stranger.post("/api/auth/register", form, status=400, headers=AT)
    assert (refused.code, _fields(refused)) == ("VALIDATION_ERROR", {"username"})
    assert len(refused.body["error"]["details"]["errors"]) == 1
    elsewhere = site.client()
    await elsewhere.post("/api/auth/register", {**form, "username": "janedoe"} if username else form, status=201)


@pytest.mark.gen_test
async def test_one_signs_up_and_in_with_one_token(site: Site) -> None:
    john = await person(site)
    for answer in (await john.login(john.email), await john.login("JOHN@example.com")):
        assert set(answer.data) == {"user", "token"} and answer.body["message"] == "Login successful"
        assert answer.data["user"] == {
            "id": john.id,
            "username": "johndoe",
            "email": "john@example.com",
            "tier": "free",
            "created_at": answer.data["user"]["created_at"],
        }
        assert answer.headers["X-RateLimit-Endpoint"] == "auth" and "Set-Cookie" not in answer.headers


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        *(
            ({"username": name}, {"username"})
            for name in ("ab", "x" * 31, "john_doe", "john doe", "j\u00f6hn", "", None, 5)
        ),
        *(({"password": word}, {"password"}) for word in ("Short1", "nouppercase1", "NOLOWERCASE1", "NoNumbers", 5)),
        ({"email": "john"}, {"email"}),
        ({"username": "a_b", "email": "@", "password": "alllowercase"}, {"username", "email", "password"}),
        ({"tier": "enterprise"}, {"tier"}),
    ],
)
async def test_bad_sign_ups_are_refused(site: Site, changes: dict[str, Any], fields: set[str]) -> None:
    body = {"username": "johndoe", "email": "john@example.com", "password": PASSWORD, **changes}
    refused = await site.client("ai_playground").post("/api/auth/register", body, status=400, headers=AT)
    assert (refused.code, _fields(refused)) == ("VALIDATION_ERROR", fields)
    assert await site.services.database["users"].count({}) == 0


@pytest.mark.gen_test
@pytest.mark.parametrize("username", ["abc", "x" * 30, "007"])
async def test_usernames_of_3_to_30_letters_and_digits_are_taken(site: Site, username: str) -> None:
    assert (await (await person(site, username)).me()).data["username"] == username


@pytest.mark.gen_test
@pytest.mark.usefixtures("nothing_left_open")
async def test_a_logout_ends_its_token_alone(site: Site) -> None:
    john = await person(site)
    other = str((await john.login(john.email)).data["token"])
    socket = await Client.open(site.port)
    await socket.request("connect", token=john.token)
    async with within(ENDED_SECONDS):
        answer = await john.client.post("/api/auth/logout", headers=AT)
        with pytest.raises(Closed) as closed:
            while True:
                await socket.receive()
    assert (answer.body["message"], closed.value.code) == ("Logout successful", 4502)
    assert (await john.me(status=401)).code == "AUTHENTICATION_ERROR"
    assert (await site.client("ai_playground", token=other).get(ME, headers=AT)).data["id"] == john.id


# --- who one is --------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("tier", "daily"), [("free", 50), ("basic", 500), ("pro", 2_000), ("business", None), ("enterprise", None)]
)
async def test_me_tells_the_quota_of_the_tier(site: Site, tier: str, daily: int | None) -> None:
    john = await person(site)
    await site.services.identities.change_user(john.id, {"tier": tier})
    answer = await john.me()
    assert (answer.data["tier"], answer.data["id"]) == (tier, john.id)
    shown = {period: (quota["used"], quota["limit"]) for period, quota in answer.data["quota"].items()}
    of_daily = {"daily": 1, "weekly": 7, "monthly": 30}
    assert shown == {period: (0, None if daily is None else daily * days) for period, days in of_daily.items()}
    assert answer.headers["X-RateLimit-Endpoint"] == "auth" and answer.headers["X-RateLimit-Identifier"] == "user"


@pytest.mark.gen_test
async def test_me_tells_what_is_used_of_the_quota_and_the_keys(site: Site) -> None:
    john = await person(site)
    chat = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
    await john.client.post("/api/v1/ai/chat", chat)
    keys = [
        (await john.client.post("/api/v1/api-keys", {"name": name, "permissions": scopes}, status=201)).data["api_key"]
        for name, scopes in (("one", ["account:read"]), ("two", ["ai:read"]))
    ]
    secrets = [key.pop("key") for key in keys]
    me = (await john.me()).data
    assert {quota["used"] for quota in me["quota"].values()} == {1}
    assert me["api_keys"] == [keys[1], keys[0]]
    assert (await site.client(token=john.token).get(ME)).data["api_keys"] == me["api_keys"], "the union has them too"
    by_key = await site.client("ai_playground", token=secrets[0]).get(ME, headers=AT)
    assert [key["id"] for key in by_key.data["api_keys"]] == [keys[0]["id"]], "a key sees no other"
    assert by_key.headers["X-RateLimit-Identifier"] == "api-key"
    assert not any(secret in str(me) for secret in secrets)


# --- username and address ----------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_username_may_have_underscores_once_one_has_signed_up(site: Site) -> None:
    john = await person(site)
    before = (await john.me()).data
    answer = await john.put(PROFILE, {"username": "John_Doe_1"})
    assert answer.body["message"] == "Profile updated successfully"
    assert answer.data["username"] == "John_Doe_1" and answer.data["updated_at"] > before["updated_at"]
    me = (await john.me()).data
    assert {name: me[name] for name in answer.data} == answer.data
    assert (me["email"], (await john.document())["email_verified"]) == (john.email, False)
    events = await site.services.database["events"].find({"type": "user.updated"}, limit=5)
    assert [event["data"]["changed"] for event in events] == [["username"]] and "John_Doe" not in str(events)


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        *(({"username": name}, {"username"}) for name in ("ab", "x" * 31, "a b", "a-b", "\u0430bc", "", None, 5)),
        *(({"email": email}, {"email"}) for email in ("john", "a@b@c.de", "", None, 5, {"$ne": 1})),
        ({"username": "a b", "email": "x", "tier": "pro"}, {"username", "email", "tier"}),
        ({"username": "fine_name", "email_verified": True}, {"email_verified"}),
        ({}, {"body"}),
    ],
)
async def test_bad_profiles_change_nothing(site: Site, body: dict[str, Any], fields: set[str]) -> None:
    john = await person(site)
    before = await john.document()
    refused = await john.put(PROFILE, body, 400)
    assert (refused.code, _fields(refused)) == ("VALIDATION_ERROR", fields)
    assert await john.document() == before


@pytest.mark.gen_test
async def test_another_address_is_confirmed_anew_and_the_old_one_is_told(site: Site) -> None:
    john, new = await person(site), "john.updated@example.com"
    stale = token_in(await john.letter(john.email, "verify"))
    await site.services.identities.change_user(john.id, {"email_verified": True})
    await site.client().post("/api/auth/forgot-password", {"email": john.email})
    reset = token_in(await john.letter(john.email, "reset"))
    assert (await john.put(PROFILE, {"email": new})).data["email"] == new
    assert (await john.document())["email_verified"] is False
    told = await john.letter(john.email, "email_changed")
    assert new not in told.as_string()
    await site.client().post("/api/auth/verify-email", {"token": stale}, status=422)
    await site.client().post("/api/auth/reset-password", {"token": reset, "newPassword": NEW_PASSWORD}, status=422)
    await john.login(john.email, status=401)
    await john.login(new)
    assert (await john.me()).data["email"] == new, "this login stays"
    await site.client().post("/api/auth/verify-email", {"token": token_in(await john.letter(new, "verify"))})
    assert (await john.document())["email_verified"] is True
    assert await site.services.database["notifications"].count({"title": "Your e-mail address was changed"}) == 1


@pytest.mark.gen_test
async def test_an_address_in_other_letters_is_the_same(site: Site) -> None:
    john = await person(site)
    await john.letter(john.email, "verify")
    await site.services.identities.change_user(john.id, {"email_verified": True})
    assert (await john.put(PROFILE, {"email": "John@Example.com"})).data["email"] == "John@Example.com"
    assert (await john.document())["email_verified"] is True
    assert await site.services.database["mails"].count({}) == 0


@pytest.mark.gen_test
async def test_what_belongs_to_another_is_refused_by_its_name(site: Site) -> None:
    john, mary = await person(site), await person(site, "mary", "mary@example.com")
    before = await john.document()
    for body in (
        *({"email": "MARY@example.com"}, {"username": "MARY"}, {"username": "mary", "email": "mary@example.com"}),
        {"username": "fine_name", "email": "mary@example.com"},
    ):
        refused = await john.put(PROFILE, body, 409)
        assert (refused.code, _fields(refused)) == (
            "CONFLICT",
            set(body) - ({"username"} if "fine_name" in body.values() else set()),
        )
    assert await john.document() == before
    assert (await mary.put(PROFILE, {"username": "Mary", "email": mary.email})).data["username"] == "Mary"


@pytest.mark.gen_test
async def test_of_two_who_want_the_same_at_once_one_gets_it(site: Site) -> None:
    people = [await person(site, f"user{n}", f"user{n}@example.com") for n in range(4)]
    wanted = {"username": "the_one", "email": "one@example.com"}
    answers = await asyncio.gather(*(each.client.raw("PUT", PROFILE, wanted) for each in people))
    assert sorted(answer.code for answer in answers) == [200, 409, 409, 409]
    assert await site.services.database["users"].count({"email_key": "one@example.com"}) == 1


@pytest.mark.gen_test
async def test_changed_addresses_flood_nobody(limited_site: Site) -> None:
    """Each gets a mail, so that there are as many as further mails of confirmation."""
    user = (await limited_site.register())["data"]["user"]["id"]
    await limited_site.services.identities.change_user(user, {"tier": "pro"})
    token = (
        await limited_site.client().post("/api/auth/login", {"email": "user1@example.com", "password": PASSWORD})
    ).data
    client = limited_site.client("ai_playground", token=token["token"])
    statuses = [(await client.raw("PUT", PROFILE, {"email": f"to{n}@example.com"})).code for n in range(20)]
    allowed = statuses.count(200)
    assert 0 < allowed < 20 and statuses == [200] * allowed + [429] * (20 - allowed)


# --- password ----------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_new_password_ends_the_other_logins(site: Site) -> None:
    john = await person(site)
    other = site.client("ai_playground", token=str((await john.login(john.email)).data["token"]))
    answer = await john.put(CHANGE, {"oldPassword": PASSWORD, "newPassword": NEW_PASSWORD})
    assert answer.body["message"] == "Password changed successfully" and "data" not in answer.body
    await john.me()
    await other.get(ME, status=401, headers=AT)
    await john.login(john.email, status=401)
    await john.login(john.email, NEW_PASSWORD)


@pytest.mark.gen_test
async def test_bad_passwords_change_nothing(site: Site) -> None:
    john = await person(site)
    wrong = await john.put(CHANGE, {"oldPassword": "wrong one", "newPassword": NEW_PASSWORD}, 401)
    assert wrong.code == "AUTHENTICATION_ERROR"
    for new in ("Short1", "nouppercase1", "NOLOWERCASE1", "NoNumbers", PASSWORD, "X1x" * 2_000, 5, None):
        refused = await john.put(CHANGE, {"oldPassword": PASSWORD, "newPassword": new}, 400)
        assert (refused.code, _fields(refused)) == ("VALIDATION_ERROR", {"newPassword"}), new
    for body, fields in (
        ({"oldPassword": PASSWORD}, {"newPassword"}),
        ({"newPassword": "nouppercase1", "more": 1}, {"oldPassword", "newPassword", "more"}),
        ({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}, {"oldPassword", "currentPassword"}),
    ):
        assert _fields(await john.put(CHANGE, body, 400)) == fields
    await john.login(john.email)
