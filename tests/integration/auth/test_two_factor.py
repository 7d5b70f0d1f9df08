"""Two-factor sign-in: set up, asked for by every way of signing in, each code good for one use, and switched off."""

import asyncio
import time
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, Final

import pyotp
import pytest

from config import assistant, limits
from hub.errors import HubError
from hub.identity import Credential
from hub.letters import SUBJECTS
from hub.realtime.broker import REVOCATIONS
from models.clock import now
from tests.api_client import Answer
from tests.outbox import letter_to
from tests.patience import until
from tests.site import PASSWORD, Site

STEP_SECONDS: Final = 30
SETUP, VERIFY = "/api/auth/2fa/setup", "/api/auth/2fa/verify"
DISABLE, RENEW, STATE = "/api/auth/2fa/disable", "/api/auth/2fa/recovery-codes", "/api/auth/2fa"
LOGINS: Final = (
    ("smart_ai_hub", "/api/auth/login", {}),
    ("ai_assistant", "/api/auth/login", {"Host": "localhost:8000"}),
    ("ai_playground", "/api/auth/login", {"Host": "your-api-domain.com"}),
    ("ai_aggregator", "/v1/auth/login", {}),
)


class Owner:
    """Somebody with an authenticator, whose clock goes one step ahead with each code: the hub lets one step pass."""

    def __init__(self, site: Site, registered: dict[str, Any]) -> None:
        self.site = site
        self.email = str(registered["user"]["email"])
        self.id = str(registered["data"]["user"]["id"])
        self.token = str(registered["access_token"])
        self.client = site.client(token=self.token)
        self.totp = pyotp.TOTP("A" * 32)
        self.recovery: list[str] = []

    def code(self, steps: int = 0) -> str:
        return self.totp.at(now(), counter_offset=steps)

    async def begin(self) -> None:
        begun = (await self.client.post(SETUP, {"password": PASSWORD})).data
        self.totp = pyotp.TOTP(begun["secret"])
        assert pyotp.parse_uri(begun["otpauth_url"]).secret == begun["secret"]
        assert begun["qr_svg"].startswith("<svg xmlns=")

    async def enable(self) -> None:
        await self.begin()
        self.recovery = (await self.client.post(VERIFY, {"code": self.code(-1)})).data["recovery_codes"]

    async def log_in(self) -> Answer:
        return await self.site.client().post("/api/auth/login", {"email": self.email, "password": PASSWORD})

    async def letter(self, kind: str) -> None:
        await letter_to(self.site.services.settings.data_dir, self.email, SUBJECTS[kind])


async def _owner(site: Site) -> Owner:
    """At a moment from which a test runs within one step."""
    await until(lambda: time.time() % STEP_SECONDS < STEP_SECONDS - 4)
    return Owner(site, await site.register())


@pytest.mark.gen_test
async def test_it_is_set_up_by_a_first_code_and_ends_other_logins(site: Site) -> None:
    owner = await _owner(site)
    other = (await owner.log_in()).data["tokens"]["accessToken"]
    assistant_me = site.client("ai_assistant", token=await _token(owner))
    me = {"Host": "localhost:8000"}
    assert (await assistant_me.get("/api/auth/me", headers=me)).body["has_2fa"] is False
    await owner.begin()
    assert (await owner.client.get(STATE)).data == {"enabled": False, "recovery_codes_left": 0}
    await owner.log_in()  # nothing asks for it yet
    wrong = await owner.client.post(VERIFY, {"code": "000000"}, status=422)
    assert wrong.body["error"]["details"][0]["field"] == "code"
    codes = (await owner.client.post(VERIFY, {"code": owner.code()})).data["recovery_codes"]
    assert len(set(codes)) == assistant.RECOVERY_CODES
    assert (await owner.client.get(STATE)).data == {"enabled": True, "recovery_codes_left": len(codes)}
    await site.client(token=other).get("/api/users/me", status=401)
    mine = site.client("ai_assistant", token=owner.token)
    assert (await mine.get("/api/auth/me", headers=me)).body["has_2fa"] is True
    for again, body in ((SETUP, {"password": PASSWORD}), (VERIFY, {"code": owner.code(1)})):
        await owner.client.post(again, body, status=409)
    await owner.letter("two_factor_on")


