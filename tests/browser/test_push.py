"""The switch for notifications in this browser, and what its service worker shows of a push, in a real Chromium.

It registers at a stand-in of Google's, and what the hub pushes comes to it by the same way, to be decrypted by the browser
itself. What only the service worker is asked about is given to it through DevTools.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import CDPSession, Page, Playwright, expect

from tests.browser.conftest import CHROMIUM_FLAGS, WHOLE, installed
from tests.browser.visit import PASSWORD, Visit, Visitor
from tests.running_hub import RunningHub
from tests.stand_ins.browser_cloud import BrowserCloud
from tests.stand_ins.in_thread import in_thread
from tests.stand_ins.push_service import PushService

SUBSCRIPTIONS: Final = "/api/notifications/push/subscriptions"
PURCHASE: Final = {"packageId": "pkg_starter", "paymentMethodId": "pm_123", "amount": 1000}
ASK_JS: Final = """async ([method, path, body]) => {
  const headers = {"Content-Type": "application/json"};
  const answer = await fetch(path, {method, headers, body: body && JSON.stringify(body)});
  return JSON.stringify(await answer.json());
}"""
SUBSCRIBED_JS: Final = """async () => {
  const registration = await navigator.serviceWorker.getRegistration("/sw.js");
  return (await registration?.pushManager.getSubscription())?.endpoint ?? null;
}"""
SUBSCRIPTION_JS: Final = """async () => {
  const registration = await navigator.serviceWorker.getRegistration("/sw.js");
  return (await registration.pushManager.getSubscription()).toJSON();
}"""
DELIVERIES_MAX: Final = 6
SHOWN_JS: Final = """async (count) => {
  const registration = await navigator.serviceWorker.ready;
  let shown = await registration.getNotifications();
  for (let tries = 0; tries < 50 && shown.length !== count; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    shown = await registration.getNotifications();
  }
  return shown.map(({title, body, tag, data}) => ({title, body, tag, data}));
}"""
GONE_JS: Final = f"""async () => {{
  for (let tries = 0; tries < 100 && await ({SUBSCRIBED_JS})(); tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 100));
  if (await ({SUBSCRIBED_JS})()) throw new Error("it is subscribed still");
}}"""
# Browsers let a worker focus and open pages after a real click alone, which no test can make: it is noted what was asked.
CLICK_JS: Final = """async () => {
  const asked = [];
  WindowClient.prototype.focus = async function () { asked.push(["focus", this.url]); };
  self.clients.openWindow = async (url) => { asked.push(["open", url]); };
  const [notification] = await self.registration.getNotifications();
  let done;
  const click = new NotificationEvent("notificationclick", {notification});
  click.waitUntil = (work) => { done = work; };
  self.dispatchEvent(click);
  await done;
  return asked;
}"""


@pytest.fixture
def cloud() -> Iterator[BrowserCloud]:
    with in_thread(BrowserCloud()) as cloud:
        yield cloud


@pytest.fixture
def service() -> Iterator[PushService]:
    with in_thread(PushService()) as service:
        yield service
    assert service.faults == []


@pytest.fixture
def subscriber(playwright: Playwright, hub: RunningHub, cloud: BrowserCloud, tmp_path: Path) -> Iterator[Visit]:
    """A visit by a browser with a profile of its own, for private windows are never pushed to; it may notify."""
    profile, flags = _profile_that_allows(hub.url, tmp_path), [*CHROMIUM_FLAGS, *cloud.flags]
    context = playwright.chromium.launch_persistent_context(profile, executable_path=installed(WHOLE), args=flags)
    visit = Visit(context, hub.url)
    yield visit
    context.close()
    assert visit.faults == []


def _profile_that_allows(origin: str, folder: Path) -> Path:
    """As if a reader had allowed notifications once: a permission that DevTools give is none to what delivers pushes."""
    allowed = {f"{origin},*": {"setting": 1}}
    preferences = folder / "profile" / "Default" / "Preferences"
    preferences.parent.mkdir(parents=True)
    preferences.write_text(json.dumps({"profile": {"content_settings": {"exceptions": {"notifications": allowed}}}}))
    return folder / "profile"


def _ask(page: Page, method: str, path: str, body: Any = None) -> Any:
    answer = json.loads(page.evaluate(ASK_JS, [method, path, body]))
    assert answer["success"], answer
    return answer.get("data")


def _buy(visit: Visit) -> None:
    """As a program does: with a page's cookie the path speaks another API, which leads to a checkout."""
    ask, login = visit.context.request, {"email": visit.email, "password": PASSWORD}
    token = ask.post(f"{visit.url}/api/auth/login", data=login).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    bought = ask.post(f"{visit.url}/api/credits/purchase", data=PURCHASE, headers=headers)
    assert bought.ok, bought.text()


