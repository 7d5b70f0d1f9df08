"""A fresh account goes through all that Smart AI Hub's document shows, in its order, and through what is refused."""

from typing import Any, Final

import pytest

from tests.api_client import ApiClient
from tests.contract.examples import asked, filled, ids, mailed, notification_id, with_ids
from tests.contract.rows import ADMINISTRATION, HOSTS, MONEY, NOTIFICATIONS, SMART_AI_HUB, Row
from tests.factories import grant_points
from tests.site import PASSWORD, Site

ORDER: Final = """
    POST /api/auth/login
    POST /api/auth/register
    POST /api/auth/refresh
    POST /api/auth/logout
    POST /api/auth/forgot-password
    POST /api/auth/reset-password
    GET /api/users/me
    PUT /api/users/me
    PUT /api/users/me/password
    GET /api/credits/balance
    GET /api/credits/history
    POST /api/credits/purchase
    GET /api/v1/points/balance
    GET /api/v1/points/history
    POST /api/v1/points/exchange-from-credits
    POST /api/v1/points/purchase
    POST /api/v1/points/claim-daily-reward
    GET /api/v1/points/daily-reward-status
    GET /api/v1/wallet/balance
    POST /api/v1/mcp/points/deduct
    GET /api/mcp/models
    POST /api/mcp/chat/completions
    POST /api/mcp/chat/completions streamed
    GET /api/notifications
    PUT /api/notifications/notif_123/read
    PUT /api/notifications/read-all
    PUT /api/notifications/settings
    GET /api/admin/users
    GET /api/admin/users/user_123
    PUT /api/admin/users/user_123
    POST /api/admin/users/user_123/credits/adjust
    GET /api/admin/metrics
    GET /api/admin/exchange-rates
    PUT /api/admin/exchange-rates/rate_123
    POST /api/admin/exchange-rates
    DELETE /api/admin/exchange-rates/rate_123
    GET /api/admin/stats/points
    POST /api/admin/webhooks
""".strip().split("\n    ")
_ENDS_THE_LOGIN: Final = ("/api/auth/logout", "/api/auth/reset-password", "/api/users/me/password")
_HOST: Final = {"Host": HOSTS["smart_ai_hub"]}


def _place(row: Row) -> int:
    """Where the document has it; what it only mentions in passing comes first, what it leaves out last."""
    if row.name == "GET /api/auth/google":
        return -1
    return ORDER.index(row.name) if row.name in ORDER else len(ORDER)


WALK: Final = sorted([*SMART_AI_HUB, *MONEY, *NOTIFICATIONS, *ADMINISTRATION], key=_place)


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


def test_the_walk_leaves_nothing_out() -> None:
    assert {row.name for row in WALK} >= set(ORDER)


@pytest.mark.gen_test
async def test_one_account_goes_through_the_whole_document(site: Site) -> None:
    walker = await _walker(site)
    for row in WALK:
        await walker.begin(row)
        path, body = with_ids(row.path, walker.facts), walker.body(row)
        assert await asked(walker.client(row), row, path, body, walker.headers(row)) == []
        await walker.end(row, body)


@pytest.mark.gen_test
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