async def _token(owner: Owner) -> str:
    return str((await owner.log_in()).data["tokens"]["accessToken"])


@pytest.mark.gen_test
async def test_every_way_to_sign_in_asks_for_it_once_the_password_is_right(site: Site) -> None:
    owner = await _owner(site)
    await owner.enable()
    for number, (dialect, path, host) in enumerate(LOGINS):
        client, body = site.client(dialect), {"email": owner.email, "password": PASSWORD}
        asked = await client.post(path, body, status=401, headers=host)
        assert _field(asked) == "code" and "is required" in str(asked.body), dialect
        wrong = await client.post(path, {**body, "code": "000000"}, status=401, headers=host)
        assert _field(wrong) == "code" and "is required" not in str(wrong.body), dialect
        unknown = await client.post(path, {**body, "password": "wrong", "code": owner.code()}, status=401, headers=host)
        assert "code" not in str(unknown.body["error"].get("details")), "who has no password is told nothing"
        code = owner.code(number) if number < 2 else owner.recovery[number]
        assert (await client.post(path, {**body, "code": code}, headers=host)).status == 200, dialect
    assert {"code": "INVALID_CREDENTIALS"}.items() <= (await _assistants(owner, "000000")).body["error"].items()
    assert {"code": "AUTHENTICATION_REQUIRED"}.items() <= (await _assistants(owner)).body["error"].items()


async def _assistants(owner: Owner, *code: str) -> Answer:
    body = {"email": owner.email, "password": PASSWORD, **({"code": code[0]} if code else {})}
    client = owner.site.client("ai_assistant")
    return await client.post("/api/auth/login", body, status=401, headers={"Host": "localhost:8000"})


def _field(answer: Answer) -> Any:
    details = answer.body["error"]["details"]
    listed = details if isinstance(details, list) else details["errors"]
    return listed[0]["field"]


@pytest.mark.gen_test
async def test_a_code_signs_in_once_however_many_come_with_it(site: Site) -> None:
    owner = await _owner(site)
    await owner.enable()
    code, spare = owner.code(), owner.recovery[0]
    for one in (code, spare):
        found = await asyncio.gather(*(_status(owner, one) for _ in range(8)))
        assert sorted(found) == [200] + [401] * 7, one
    assert await _status(owner, owner.code(-1)) == 401, "what is older than one that was used is used up too"
    assert await _status(owner, f" {owner.recovery[1].upper().replace('-', ' ')} ") == 200
    assert await _status(owner, owner.recovery[1]) == 401
    assert (await owner.client.get(STATE)).data["recovery_codes_left"] == assistant.RECOVERY_CODES - 2
    await owner.letter("recovery_code_used")
    assert await _status(owner, owner.code(1)) == 200
    assert await _status(owner, owner.code(2)) == 401, "two steps ahead are too many"


async def _status(owner: Owner, code: str) -> int:
    body = {"email": owner.email, "password": PASSWORD, "code": code}
    return (await owner.site.client().raw("POST", "/api/auth/login", body)).code


@pytest.mark.gen_test
async def test_it_is_switched_off_by_password_or_code(site: Site) -> None:
    owner = await _owner(site)
    await owner.client.post(DISABLE, {"password": PASSWORD}, status=409)
    await owner.client.post(RENEW, {"code": "000000"}, status=409)
    for proof in ({"password": PASSWORD}, {"code": None}, {"code": "spare"}):
        await owner.enable()
        for wrong in ({"password": "wrong"}, {"code": "000000"}):
            refused = await owner.client.post(DISABLE, wrong, status=401)
            assert refused.body["error"]["details"][0]["field"] in wrong
        await owner.client.post(DISABLE, {}, status=422)
        await owner.client.post(DISABLE, {"password": PASSWORD, "code": "000000"}, status=401)
        given = {"code": owner.recovery[0] if proof["code"] else owner.code()} if "code" in proof else proof
        await owner.client.post(DISABLE, given)
        await owner.log_in()
        assert await site.services.database["two_factor"].count({}) == 0
    await owner.letter("two_factor_off")


