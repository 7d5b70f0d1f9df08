"""Notifications by REST: the list, read marks that reach open sockets, and settings that every notice obeys."""

import asyncio
from typing import Any

import pytest

from config import limits
from hub.notifications import notice
from hub.operations import Operation
from models.ids import new_id
from models.notification_settings import CATEGORIES, MEDIA
from models.notifications import NOTIFICATIONS
from tests.api_client import ApiClient
from tests.factories import tell
from tests.site import Site
from tests.site_sockets import sockets_end
from tests.ws_client import Client

__all__ = ["sockets_end"]

LIST = "/api/notifications"
SETTINGS = "/api/notifications/settings"


async def _user(site: Site) -> tuple[str, str, ApiClient]:
    registered = await site.register()
    token = registered["access_token"]
    return registered["data"]["user"]["id"], token, site.client(token=token)


async def _tell(site: Site, user: str, title: str, category: str = "system") -> str:
    return await tell(site.services, user, title, "text", category)


async def _connected(site: Site, token: str) -> Client:
    client = await Client.open(site.port)
    await client.request("connect", token=token)
    return client


def _titles(answer: Any) -> list[str]:
    return [one["title"] for one in answer.data]


@pytest.mark.gen_test
async def test_the_list_is_paged_and_filtered(site: Site) -> None:
    user, _, client = await _user(site)
    ids = [await _tell(site, user, f"n{number}") for number in range(4)]
    first = await client.get(f"{LIST}?page=1&limit=2")
    assert _titles(first) == ["n3", "n2"]
    assert first.body["pagination"] == {
        "page": 1,
        "limit": 2,
        "total": 5,
        "totalPages": 3,
        "hasNext": True,
        "hasPrev": False,
    }
    assert _titles(await client.get(f"{LIST}?page=3&limit=2")) == ["Welcome to Smart AI Hub"]
    read = await client.request("PUT", f"{LIST}/{ids[3]}/read", status=200)
    assert read.data["id"] == ids[3] and read.data["read"] is True
    assert _titles(await client.get(f"{LIST}?unread=true&limit=2")) == ["n2", "n1"]
    assert (await client.get(f"{LIST}?unread=true")).body["pagination"]["total"] == 4
    assert len(_titles(await client.get(f"{LIST}?unread=false"))) == 5
    refused = await client.get(f"{LIST}?unread=maybe", status=422)
    assert refused.body["error"]["details"][0]["field"] == "unread"


@pytest.mark.gen_test
async def test_marks_reach_every_socket_once(site: Site) -> None:
    user, token, client = await _user(site)
    tabs = [await _connected(site, token) for _ in range(2)]
    told = await _tell(site, user, "one")
    for tab in tabs:
        assert (await tab.event("notification.created"))["event"]["data"]["id"] == told
    for _ in range(2):  # a second time changes nothing, and tells nobody
        await client.request("PUT", f"{LIST}/{told}/read", status=200)
    assert (await client.request("PUT", f"{LIST}/read-all", status=200)).data == {"marked": 1}
    assert (await client.request("PUT", f"{LIST}/read-all", status=200)).data == {"marked": 0}
    for tab in tabs:
        marks = [(await tab.event("notification.read"))["event"]["data"] for _ in range(2)]
        assert marks == [{"ids": [told]}, {"all": True}]
        assert (await tab.request("notifications.list"))["unread"] == 0
    assert (await client.get(f"{LIST}?unread=true")).data == []


@pytest.mark.gen_test
async def test_others_do_not_exist(site: Site) -> None:
    user, _, client = await _user(site)
    _, _, stranger = await _user(site)
    told = await _tell(site, user, "mine")
    for one in (told, "notif_unknown"):
        refused = await stranger.request("PUT", f"{LIST}/{one}/read", status=404)
        assert refused.code == "RESOURCE_NOT_FOUND"
    assert (await client.get(f"{LIST}?unread=true")).data[0]["id"] == told
    assert "mine" not in _titles(await stranger.get(LIST))
    assert (await site.client().get(LIST, status=401)).code == "AUTHENTICATION_FAILED"


@pytest.mark.gen_test
async def test_settings_begin_complete_and_are_changed_in_part(site: Site) -> None:
    _, _, client = await _user(site)
    every = dict.fromkeys(MEDIA, True)
    begin = (await client.get(SETTINGS)).data
    assert begin == {
        **{f"{medium}Notifications": True for medium in MEDIA},
        "categories": dict.fromkeys(CATEGORIES, every),
    }
    changes = [{"pushNotifications": False}, {"categories": {"billing": {"push": False}}}, {}]
    changes += [{"categories": {"billing": {"email": False}, "account": {}}}]
    for change in changes:
        shown = (await client.request("PUT", SETTINGS, change, status=200)).data
    assert shown == (await client.get(SETTINGS)).data
    assert shown["pushNotifications"] is False and shown["emailNotifications"] is True
    assert shown["categories"]["billing"] == {"email": False, "push": False, "inApp": True}
    assert shown["categories"]["account"] == every


