"""Browser push, from a notification to what a browser reads of it, by a push service of our own."""

import asyncio
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

import http_ece
import pytest
from tornado.ioloop import IOLoop

from config import limits, outgoing
from hub.notices.by_push import payload
from hub.notices.media import TellFailed
from hub.services import Services
from models import users
from models.clock import now
from models.database import Document
from models.hub_keys import HUB_KEYS
from models.ids import new_id
from models.notifications import new_notification
from models.push_subscriptions import PUSH_SUBSCRIPTIONS
from tests.api_client import ApiClient
from tests.factories import tell
from tests.patience import until
from tests.site import PASSWORD, Site
from tests.stand_ins.push_service import Push, PushService, Subscriber, base64url

PUSH = "/api/notifications/push"
SUBSCRIPTIONS = f"{PUSH}/subscriptions"
SETTINGS = "/api/notifications/settings"


@pytest.fixture
def service(io_loop: IOLoop) -> Iterator[PushService]:
    """It finds no fault with any sender, but where a test says which."""
    service = PushService()
    io_loop.run_sync(service.start)
    yield service
    io_loop.run_sync(service.stop)
    assert service.faults == []


class Reader:
    """A user with a client, and browsers that they are told in."""

    def __init__(self, site: Site, service: PushService, registered: dict[str, Any]) -> None:
        self.id = str(registered["data"]["user"]["id"])
        self.email = str(registered["user"]["email"])
        self.client: ApiClient = site.client(token=registered["access_token"])
        self._site = site
        self._service = service

    async def subscribes(self, client: ApiClient | None = None) -> tuple[Subscriber, str]:
        """A new browser, and its id."""
        browser = Subscriber(self._service.new_endpoint())
        return browser, await self.posts(browser, client)

    async def posts(self, browser: Subscriber, client: ApiClient | None = None) -> str:
        answer = await (client or self.client).post(SUBSCRIPTIONS, browser.subscription, status=201)
        return str(answer.data["id"])

    async def listed(self) -> list[str]:
        return [one["id"] for one in (await self.client.get(PUSH)).data["subscriptions"]]

    async def is_told(self, *titles: str, category: str = "system") -> list[Document]:
        """By the medium itself, of notifications that are nowhere but here."""
        notes = [note(self.id, title, category=category) for title in titles]
        await self.is_told_of(notes)
        return notes

    async def is_told_of(self, notes: list[Document]) -> None:
        user = await users.by_id(self._site.services.database, self.id)
        assert user is not None
        await self._site.services.notices.push.tell(user, notes)


def note(user: str, title: str, text: str = "text", category: str = "system") -> Document:
    return new_notification(new_id("notif"), user, "info", category, title, text, now())


async def reader(site: Site, service: PushService) -> Reader:
    return Reader(site, service, await site.register())


def heard(browser: Subscriber, service: PushService) -> list[Push]:
    """What came for a browser, but the welcome, which comes whenever it comes."""
    return [push for push in service.at(browser.endpoint) if browser.read(push)["title"] != "Welcome to Smart AI Hub"]