@pytest.mark.gen_test
async def test_recovery_codes_are_renewed_all_at_once(site: Site) -> None:
    owner = await _owner(site)
    await owner.enable()
    await owner.client.post(RENEW, {"code": "000000"}, status=401)
    fresh = (await owner.client.post(RENEW, {"code": owner.code()})).data["recovery_codes"]
    assert not set(fresh) & set(owner.recovery)
    assert await _status(owner, owner.recovery[0]) == 401
    assert await _status(owner, fresh[0]) == 200
    await owner.letter("recovery_codes_renewed")


@pytest.mark.gen_test
async def test_an_administrator_lets_in_who_has_lost_everything(site: Site) -> None:
    owner, administrator = await _owner(site), site.client(token=await site.admin_token())
    await owner.enable()
    path = f"/api/admin/users/{owner.id}"
    assert (await administrator.get(path)).data["twoFactor"] is True
    await owner.client.request("DELETE", f"{path}/2fa", status=403)
    await administrator.request("DELETE", f"{path}/2fa", status=200)
    await owner.log_in()
    await owner.letter("two_factor_off")
    (row,) = (await administrator.get("/api/admin/audit-log?action=two_factor.reset")).data
    assert row["target"] == owner.id
    await administrator.request("DELETE", f"{path}/2fa", status=409)


@pytest.mark.gen_test
async def test_nothing_by_which_a_code_could_be_made_lies_in_the_database(site: Site) -> None:
    owner = await _owner(site)
    await owner.enable()
    (kept,) = await site.services.database["two_factor"].find({}, limit=2)
    told = str(kept)
    assert owner.totp.secret not in told
    assert not [code for code in owner.recovery if code in told or code.replace("-", "") in told]


@pytest.mark.gen_test
async def test_the_set_up_asks_for_the_password_and_does_not_wait_for_ever(site: Site) -> None:
    owner = await _owner(site)
    for body, status in (({}, 422), (None, 422), ({"password": "wrong"}, 401)):
        assert "password" in str((await owner.client.post(SETUP, body, status=status)).body["error"]["details"])
    await owner.client.post(VERIFY, {"code": "123456"}, status=409)
    await owner.begin()
    old = owner.code()
    await owner.begin()
    await owner.client.post(VERIFY, {"code": old}, status=422)
    await site.services.database["two_factor"].update_one({}, {"$set": {"expires_at": now() - timedelta(seconds=1)}})
    await owner.client.post(VERIFY, {"code": owner.code()}, status=409)


@pytest.mark.gen_test
async def test_a_login_under_way_while_it_is_switched_on_comes_to_nothing(site: Site) -> None:
    """The password was right, and the second factor not yet there, when its user was looked at."""
    owner = await _owner(site)
    await owner.enable()
    ended: list[str] = []
    site.services.broker.subscribe(REVOCATIONS, lambda _, publication: ended.append(publication.data["reason"]))
    with pytest.raises(HubError, match="Invalid or expired"):
        await site.services.identities.sign_in(owner.id, passed=False)
    assert ended == ["two_factor_on"]


@pytest.mark.gen_test
async def test_wrong_codes_end_as_wrong_passwords_do(limited_site: Site) -> None:
    """Ten tries of an account, its right password notwithstanding; then not even the right code is looked at."""
    owner = await _owner(limited_site)
    await owner.enable()
    services, tries = limited_site.services, limits.LOGIN_TRIES_PER_ACCOUNT
    identity = await services.identities.resolve(Credential("bearer", owner.token))
    told = [
        await _refusal(services.identities.login(owner.email, PASSWORD, f"198.51.100.{number}", code=f"{number:06}"))
        for number in range(tries)
    ]
    assert set(told) == {"The code is not right"}
    late = services.identities.login(owner.email, PASSWORD, "198.51.100.99", code=owner.code())
    assert "Too many attempts" in await _refusal(late)
    told = [
        await _refusal(services.identities.show_second(owner.id, "000000", "code"))
        for _ in range(assistant.TWO_FACTOR_TRIES_PER_USER)
    ]
    assert set(told) == {"The code is not right"}
    assert "Too many attempts" in await _refusal(services.identities.show_second(owner.id, owner.code(), "code"))
    assert "Too many attempts" in await _refusal(services.two_factor.renew_codes(identity, owner.code()))


async def _refusal(awaitable: Awaitable[Any]) -> str:
    with pytest.raises(HubError) as caught:
        await awaitable
    return caught.value.message