@pytest.mark.gen_test
async def test_two_changes_at_once_both_hold(site: Site) -> None:
    _, _, client = await _user(site)
    given = [{"categories": {name: {"email": False}}} for name in CATEGORIES]
    await asyncio.gather(*(client.request("PUT", SETTINGS, change, status=200) for change in given))
    shown = (await client.get(SETTINGS)).data["categories"]
    assert [shown[name]["email"] for name in CATEGORIES] == [False] * len(CATEGORIES)


@pytest.mark.gen_test
async def test_settings_are_strict(site: Site) -> None:
    _, _, client = await _user(site)
    body = {
        "emailNotifications": "true",
        "pushNotifications": 1,
        "inAppNotifications": None,
        "sms": True,
        "categories": {"billing": {"email": 0, "fax": True}, "gossip": {}, "account": True, "a.b": {"email": True}},
    }
    refused = await client.request("PUT", SETTINGS, body, status=422)
    assert {detail["field"] for detail in refused.body["error"]["details"]} == {
        *("emailNotifications", "pushNotifications", "inAppNotifications", "sms"),
        *("categories.billing.email", "categories.billing.fax", "categories.gossip", "categories.account"),
        "categories.a.b",
    }
    await client.request("PUT", SETTINGS, b"{", status=400)
    await client.request("PUT", SETTINGS, [], status=422)
    assert (await client.get(SETTINGS)).data["categories"]["billing"]["email"] is True


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "change", [{"inAppNotifications": False}, {"categories": {"billing": {"inApp": False}}}], ids=["all", "billing"]
)
async def test_what_is_not_wanted_is_neither_listed_nor_pushed(site: Site, change: dict[str, Any]) -> None:
    user, token, client = await _user(site)
    tab = await _connected(site, token)
    await client.request("PUT", SETTINGS, {"emailNotifications": False, **change}, status=200)
    hidden = await _tell(site, user, "unwanted", "billing")
    insert, event = notice(user, "info", "billing", "unwanted too", "text")
    await site.services.ledger.commit(Operation(id=new_id("op"), inserts=[insert], events=[event]))
    await client.request(
        "PUT", SETTINGS, {"inAppNotifications": True, "categories": {"billing": {"inApp": True}}}, status=200
    )
    await _tell(site, user, "wanted", "billing")
    assert (await tab.event("notification.created"))["event"]["data"]["title"] == "wanted"
    assert _titles(await client.get(LIST)) == ["wanted", "Welcome to Smart AI Hub"]
    assert (await tab.request("notifications.list"))["unread"] == 2
    await client.request("PUT", f"{LIST}/{hidden}/read", status=404)
    assert (await tab.request("notifications.read", ids=[hidden]))["marked"] == 0


@pytest.mark.gen_test
async def test_rows_say_by_which_media(site: Site) -> None:
    """Mail and push are delivered from the rows, those included that are not shown."""
    user, _, client = await _user(site)
    await _tell(site, user, "all")
    await client.request("PUT", SETTINGS, {"categories": {"system": {"inApp": False}}}, status=200)
    await _tell(site, user, "outside")
    await client.request("PUT", SETTINGS, {"emailNotifications": False, "pushNotifications": False}, status=200)
    await _tell(site, user, "none")
    rows = await site.services.database[NOTIFICATIONS].find({"user": user}, limit=10, sort=[("_id", 1)])
    assert [(row["title"], row["media"], row.get("hidden", False)) for row in rows[1:]] == [
        ("all", ["email", "push", "inApp"], False),
        ("outside", ["email", "push"], True),
    ]
    lives = rows[2]["expires_at"] - rows[2]["created_at"]
    assert lives.days == limits.EVENT_DAYS


@pytest.mark.gen_test
async def test_all_are_marked_however_many(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "NOTIFICATIONS_MARKED_AT_ONCE", 3)
    user, _, client = await _user(site)
    for number in range(5):
        await _tell(site, user, f"n{number}")
    assert (await client.request("PUT", f"{LIST}/read-all", status=200)).data == {"marked": 6}
    assert (await client.get(f"{LIST}?unread=true")).data == []