def titles(browser: Subscriber, service: PushService) -> list[str]:
    return [browser.read(push)["title"] for push in heard(browser, service)]


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows another notification waits for no pause."""
    monkeypatch.setitem(outgoing.NOTICE_PAUSE_SECONDS, "push", 0.0)


@pytest.mark.gen_test
@pytest.mark.usefixtures("_at_once")
async def test_a_notification_reaches_every_browser_of_its_user(site: Site, service: PushService) -> None:
    """From the commit to the text that only these browsers can read."""
    ada, other = await reader(site, service), await reader(site, service)
    (phone, _), (desktop, _) = await ada.subscribes(), await ada.subscribes()
    foreign, _ = await other.subscribes()
    told = await tell(site.services, ada.id, "Credits are low", "You have 2 left", "billing")
    await until(lambda: heard(phone, service) and heard(desktop, service))
    (push,) = heard(phone, service)
    assert (
        phone.read(push)
        == desktop.read(heard(desktop, service)[0])
        == {
            "id": told,
            "title": "Credits are low",
            "body": "You have 2 left",
            "category": "billing",
            "url": "/",
            "tag": told,
        }
    )
    assert b"low" not in push.body and heard(foreign, service) == []
    with pytest.raises(http_ece.ECEException):
        foreign.read(push)
    _shows_who_sends(push, site)


def _shows_who_sends(push: Push, site: Site) -> None:
    assert push.key == site.services.notices.push.subscriptions.public_key
    assert push.claims["sub"] == "mailto:no-reply@localhost"
    assert 0 < push.claims["exp"] - time.time() <= outgoing.PUSH_TOKEN_SECONDS
    headers = (push.headers["TTL"], push.headers["Urgency"], push.headers["Content-Encoding"])
    assert headers == (str(outgoing.PUSH_LIFE_SECONDS), "normal", "aes128gcm")


@pytest.mark.gen_test
@pytest.mark.usefixtures("_at_once")
async def test_settings_hold_for_pushes(site: Site, service: PushService) -> None:
    ada = await reader(site, service)
    browser, _ = await ada.subscribes()
    await ada.client.request("PUT", SETTINGS, {"categories": {"billing": {"push": False}}}, status=200)
    await tell(site.services, ada.id, "unwanted", "text", "billing")
    await tell(site.services, ada.id, "wanted", "text", "security")
    await until(lambda: heard(browser, service))
    assert titles(browser, service) == ["wanted"]
    assert heard(browser, service)[0].headers["Urgency"] == "high"


@pytest.mark.gen_test
async def test_few_are_told_one_by_one_and_many_together(site: Site, service: PushService) -> None:
    ada = await reader(site, service)
    browser, _ = await ada.subscribes()
    await ada.is_told("one", "two", "three")
    assert titles(browser, service) == ["one", "two", "three"]
    notes = await ada.is_told(*(f"n{number}" for number in range(7)))
    push = heard(browser, service)[-1]
    assert len(heard(browser, service)) == 4
    assert browser.read(push) == {
        "id": notes[-1]["_id"],
        "title": "7 new notifications",
        "body": "n6\nn5\nn4\nn3\nn2\nn1\nn0",
        "category": "system",
        "url": "/",
        "tag": notes[-1]["_id"],
    }
    topics = [push.headers["Topic"] for push in heard(browser, service)]
    assert len(set(topics)) == 4 and topics[-1] == notes[-1]["_id"].removeprefix("notif_")


@pytest.mark.gen_test
@pytest.mark.parametrize("char", ["a", "💬", "\x01", '"'], ids=["ascii", "emoji", "control", "quote"])
async def test_the_longest_text_fits(site: Site, service: PushService, char: str) -> None:
    ada = await reader(site, service)
    browser, _ = await ada.subscribes()
    await ada.is_told_of([note(ada.id, char * 5_000, char * 50_000)])
    (push,) = heard(browser, service)
    assert len(browser.text(push)) <= outgoing.PUSH_PAYLOAD_BYTES_MAX
    told = browser.read(push)
    assert told["title"] == char * (outgoing.PUSH_TITLE_CHARS_MAX - 1) + "…"
    assert told["body"].endswith("…") and set(told["body"]) == {char, "…"}


def test_what_has_no_shared_category_has_none() -> None:
    notes = [note("user_1", "one", category="billing"), note("user_1", "two", category="system")]
    assert b'"category":null' in payload(notes) and b'"category":"system"' in payload(notes[1:])


@pytest.mark.gen_test
@pytest.mark.parametrize("status", [404, 410, 400, 401, 403])
async def test_a_browser_that_is_gone_or_refuses_us_is_forgotten(site: Site, service: PushService, status: int) -> None:
    ada = await reader(site, service)
    (browser, _), (other, other_id) = await ada.subscribes(), await ada.subscribes()
    service.answers[browser.endpoint] = status
    await ada.is_told("one", "two")
    assert await ada.listed() == [other_id]
    assert titles(browser, service) == ["one"], "whoever has refused is not asked again"
    assert titles(other, service) == ["one", "two"]


@pytest.mark.gen_test
async def test_who_is_busy_is_asked_again_and_nobody_else(site: Site, service: PushService) -> None:
    ada = await reader(site, service)
    (busy, busy_id), (free, free_id) = await ada.subscribes(), await ada.subscribes()
    service.answers[busy.endpoint], service.retry_after = 429, "42"
    notes = [note(ada.id, "one"), note(ada.id, "two")]
    with pytest.raises(TellFailed) as failed:
        await ada.is_told_of(notes)
    assert failed.value.retry_after_seconds == 42 and "429" in str(failed.value)
    assert titles(busy, service) == ["one"] and titles(free, service) == ["one", "two"]
    del service.answers[busy.endpoint]
    await ada.is_told_of([*notes, note(ada.id, "three")])
    assert titles(free, service) == ["one", "two", "three"]
    assert titles(busy, service) == ["one", "one", "two", "three"], "the first was not taken"
    assert set(await ada.listed()) == {busy_id, free_id}


@pytest.mark.gen_test
async def test_a_date_says_when_to_come_again_too(site: Site, service: PushService) -> None:
    ada = await reader(site, service)
    browser, _ = await ada.subscribes()
    service.answers[browser.endpoint], service.retry_after = 429, formatdate(time.time() + 600, usegmt=True)
    with pytest.raises(TellFailed) as failed:
        await ada.is_told("one")
    pause = failed.value.retry_after_seconds
    assert pause is not None and 500 < pause <= 600


@pytest.mark.gen_test
@pytest.mark.parametrize("status", [413, 500, 503, 302])
async def test_other_failures_are_tried_again(site: Site, service: PushService, status: int) -> None:
    ada = await reader(site, service)
    browser, browser_id = await ada.subscribes()
    service.answers[browser.endpoint] = status
    with pytest.raises(TellFailed, match=str(status)):
        await ada.is_told("one")
    assert await ada.listed() == [browser_id]


@pytest.mark.gen_test
async def test_a_service_that_is_away_is_tried_again(site: Site, service: PushService) -> None:
    ada = await reader(site, service)
    away = Subscriber("http://127.0.0.1:9/send/x")
    away_id = await ada.posts(away)
    with pytest.raises(TellFailed, match="cannot connect"):
        await ada.is_told("one")
    assert await ada.listed() == [away_id]


@pytest.mark.gen_test
async def test_a_slow_service_is_not_waited_for(
    site: Site, service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await reader(site, service)
    (quick, _), (slow, _) = await ada.subscribes(), await ada.subscribes()
    service.silent.add(slow.endpoint)
    monkeypatch.setattr(outgoing, "PUSH_SECONDS_MAX", 0.5)
    with pytest.raises(TellFailed, match="too slow"):
        await ada.is_told("one")
    assert titles(quick, service) == ["one"]


@pytest.mark.gen_test
async def test_who_has_no_browser_is_told_nothing(site: Site, service: PushService) -> None:
    await (await reader(site, service)).is_told("one")
    assert service.pushes == []


@pytest.mark.gen_test
async def test_a_subscription_is_listed_renewed_and_removed(site: Site, service: PushService) -> None:
    ada = await reader(site, service)
    browser = Subscriber(service.new_endpoint())
    headers = {"User-Agent": "A browser " + "x" * 500}
    made = (await ada.client.post(SUBSCRIPTIONS, browser.subscription, status=201, headers=headers)).data
    assert made["origin"] == service.url and made["userAgent"] == headers["User-Agent"][: outgoing.USER_AGENT_CHARS_MAX]
    assert set(made) == {"id", "origin", "userAgent", "createdAt"}, "no address, and no key"
    assert (await ada.client.get(PUSH)).data["subscriptions"] == [made]
    fresh = Subscriber(browser.endpoint)  # the same browser with other keys
    assert await ada.posts(fresh) == made["id"]
    assert len(await ada.listed()) == 1
    await ada.is_told("one")
    assert titles(fresh, service) == ["one"]
    await ada.client.request("DELETE", f"{SUBSCRIPTIONS}/{made['id']}", status=200)
    await ada.client.request("DELETE", f"{SUBSCRIPTIONS}/{made['id']}", status=404)
    await ada.is_told("two")
    assert await ada.listed() == [] and titles(fresh, service) == ["one"]


@pytest.mark.gen_test
async def test_others_neither_see_nor_remove_it(site: Site, service: PushService) -> None:
    ada, stranger = await reader(site, service), await reader(site, service)
    _, browser_id = await ada.subscribes()
    await stranger.client.request("DELETE", f"{SUBSCRIPTIONS}/{browser_id}", status=404)
    assert await stranger.listed() == [] and await ada.listed() == [browser_id]
    await site.client().get(PUSH, status=401)
    await site.client().post(SUBSCRIPTIONS, Subscriber(service.new_endpoint()).subscription, status=401)


@pytest.mark.gen_test
async def test_a_browser_is_whose_user_subscribed_last(site: Site, service: PushService) -> None:
    first, second = await reader(site, service), await reader(site, service)
    browser, first_id = await first.subscribes()
    second_id = await second.posts(browser)
    assert second_id != first_id and (await first.listed(), await second.listed()) == ([], [second_id])
    await first.is_told("of the first")
    await second.is_told("of the second")
    assert titles(browser, service) == ["of the second"]


@pytest.mark.gen_test
async def test_two_users_of_one_browser_at_once_leave_one(site: Site, service: PushService) -> None:
    people = [await reader(site, service) for _ in range(4)]
    browser = Subscriber(service.new_endpoint())
    answers = await asyncio.gather(*(each.client.raw("POST", SUBSCRIPTIONS, browser.subscription) for each in people))
    assert {answer.code for answer in answers} <= {201, 409}
    assert sum([len(await each.listed()) for each in people]) == 1


@pytest.mark.gen_test
async def test_the_one_that_was_renewed_longest_ago_makes_room(
    site: Site, service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "PUSH_SUBSCRIPTIONS_MAX", 3)
    ada = await reader(site, service)
    made = [await ada.subscribes() for _ in range(3)]
    await ada.posts(made[0][0])
    _, newest = await ada.subscribes()
    assert await ada.listed() == [newest, made[0][1], made[2][1]]
    assert await site.services.database[PUSH_SUBSCRIPTIONS].count({"user": ada.id}) == 3


@pytest.mark.gen_test
async def test_it_goes_with_the_login_that_made_it(site: Site, service: PushService) -> None:
    """A sign-out, and another password, which ends all logins but that by which it was given."""
    ada = await reader(site, service)
    kept, kept_id = await ada.subscribes()
    logins = []
    for _ in range(2):
        login = await site.client().post("/api/auth/login", {"email": ada.email, "password": PASSWORD})
        logins.append(site.client(token=login.data["tokens"]["accessToken"]))
    (left, _), (ended, _) = [await ada.subscribes(login) for login in logins]
    assert len(await ada.listed()) == 3
    await logins[0].post("/api/auth/logout", {})
    await ada.is_told("one")
    change = {"currentPassword": PASSWORD, "newPassword": "Another horse 9 battery"}
    await ada.client.request("PUT", "/api/users/me/password", change, status=200)
    await ada.is_told("two")
    assert [titles(browser, service) for browser in (left, ended, kept)] == [[], ["one"], ["one", "two"]]
    assert await ada.listed() == [kept_id]
    assert await site.services.database[PUSH_SUBSCRIPTIONS].count({"user": ada.id}) == 1


@pytest.mark.gen_test
async def test_who_is_suspended_is_told_nothing(site: Site, service: PushService) -> None:
    ada = await reader(site, service)
    browser, _ = await ada.subscribes()
    admin = site.client(token=await site.admin_token())
    await admin.request("PUT", f"/api/admin/users/{ada.id}", {"status": "suspended"}, status=200)
    await ada.is_told("one")
    assert titles(browser, service) == []
    assert await site.services.database[PUSH_SUBSCRIPTIONS].count({"user": ada.id}) == 0


def _with(path: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    """Sets a field, or leaves it out where the value is `...`."""

    def change(subscription: dict[str, Any]) -> None:
        *outer, name = path.split(".")
        inner = subscription[outer[0]] if outer else subscription
        inner.pop(name) if value is ... else inner.update({name: value})

    return change


OFF_THE_CURVE = base64url(b"\x04" + b"\x01" * 64)
COMPRESSED = base64url(b"\x02" + b"\x01" * 32)
BAD = {
    "no endpoint": ("endpoint", ...),
    "an endpoint that is no address": ("endpoint", "push"),
    "a plain address": ("endpoint", "http://push.example.com/send"),
    "a private address": ("endpoint", "https://192.168.0.1/send"),
    "a metadata address": ("endpoint", "https://169.254.169.254/send"),
    "an inner name": ("endpoint", "https://mongo.internal/send"),
    "another port": ("endpoint", "https://push.example.com:6379/send"),
    "credentials in it": ("endpoint", "https://user:secret@push.example.com/send"),
    "no host that can be signed": ("endpoint", "https://[2a00:1450:4001:81b::200e]/send"),
    "too long": ("endpoint", "https://push.example.com/" + "x" * limits.WEBHOOK_URL_CHARS_MAX),
    "no keys": ("keys", ...),
    "no p256dh": ("keys.p256dh", ...),
    "a point that is not on the curve": ("keys.p256dh", OFF_THE_CURVE),
    "a compressed point": ("keys.p256dh", COMPRESSED),
    "no base64url": ("keys.p256dh", "+" * 87),
    "p256dh as a number": ("keys.p256dh", 4),
    "a short auth": ("keys.auth", base64url(b"x" * 15)),
    "a long auth": ("keys.auth", base64url(b"x" * 17)),
    "an unknown field": ("keys.more", "x"),
    "a time that has passed": ("expirationTime", 1_600_000_000_000),
    "a time in words": ("expirationTime", "tomorrow"),
}


@pytest.mark.gen_test
@pytest.mark.parametrize(("field", "value"), BAD.values(), ids=BAD)
async def test_what_is_no_subscription_is_refused_by_name(
    site: Site, service: PushService, field: str, value: Any
) -> None:
    ada = await reader(site, service)
    body = Subscriber(service.new_endpoint()).subscription
    _with(field, value)(body)
    refused = await ada.client.post(SUBSCRIPTIONS, body, status=422)
    assert [detail["field"] for detail in refused.body["error"]["details"]] == [field]
    assert await ada.listed() == []


@pytest.fixture
def production_site(serve: Callable[..., Site]) -> Site:
    secrets = {"HUB_JWT_SECRET": "0123456789abcdef" * 4, "HUB_SERVICE_TOKEN": "fedcba9876543210" * 4}
    return serve(HUB_ENV="production", HUB_RATE_LIMITS="off", HUB_SMTP_URL="smtp://127.0.0.1:9", **secrets)


@pytest.mark.gen_test
async def test_in_production_our_own_machine_is_no_push_service(production_site: Site, service: PushService) -> None:
    ada = await reader(production_site, service)
    refused = await ada.client.post(SUBSCRIPTIONS, Subscriber(service.new_endpoint()).subscription, status=422)
    assert refused.body["error"]["details"][0]["field"] == "endpoint"


@pytest.mark.gen_test
async def test_an_expiry_is_kept(site: Site, service: PushService) -> None:
    ada = await reader(site, service)
    browser = Subscriber(service.new_endpoint())
    moment = (int(time.time()) + 3_600) * 1_000
    body = {**browser.subscription, "expirationTime": moment}
    made = (await ada.client.post(SUBSCRIPTIONS, body, status=201)).data
    rows = site.services.database[PUSH_SUBSCRIPTIONS]
    row = await rows.find_one({"_id": made["id"]})
    assert row is not None and row["expires_at"].timestamp() * 1_000 == moment
    await ada.posts(browser)
    row = await rows.find_one({"_id": made["id"]})
    assert row is not None and "expires_at" not in row


def test_two_nodes_share_one_key(io_loop: IOLoop, open_hub: Callable[..., Services]) -> None:
    """So does a third one, which starts later."""
    nodes = [open_hub() for _ in range(3)]
    assert len({node.notices.push.subscriptions.public_key for node in nodes}) == 1
    rows: list[Document] = io_loop.run_sync(lambda: nodes[0].database[HUB_KEYS].find({}, limit=10))
    assert [row["_id"] for row in rows] == ["vapid"]


@pytest.mark.gen_test
async def test_the_service_worker_is_at_the_root_and_never_old(site: Site) -> None:
    for method in ("GET", "HEAD"):
        answer = await site.client().raw(method, "/sw.js")
        assert answer.code == 200 and answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["Content-Security-Policy"] == "default-src 'self'; frame-ancestors 'none'"
        assert ("showNotification" in answer.body.decode()) is (method == "GET")
