"""Everything that moves money, sixty-four times at once on one wallet: what is left is exactly what should be."""

import asyncio

import pytest

from tests.buyers import buyer, check_books, statuses
from tests.factories import grant, grant_points
from tests.site import Site

EACH = 64
ORDER = {"packageId": "pkg_starter", "paymentMethodId": "pm_1", "amount": 1000}


@pytest.mark.gen_test
async def test_purchases_exchanges_deductions_and_claims_of_one_moment(site: Site) -> None:
    user = await buyer(site)
    await grant(site.services.ledger, user.id, EACH * 500_000)
    await grant_points(site.services.ledger, user.id, 7 * EACH)
    post = user.client.raw
    bought, exchanged, taken, claimed = await asyncio.gather(
        statuses(*(post("POST", "/api/credits/purchase", ORDER) for _ in range(EACH))),
        statuses(*(post("POST", "/api/v1/points/exchange-from-credits", {"creditAmount": 0.5}) for _ in range(EACH))),
        statuses(*(user.deduct(7) for _ in range(EACH))),
        statuses(*(post("POST", "/api/v1/points/claim-daily-reward") for _ in range(EACH))),
    )
    assert bought == exchanged == taken == {200: EACH}
    assert claimed == {200: 1, 409: EACH - 1}
    assert await user.balance() == ((10 + 1000 * EACH) * 10**6, 500 * EACH + 100)
    assert len(await user.payments()) == EACH
    await check_books(site)
