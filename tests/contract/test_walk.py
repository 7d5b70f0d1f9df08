"""A fresh account goes through all that Smart AI Hub's document shows, section by section, and through what is refused."""

from typing import Any, Final

import pytest

from tests.api_client import ApiClient
from tests.contract.examples import filled, ids, mailed, notification_id, unlike, with_ids
from tests.contract.rows import ADMINISTRATION, HOSTS, MONEY, NOTIFICATIONS, SMART_AI_HUB, Row
from tests.factories import grant_points
from tests.site import PASSWORD, Site

_SECTIONS: Final = (
    "/api/auth/",
    "/api/users/",
    "/api/credits/",
    "/api/v1/",
    "/api/mcp/",
    "/api/notifications",
    "/api/admin/",
)
_ENDS_THE_LOGIN: Final = ("/api/auth/logout", "/api/auth/reset-password", "/api/users/me/password")
_HOST: Final = {"Host": HOSTS["smart_ai_hub"]}


def _section(row: Row) -> int:
    return next(number for number, prefix in enumerate(_SECTIONS) if row.path.startswith(prefix))


WALK: Final = sorted([*SMART_AI_HUB, *MONEY, *NOTIFICATIONS, *ADMINISTRATION], key=_section)


class Walker:
    """One account, and an administrator for the last section."""

    def __init__(self, site: Site, registered: dict[str, Any], admin_token: str) -> None:
        self.site = site
        self.user_id = str(registered["data"]["user"]["id"])
        self.facts = {"email": str(registered["user"]["email"]), "password": PASSWORD}
        self._admin_token = admin_token

    async def log_in(self) -> None:
        body = {"email": self.facts["email"], "password": self.facts["password"]}
        tokens = (await self.site.client().post("/api/auth/login", body)).data["tokens"]
        self.facts |= {"token": tokens["accessToken"], "refresh_token": tokens["refreshToken"]}

    async def begin(self, row: Row) -> None:
        """What a row needs to be there before."""
        if row.bare_path == "/api/auth/reset-password":
            self.facts |= await mailed(self.site, self.facts["email"])
        if row.credential == "admin":
            self.facts |= await ids(self.site)
        self.facts["notif_123"] = await notification_id(self.site, self.user_id)

    def body(self, row: Row) -> Any:
        """The example's; its one new password is used twice, and must be another one each time."""
        body = filled(row.body, self.facts)
        return {**body, "newPassword": self.facts["password"] + "1"} if "newPassword" in (body or {}) else body

    async def end(self, row: Row, body: Any) -> None:
        if row.bare_path in _ENDS_THE_LOGIN and body is not None:
            self.facts["password"] = body["newPassword"]
        if row.bare_path in _ENDS_THE_LOGIN:
            await self.log_in()

    def client(self, row: Row) -> ApiClient:
        tokens = {"token": self.facts["token"], "admin": self._admin_token}
        return self.site.client(token=tokens.get(row.credential))

    def headers(self, row: Row) -> dict[str, str]:
        if row.credential != "service":
            return _HOST
        return {**_HOST, "X-Service-Token": str(self.site.services.settings.service_token), "X-User-ID": self.user_id}


async def _walker(site: Site) -> Walker:
    registered = await site.register(firstName="John", lastName="Doe")
    walker = Walker(site, registered, await site.admin_token())
    await grant_points(site.services.ledger, walker.user_id, 5_000)
    await walker.log_in()
    return walker


def test_the_walk_passes_every_section() -> None:
    assert {_section(row) for row in WALK} == set(range(len(_SECTIONS)))


@pytest.mark.gen_test(timeout=30)
async def test_one_account_goes_through_the_whole_document(site: Site) -> None:
    walker = await _walker(site)
    for row in WALK:
        await walker.begin(row)
        path, body = with_ids(row.path, walker.facts), walker.body(row)
        answer = await walker.client(row).request(
            row.method, path, body, status=row.status, headers=walker.headers(row)
        )
        assert unlike(row.answer, answer.body) == [], path
        await walker.end(row, body)


@pytest.mark.gen_test(timeout=30)
async def test_each_call_refuses_strangers_and_what_it_does_not_know(site: Site) -> None:
    """Nothing is done meanwhile: the wallet is as it was."""
    walker = await _walker(site)
    before = await site.services.ledger.wallet(walker.user_id)
    for row in WALK:
        await walker.begin(row)
        path, body = with_ids(row.path, walker.facts), walker.body(row)
        if row.credential != "none":
            refused = await site.client().request(row.method, path, body, status=401, headers=_HOST)
            assert refused.code == "AUTHENTICATION_FAILED", path
        if row.body is None:
            continue
        client, headers = walker.client(row), walker.headers(row)
        wrong = {**body, "surplus": 1}
        refused = await client.request(row.method, path, wrong, status=422, headers=headers)
        assert (refused.code, refused.body["error"]["details"][0]["field"]) == ("VALIDATION_ERROR", "surplus"), path
        refused = await client.request(row.method, path, b"{", status=400, headers=headers)
        assert refused.code == "VALIDATION_ERROR", path
    after = await site.services.ledger.wallet(walker.user_id)
    assert (after.credits, after.points, after.seq) == (before.credits, before.points, before.seq)
