"""Amounts that are none: every money input that is not a purchase's or a payment's refuses them and names the field."""

from typing import Any

import pytest

from models import audit_log, wallets
from tests.buyers import WRONG, refuses_amounts
from tests.integration.admin.people import administrator, person
from tests.site import Site

ADJUST = '{"amount": %s, "reason": "A test", "type": "bonus"}'
RATE = '{"fromType": "credits", "toType": "points", "rate": %s, "isActive": false}'
CASES = [
    ("POST", "/api/admin/users/{user}/credits/adjust", ADJUST, "amount", WRONG),
    (
        "PUT",
        "/api/admin/users/{user}",
        '{"credits": %s}',
        "credits",
        tuple(amount for amount in WRONG if amount != "0"),
    ),  # a balance may be 0
    ("POST", "/api/admin/exchange-rates", RATE, "rate", WRONG),
    ("PUT", "/api/admin/exchange-rates/{rate}", '{"rate": %s}', "rate", WRONG),
    ("PUT", "/api/users/me", '{"autoTopup": {"enabled": true, "credits": %s}}', "autoTopup.credits", WRONG),
]


async def _state(site: Site, user: str) -> Any:
    rows, total = await audit_log.page(site.services.database, {}, skip=0, limit=1)
    return await wallets.wallet(site.services.database, user), rows, total


@pytest.mark.gen_test
@pytest.mark.parametrize(("method", "path", "body", "field", "wrong"), CASES, ids=lambda value: str(value)[:40])
async def test_what_is_no_amount_is_refused(
    site: Site, method: str, path: str, body: str, field: str, wrong: tuple[str, ...]
) -> None:
    admin, user = await administrator(site), await person(site)
    rate = (await admin.client.get("/api/admin/exchange-rates")).data[0]["id"]
    path = path.format(user=user.id, rate=rate)
    before = await _state(site, user.id)
    await refuses_amounts(admin.client, method, path, body, field, wrong)
    assert await _state(site, user.id) == before