def _listed(visit: Visit) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _ask(visit.page, "GET", "/api/notifications/push")["subscriptions"]
    return found


def _open_bell(visit: Visit, state: str) -> None:
    visit.mark("bell").click()
    expect(visit.mark("push")).to_have_attribute("data-state", state)


def _subscribe(visit: Visit) -> None:
    visit.sign_up()
    _open_bell(visit, "off")
    visit.mark("push-switch").click()
    expect(visit.mark("push")).to_have_attribute("data-state", "on")


class Worker:
    """The page's service worker, as DevTools reach it."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._found: list[dict[str, Any]] = []
        self._tools: CDPSession = visit.context.new_cdp_session(visit.page)
        self._tools.on("ServiceWorker.workerRegistrationUpdated", self._heard)
        self._tools.send("ServiceWorker.enable")

    def _heard(self, told: dict[str, Any]) -> None:
        self._found += [each for each in told["registrations"] if each["scopeURL"] == f"{self._visit.url}/"]

    def push(self, text: str) -> dict[str, Any]:
        """Deliver a push; what is shown then."""
        self._visit.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        return self.shown_once(lambda: self._deliver(text))

    def shown_once(self, deliver: Callable[[], None]) -> dict[str, Any]:
        """What is shown after a delivery: on a busy machine Chromium drops one for which no worker starts in time."""
        for _ in range(DELIVERIES_MAX):
            deliver()
            if shown := self.shown(1):
                return shown[0]
        raise AssertionError("nothing is shown")

    def _deliver(self, text: str) -> None:
        told = {"origin": self._visit.url, "registrationId": self._found[-1]["registrationId"], "data": text}
        self._tools.send("ServiceWorker.deliverPushMessage", told)

    def shown(self, count: int) -> list[dict[str, Any]]:
        """Once there are so many, or after some seconds."""
        shown: list[dict[str, Any]] = self._visit.page.evaluate(SHOWN_JS, count)
        return shown

    def click(self) -> list[list[str]]:
        (worker,) = self._visit.context.service_workers
        asked: list[list[str]] = worker.evaluate(CLICK_JS)
        return asked


def test_the_switch_subscribes_this_browser_and_ends_it(subscriber: Visit) -> None:
    _subscribe(subscriber)
    switch = subscriber.page.get_by_role("switch", name="Notify me in this browser")
    expect(switch).to_be_checked()
    (told,) = _listed(subscriber)
    assert told["userAgent"] == subscriber.page.evaluate("navigator.userAgent")
    assert subscriber.page.evaluate(SUBSCRIBED_JS).startswith(told["origin"])
    subscriber.page.reload()
    _open_bell(subscriber, "on")
    switch.press("Space")
    expect(switch).not_to_be_checked()
    assert _listed(subscriber) == [] and subscriber.page.evaluate(SUBSCRIBED_JS) is None


def test_what_the_hub_pushes_is_shown_and_leads_to_the_page(
    subscriber: Visit, cloud: BrowserCloud, service: PushService
) -> None:
    """Nothing is sent to the address that the browser was given: it is Google's. Its keys get one of ours."""
    _subscribe(subscriber)
    (own,) = _listed(subscriber)
    _ask(subscriber.page, "DELETE", f"{SUBSCRIPTIONS}/{own['id']}")
    endpoint = service.new_endpoint()
    _ask(subscriber.page, "POST", SUBSCRIPTIONS, {**subscriber.page.evaluate(SUBSCRIPTION_JS), "endpoint": endpoint})
    _buy(subscriber)
    worker, body = Worker(subscriber), _pushed(subscriber, service, endpoint)
    shown = worker.shown_once(lambda: cloud.deliver(body))
    cloud.deliver(body)  # a push that comes twice is one notification
    assert worker.shown(1) == [shown]
    (note,) = [one for one in _ask(subscriber.page, "GET", "/api/notifications") if one["title"] == shown["title"]]
    assert shown == {"title": "Payment received", "body": note["message"], "tag": note["id"], "data": {"url": "/"}}
    assert worker.click() == [["focus", f"{subscriber.url}/"]]
    assert worker.shown(0) == []
    worker.shown_once(lambda: cloud.deliver(body))
    subscriber.page.goto(f"{subscriber.url}/api")
    assert worker.click() == [["open", f"{subscriber.url}/"]]


