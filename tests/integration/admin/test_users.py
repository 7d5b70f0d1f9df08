"""Administrators and users: lists, changes, credits, who is left, and what is written of it."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from hub.operations import Operation, PlaceHold
from models import audit_log, wallets
from models.clock import now, timestamp
from models.logins import LOGINS
from models.users import USERS
from tests.contract.rows import HOSTS
from tests.integration.admin.people import Person, adjust, administrator, change, hang_up, person
from tests.patience import within
from tests.site import PASSWORD, Site
from tests.ws_client import Client


async def _rows(site: Site, **query: Any) -> list[dict[str, Any]]:
    return (await audit_log.page(site.services.database, query, skip=0, limit=100))[0]


async def _credits(site: Site, user: str) -> int:
    wallet = await wallets.wallet(site.services.database, user)
    assert wallet is not None
    return int(wallet["credits"])


async def _hold(site: Site, user: str, micro: int) -> None:
    place = PlaceHold("hold_1", user, micro, micro, site.services.node.id, now(), "stream_1", "msg_1", "gpt-4", 1)
    await site.services.ledger.commit(Operation("place_1", holds=[place]))


@pytest.mark.gen_test
async def test_only_administrators_get_in(site: Site) -> None:
    user = await person(site)
    for method, path in (
        ("GET", "/api/admin/users"),
        ("GET", f"/api/admin/users/{user.id}"),
        ("PUT", f"/api/admin/users/{user.id}"),
        ("POST", f"/api/admin/users/{user.id}/credits/adjust"),
    ):
        body = {"role": "admin"} if method != "GET" else None
        assert (await user.client.request(method, path, body, status=403)).code == "AUTHORIZATION_FAILED"
        assert (await site.client().request(method, path, body, status=401)).code == "AUTHENTICATION_FAILED"
    assert await _credits(site, user.id) == 10_000_000


@pytest.mark.gen_test
async def test_a_tier_is_given_and_holds_at_once(site: Site) -> None:
    admin, user = await administrator(site), await person(site)
    client, host = user.client, {"Host": HOSTS["ai_playground"]}
    assert (await client.get("/api/auth/me", headers=host, dialect="ai_playground")).data["tier"] == "free"
    assert (await change(admin, user.id, tier="pro")).data["tier"] == "pro"
    me = (await client.get("/api/auth/me", headers=host, dialect="ai_playground")).data
    assert (me["tier"], me["quota"]["daily"]["limit"]) == ("pro", 2_000)
    for wrong in ("gold", "", 5, None):
        await change(admin, user.id, 422, tier=wrong)
    (row, *_), _ = await audit_log.page(site.services.database, {}, skip=0, limit=10)
    assert (row["action"], row["before"], row["after"]) == ("user.change", {"tier": "free"}, {"tier": "pro"})


@pytest.mark.gen_test
async def test_the_list_is_filtered_searched_and_sorted(site: Site) -> None:
    admin = await administrator(site, firstName="Zoe", email="zoe@example.com")
    first = await person(site, firstName="Ann.*", lastName="O'Hara", email="ann@example.com")
    second = await person(site, firstName="Bob", lastName="Jones", username="bobby1", email="bob@example.org")
    await change(admin, second.id, status="suspended")

    async def ids(query: str) -> list[str]:
        return [user["id"] for user in (await admin.client.get(f"/api/admin/users?{query}")).data]

    assert await ids("role=admin") == [admin.id]
    assert await ids("status=suspended") == [second.id]
    assert await ids("search=O%27HARA") == [first.id]
    assert await ids("search=n.*") == [first.id], "taken literally"
    assert await ids("search=.*") == [first.id]
    assert await ids("search=BOBBY1") == [second.id]
    assert await ids("search=ANN%40example") == [first.id]
    assert await ids("search=(a%2B)%2B%24") == []
    assert await ids("sort=email") == [first.id, second.id, admin.id]
    assert await ids("sort=createdAt&order=asc") == [admin.id, first.id, second.id]
    assert await ids("") == [second.id, first.id, admin.id]
    page = (await admin.client.get("/api/admin/users?limit=2&page=2")).body
    assert [user["id"] for user in page["data"]] == [admin.id]
    assert page["pagination"] == {
        "page": 2,
        "limit": 2,
        "total": 3,
        "totalPages": 2,
        "hasNext": False,
        "hasPrev": True,
    }
    assert "password" not in str(page) and "email_key" not in str(page)


@pytest.mark.gen_test
async def test_the_list_has_each_wallets_credits(site: Site) -> None:
    admin, first, second = await administrator(site), await person(site), await person(site)
    await adjust(admin, first.id, amount=2.5)
    await adjust(admin, second.id, amount=500)
    listed = (await admin.client.get("/api/admin/users")).data
    assert {user["id"]: user["credits"] for user in listed} == {admin.id: 10, first.id: 12.5, second.id: 510}


async def _idle(site: Site, user: str, hours: int) -> None:
    """As if neither the user nor any login of theirs had been used for so long."""
    past, database = now() - timedelta(hours=hours), site.services.database
    await database[USERS].update_one({"_id": user}, {"$set": {"last_active_at": past}})
    await database[LOGINS].update_many({"user": user}, {"$set": {"last_used_at": past}})


@pytest.mark.gen_test
async def test_the_list_is_sorted_by_who_was_active_last(site: Site) -> None:
    """Neither in the order of their making nor in that of their addresses."""
    admin, first, second = await administrator(site), await person(site), await person(site)
    for user, hours in ((first, 1), (second, 3), (admin, 2)):
        await _idle(site, user.id, hours)
    for order, expected in (("asc", [second.id, admin.id, first.id]), ("desc", [first.id, admin.id, second.id])):
        listed = (await admin.client.get(f"/api/admin/users?sort=lastActiveAt&order={order}")).data
        assert [user["id"] for user in listed] == expected
        times = [user["lastActiveAt"] for user in listed]
        assert times == sorted(times, reverse=order == "desc") and len(set(times)) == 3


@pytest.mark.gen_test
async def test_who_is_active_is_seen_so(site: Site) -> None:
    """By signing in, by a refresh, and by a cookie that was last used more than an hour ago."""
    admin, begun = await administrator(site), timestamp(now())
    registered = await site.register()
    user, tokens = registered["data"]["user"], registered["data"]["tokens"]
    sign_in = {"email": user["email"], "password": PASSWORD}

    async def cookie() -> str:
        answer = await site.client().post("/api/auth/login", sign_in)
        return answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0]

    async def is_seen() -> bool:
        found = (await admin.client.get(f"/api/admin/users/{user['id']}")).data["lastActiveAt"] >= begun
        await _idle(site, user["id"], 2)
        return found

    assert await is_seen(), "the sign-up"
    assert not await is_seen(), "nothing since"
    used_now = await cookie()
    assert await is_seen(), "the login"
    await site.client().post("/api/auth/refresh", {"refreshToken": tokens["refreshToken"]})
    assert await is_seen(), "the refresh"
    await site.client(cookie=used_now).get("/api/users/me")
    assert await is_seen(), "the cookie's use, two hours after the last one"
    fresh = await cookie()
    assert await is_seen(), "another login"
    await site.services.database[LOGINS].update_many({"user": user["id"]}, {"$set": {"last_used_at": now()}})
    await site.client(cookie=fresh).get("/api/users/me")
    assert not await is_seen(), "written once an hour at most"


@pytest.mark.gen_test
async def test_the_list_refuses_what_it_does_not_know(site: Site) -> None:
    admin = await administrator(site)
    for query in (
        *("sort=password", "sort=email_key", "sort=$where", "sort=_id", "order=up", "role=root", "role=%24ne"),
        *("status=any", "limit=-1", "limit=0", "limit=1e3", "page=0", "limit=5&limit=6", "search=" + "x" * 101),
        *("search=%00", "search=%ff"),
    ):
        answer = await admin.client.get(f"/api/admin/users?{query}", status=422)
        assert answer.code == "VALIDATION_ERROR" and answer.body["error"]["details"], query
    assert (await admin.client.get("/api/admin/users?limit=1000000000")).body["pagination"]["limit"] == 100
    assert (await admin.client.get("/api/admin/users?role[$ne]=user")).status == 200


@pytest.mark.gen_test
async def test_a_user_in_detail(site: Site) -> None:
    admin, user = await administrator(site), await person(site, username="ada99")
    data = (await admin.client.get(f"/api/admin/users/{user.id}")).data
    assert data["wallet"]["credits"] == data["credits"] == 10
    assert data["counts"] == {"conversations": 0, "logins": 1, "unreadNotifications": 1, "transactions": 1}
    assert (data["username"], data["status"], data["tier"]) == ("ada99", "active", "free")
    assert (await admin.client.get("/api/admin/users/user_nobody", status=404)).code == "RESOURCE_NOT_FOUND"


@pytest.mark.gen_test
async def test_a_change_stands_with_its_entry_its_events_and_its_row(site: Site) -> None:
    admin, user = await administrator(site), await person(site)
    data = (await change(admin, user.id, role="admin", status="active", credits=1500)).data
    assert (data["role"], data["credits"]) == ("admin", 1500)
    (entry, *_), _ = await wallets.entries(site.services.database, user.id, "credit", skip=0, limit=5)
    assert (entry["kind"], entry["amount"], entry["metadata"]) == ("adjustment", 1_490_000_000, {"by": admin.id})
    (row,) = await _rows(site)
    assert (row["actor"], row["action"], row["target"]) == (admin.id, "user.change", user.id)
    assert row["before"] == {"role": "user", "credits": 10_000_000}
    assert row["after"] == {"role": "admin", "credits": 1_500_000_000}
    assert row["request_id"].startswith("req_") and row["address"] == "127.0.0.1"
    events = await site.services.database["events"].find({"channel": f"user:{user.id}"}, limit=10)
    told = {event["type"]: event["data"] for event in events}
    assert {"user.updated", "credit.adjusted", "notification.created"} <= told.keys()
    assert told["user.updated"].keys() == {"user_id", "changed", "updated_at"}, "as after a change of one's own"
    assert told["user.updated"]["changed"] == ["role"]
    assert (await user.client.get("/api/admin/users")).status == 200, "it is true at once"
    await change(admin, user.id, role="admin", credits=1500)
    assert len(await _rows(site)) == 1, "what is so already leaves no trace"


@pytest.mark.gen_test
async def test_a_balance_is_not_set_below_what_is_held(site: Site) -> None:
    admin, user = await administrator(site), await person(site)
    await _hold(site, user.id, 4_000_000)
    assert (await change(admin, user.id, 409, role="admin", credits=3.999999)).code == "RESOURCE_CONFLICT"
    assert (await adjust(admin, user.id, 409, amount=-7, type="adjustment")).code == "RESOURCE_CONFLICT"
    assert await _credits(site, user.id) == 10_000_000 and await _rows(site) == []
    stored = await site.services.database[USERS].find_one({"_id": user.id})
    assert stored is not None and stored["role"] == "user", "all or nothing"
    assert (await change(admin, user.id, credits=4)).data["wallet"]["creditsHeld"] == 4
    assert await site.services.drift.check() == 0


@pytest.mark.gen_test
async def test_what_may_not_be_written_is_refused(site: Site) -> None:
    admin, user = await administrator(site), await person(site)
    before = await site.services.database[USERS].find_one({"_id": user.id})
    for field, value in {
        **dict.fromkeys(("is_admin", "balance", "user_id", "_id", "email_verified", "plan", "email", "tier"), "x"),
        "role": "root",
        "status": {"$ne": "active"},
        "credits": -1,
    }.items():
        answer = await change(admin, user.id, 422, **{field: value})
        assert [detail["field"] for detail in answer.body["error"]["details"]] == [field]
    for credits in (None, True, "5", 0.0000001, 10**12, [1]):
        await change(admin, user.id, 422, credits=credits)
    await change(admin, user.id, 422)
    assert await site.services.database[USERS].find_one({"_id": user.id}) == before
    for fields in (
        {"amount": 0},
        {"amount": -1},
        {"amount": "5"},
        {"type": "usage"},
        {"type": "purchase"},
        {"reason": ""},
    ):
        await adjust(admin, user.id, 422, **fields)
    assert await _credits(site, user.id) == 10_000_000 and await _rows(site) == []


@pytest.mark.gen_test
async def test_credits_are_adjusted_with_a_reason(site: Site) -> None:
    admin, user = await administrator(site), await person(site)
    data = (await adjust(admin, user.id, amount=500.5, reason="Promotional credit")).data
    assert (data["credits"], data["amount"], data["type"]) == (510.5, 500.5, "bonus")
    assert data["transactionId"].startswith("txn_")
    assert (await adjust(admin, user.id, amount=-10.5, type="adjustment")).data["credits"] == 500
    rows = await _rows(site, target=user.id)
    assert [(row["action"], row["reason"]) for row in rows] == [
        ("credits.adjust", "A test"),
        ("credits.adjust", "Promotional credit"),
    ]
    listed = (await admin.client.get("/api/admin/audit-log")).data
    assert [entry["type"] for entry in listed] == [row["kind"] for row in rows] == ["adjustment", "bonus"]
    entries, _ = await wallets.entries(site.services.database, user.id, "credit", skip=0, limit=2)
    assert [entry["kind"] for entry in entries] == ["adjustment", "bonus"]
    assert rows[0]["before"] == {"credits": 510_500_000} and rows[0]["after"] == {"credits": 500_000_000}
    await adjust(admin, "user_nobody", 404)


@pytest.mark.gen_test
async def test_twins_of_an_adjustment_get_the_winners_answer(site: Site) -> None:
    admin, user = await administrator(site), await person(site)
    path, body = f"/api/admin/users/{user.id}/credits/adjust", {"amount": 5, "reason": "A test", "type": "bonus"}
    calls = [admin.client.raw("POST", path, body, {"Idempotency-Key": "k"}) for _ in range(20)]
    answers = await asyncio.gather(*calls)
    good = [answer for answer in answers if answer.code == 200]
    (winner,) = [answer for answer in good if "Idempotency-Hit" not in answer.headers]
    told = json.loads(winner.body)["data"]
    assert [json.loads(answer.body)["data"] for answer in good] == [told] * len(good) and told["credits"] == 15
    assert {answer.code for answer in answers} <= {200, 409}
    assert await _credits(site, user.id) == 15_000_000 and len(await _rows(site)) == 1


@pytest.mark.gen_test
async def test_nobody_grants_to_himself(site: Site) -> None:
    admin = await administrator(site)
    assert (await adjust(admin, admin.id, 403)).code == "AUTHORIZATION_FAILED"
    assert (await change(admin, admin.id, 403, credits=1500)).code == "AUTHORIZATION_FAILED"
    assert await _credits(site, admin.id) == 10_000_000


@pytest.mark.gen_test
async def test_the_last_administrator_stays(site: Site) -> None:
    admin = await administrator(site)
    assert (await change(admin, admin.id, 409, role="user")).code == "RESOURCE_CONFLICT"
    await change(admin, admin.id, 409, status="suspended")
    other = await administrator(site)
    await change(other, other.id, status="suspended")
    await change(admin, admin.id, 409, role="user")  # a suspended one does not count


async def _left(site: Site) -> int:
    return await site.services.database[USERS].count({"role": "admin", "status": "active"})


@pytest.mark.gen_test
async def test_two_administrators_cannot_end_each_other(site: Site) -> None:
    for attempt in range(5):
        one, other = await administrator(site), await administrator(site)
        answers = await asyncio.gather(_demote(one, other), _demote(other, one))
        assert sorted(answers) == [200, 403], attempt
        assert await _left(site) == 1
        await site.services.database[USERS].update_many({}, {"$set": {"role": "user"}})


@pytest.mark.gen_test
async def test_two_administrators_cannot_both_leave(site: Site) -> None:
    for _ in range(5):
        one, other = await administrator(site), await administrator(site)
        answers = await asyncio.gather(_demote(one, one), _demote(other, other))
        assert sorted(answers) == [200, 409]
        assert await _left(site) == 1
        await site.services.database[USERS].update_many({}, {"$set": {"role": "user"}})


async def _demote(who: Person, whom: Person) -> int:
    response = await who.client.raw("PUT", f"/api/admin/users/{whom.id}", {"role": "user"})
    return int(response.code)


@pytest.mark.gen_test
async def test_a_suspended_user_is_cut_off_within_a_second(site: Site) -> None:
    admin, user = await administrator(site), await person(site)
    socket = await Client.open(site.port)
    await socket.request("connect", token=user.token)
    async with within(1):
        closing = asyncio.ensure_future(socket.close_code())
        await change(admin, user.id, status="suspended")
        assert await closing == 4502
    await user.client.get("/api/users/me", status=401)
    body = {"email": user.email, "password": "CorrectHorse9"}
    await site.client().post("/api/auth/login", body, status=403)
    assert await site.services.database["logins"].count({"user": user.id}) == 0
    await change(admin, user.id, status="active")
    await user.client.get("/api/users/me", status=401)  # what was ended stays so
    await site.client().post("/api/auth/login", body)


@pytest.mark.gen_test
async def test_a_demoted_administrators_feed_ends(site: Site) -> None:
    admin, other = await administrator(site), await administrator(site)
    socket = await Client.open(site.port)
    await socket.request("connect", token=other.token)
    await socket.request("subscribe", channel="admin:metrics")
    await change(admin, other.id, role="user")
    reply = await socket.request("subscribe", channel="admin:events")
    assert reply["error"]["code"] == "AUTHORIZATION_FAILED"
    await hang_up(site)
