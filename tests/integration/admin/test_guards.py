"""What guards administration as a whole: roles, limits, repeats, and two nodes at once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from handlers.access import access_of, methods_of
from handlers.application import ROUTES
from hub.administration import Adjustment
from hub.audit_trail import Actor
from hub.errors import Code, HubError
from hub.operations import Composed, Insert, Leg, Operation
from hub.services import Services
from models import audit_log, wallets
from models.ids import new_id
from models.users import USERS
from tests.factories import make_wallet
from tests.integration.admin.people import Person, administrator, person
from tests.site import Site

ADMIN_ROUTES = [route for route in ROUTES if route.pattern.startswith("/api/admin/")]


def test_every_route_is_marked_and_limited() -> None:
    assert len(ADMIN_ROUTES) >= 12
    for route in ADMIN_ROUTES:
        assert route.limit_class == "admin" and list(route.apis) == ["smart_ai_hub"], route.pattern
        for method in set(methods_of(route.handler)) - {"OPTIONS"}:
            access = access_of(route.handler, method)
            assert access is not None and access.kind == "admin", f"{method} {route.pattern}"


@pytest.mark.gen_test
async def test_nobody_else_passes(site: Site) -> None:
    """Strangers 401, users and the service token 403, on every method."""
    user = await person(site)
    service = site.client(token=site.services.settings.service_token)
    for route in ADMIN_ROUTES:
        for method in set(methods_of(route.handler)) - {"OPTIONS"}:
            body = {} if method in ("POST", "PUT") else None
            for client, status in ((site.client(), 401), (user.client, 403), (service, 403)):
                await client.request(method, route.example, body, status=status)
    assert (await audit_log.page(site.services.database, {}, skip=0, limit=1))[1] == 0


async def _adjust(who: Person, user: str, key: str, **fields: Any) -> Any:
    body = {"amount": 5, "reason": "A test", "type": "bonus", **fields}
    path = f"/api/admin/users/{user}/credits/adjust"
    return await who.client.raw("POST", path, body, {"Idempotency-Key": key})


@pytest.mark.gen_test
async def test_a_grant_that_is_repeated_is_made_once(site: Site) -> None:
    """In sequence and all at once."""
    admin, user = await administrator(site), await person(site)
    first = await _adjust(admin, user.id, "one")
    second = await _adjust(admin, user.id, "one")
    assert (first.code, second.code) == (200, 200)
    assert "Idempotency-Hit" not in first.headers and second.headers["Idempotency-Hit"] == "true"
    assert first.body.partition(b'"meta"')[0] == second.body.partition(b'"meta"')[0]
    assert (await _adjust(admin, user.id, "one", amount=6)).code == 422
    answers = await asyncio.gather(*(_adjust(admin, user.id, "two") for _ in range(20)))
    assert {answer.code for answer in answers} <= {200, 409}
    wallet = await wallets.wallet(site.services.database, user.id)
    assert wallet is not None and wallet["credits"] == 20_000_000
    rows, total = await audit_log.page(site.services.database, {"target": user.id}, skip=0, limit=10)
    assert total == 2 and {row["action"] for row in rows} == {"credits.adjust"}
    for bad in ("", "x" * 256):
        assert (await _adjust(admin, user.id, bad)).code == 422


@pytest.fixture
def other_node(site: Site, open_hub: Callable[..., Services]) -> Services:
    """A second node on the same database."""
    return open_hub(HUB_RATE_LIMITS="off")


@pytest.mark.gen_test
async def test_two_nodes_leave_one_administrator(site: Site, other_node: Services) -> None:
    """Each node's transaction sees both; the lock makes the second one look again."""
    services = site.services
    for _ in range(10):
        people = [await administrator(site), await administrator(site)]
        changes = [
            node.administration.change_user(Actor(one.id, "127.0.0.1", "req_1"), one.id, {"role": "user"}, None)
            for node, one in zip((services, other_node), people, strict=True)
        ]
        results = await asyncio.gather(*changes, return_exceptions=True)
        refused = [result for result in results if isinstance(result, HubError)]
        assert [error.code for error in refused] == [Code.CONFLICT]
        assert await services.database[USERS].count({"role": "admin", "status": "active"}) == 1
        await services.database[USERS].update_many({}, {"$set": {"role": "user"}})


@pytest.mark.gen_test
async def test_a_demoted_administrator_finishes_nothing(site: Site) -> None:
    """The request was let in before; the transaction looks again."""
    admin, other, user = await administrator(site), await administrator(site), await person(site)
    actor = Actor(other.id, "127.0.0.1", "req_1")
    await site.services.database[USERS].update_one({"_id": other.id}, {"$set": {"role": "user"}})
    with pytest.raises(HubError) as caught:
        await site.services.administration.adjust_credits(actor, user.id, Adjustment(1, "bonus", "mine"))
    assert caught.value.code is Code.FORBIDDEN
    with pytest.raises(HubError):
        await site.services.administration.change_user(actor, admin.id, {"role": "user"}, None)


@pytest.mark.gen_test
async def test_a_composed_operation_stands_alone(site: Site) -> None:
    """One that refuses leaves no trace and harms no neighbour; one that fails is told so."""
    services = site.services
    wallet = await make_wallet(services.ledger, 100)

    async def refuses(transaction: Any) -> Operation:
        raise HubError(Code.CONFLICT, "no")

    async def doubles(transaction: Any) -> Operation:
        found = await wallets.wallet_within(transaction, wallet)
        assert found is not None
        return Operation(new_id("op"), legs=[Leg(wallet, "credit", "bonus", found["credits"], "twice")])

    async def cannot_be_written(transaction: Any) -> Operation:
        return Operation(new_id("op"), inserts=[Insert("notifications", {"_id": 2**70})])

    plain = Leg(wallet, "credit", "bonus", 1, "one")
    results = await asyncio.gather(
        services.ledger.commit(Operation("op_1", legs=[plain])),
        services.ledger.commit(Composed("op_2", refuses)),
        services.ledger.commit(Composed("op_3", doubles)),
        services.ledger.commit(Composed("op_4", cannot_be_written)),
        services.ledger.commit(Operation("op_5", legs=[plain])),
        return_exceptions=True,
    )
    codes = [result.code if isinstance(result, HubError) else None for result in results]
    assert codes == [None, Code.CONFLICT, None, Code.INTERNAL, None]
    state = await services.ledger.wallet(wallet)
    assert (state.credits, state.seq) == (203, 4)