def _pushed(visit: Visit, service: PushService, endpoint: str) -> bytes:
    """What the hub sent, once it has."""
    for _ in range(300):
        if found := service.at(endpoint):
            return found[0].body
        visit.page.wait_for_timeout(100)
    raise AssertionError("nothing was pushed")


def test_what_is_not_understood_is_shown_plainly(subscriber: Visit) -> None:
    _subscribe(subscriber)
    worker = Worker(subscriber)
    for text in ("", "[1]", '{"body": 1}'):
        shown = worker.push(text)
        assert (shown["title"], shown["body"]) == ("Smart AI Hub", "There is a new notification."), text
        assert worker.click() == [["focus", f"{subscriber.url}/"]]
        assert worker.shown(0) == []


def test_a_push_leads_nowhere_else(subscriber: Visit) -> None:
    _subscribe(subscriber)
    worker = Worker(subscriber)
    worker.push(json.dumps({"title": "Look", "url": "https://evil.example/"}))
    assert worker.click() == [["focus", f"{subscriber.url}/"]]


def test_what_the_hub_lost_is_mended_at_the_next_visit(subscriber: Visit) -> None:
    _subscribe(subscriber)
    (lost,) = _listed(subscriber)
    _ask(subscriber.page, "DELETE", f"{SUBSCRIPTIONS}/{lost['id']}")
    with subscriber.page.expect_response(f"{subscriber.url}{SUBSCRIPTIONS}"):
        subscriber.page.reload()
    (found,) = _listed(subscriber)
    assert found["id"] != lost["id"]


def test_a_sign_out_ends_it_and_the_next_user_begins_without(subscriber: Visit) -> None:
    _subscribe(subscriber)
    subscriber.page.keyboard.press("Escape")
    subscriber.mark("logout").click()
    expect(subscriber.mark("email")).to_be_visible()
    subscriber.page.evaluate(GONE_JS)
    subscriber.mark("email").fill(subscriber.email)
    subscriber.mark("password").fill(PASSWORD)
    subscriber.mark("submit").click()
    _open_bell(subscriber, "off")
    assert _listed(subscriber) == []


def test_a_push_service_that_is_away_is_told_of(subscriber: Visit, cloud: BrowserCloud) -> None:
    cloud.refuses = True
    subscriber.sign_up()
    _open_bell(subscriber, "off")
    subscriber.mark("push-switch").click()
    expect(subscriber.mark("push-problem")).to_contain_text("The browser could not subscribe", timeout=30_000)
    expect(subscriber.mark("push")).to_have_attribute("data-state", "off")
    assert _listed(subscriber) == []


def test_a_browser_that_blocks_us_says_how_it_is_changed(visit: Visit) -> None:
    tools = visit.context.new_cdp_session(visit.page)
    window = tools.send("Target.getTargetInfo")["targetInfo"]["browserContextId"]
    blocked = {"permission": {"name": "notifications"}, "setting": "denied"}
    tools.send("Browser.setPermission", {**blocked, "origin": visit.url, "browserContextId": window})
    visit.sign_up()
    _open_bell(visit, "blocked")
    expect(visit.mark("push-hint")).to_contain_text("blocked. Allow them in the browser's settings")
    switch = visit.page.get_by_role("switch", name="Notify me in this browser")
    expect(switch).to_have_attribute("aria-disabled", "true")
    expect(switch).not_to_be_checked()


def test_a_browser_that_cannot_says_so(visitor: Visitor) -> None:
    visit = visitor()
    visit.context.add_init_script("delete window.PushManager")
    visit.sign_up()
    _open_bell(visit, "unsupported")
    expect(visit.mark("push-hint")).to_have_text("This browser cannot notify you while the page is closed.")
