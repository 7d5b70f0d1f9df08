"""The settings of what to be told, in the bell's panel: changed at once, taken back where the hub refuses."""

import re
from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from models.notification_settings import CATEGORIES, MEDIA
from tests.browser.test_look import CONTRAST_JS, PHONE
from tests.browser.visit import PASSWORD, Visit, Visitor
from tests.running_hub import RunningHub

SETTINGS: Final = "/api/notifications/settings"
FAILURE: Final = {"success": False, "error": {"code": "INTERNAL_ERROR", "message": "It went wrong."}}


def _set(visit: Visit) -> dict[str, Any]:
    """What the hub has, asked by a client of its own on the same login."""
    answer = visit.context.request.get(f"{visit.url}{SETTINGS}")
    assert answer.ok, answer.text()
    found: dict[str, Any] = answer.json()["data"]
    return found


def _off(visit: Visit) -> set[str]:
    """The switches that are off, by the marks that the page gives them."""
    found = _set(visit)
    media = {f"medium-{name}" for name in MEDIA if not found[f"{name}Notifications"]}
    return media | {f"{row}-{name}" for row in CATEGORIES for name in MEDIA if not found["categories"][row][name]}


def _open(visit: Visit) -> None:
    visit.mark("bell").click()
    visit.mark("settings").click()
    expect(visit.mark("account-email")).to_be_visible()


def _shown_off(visit: Visit) -> set[str]:
    switches = visit.mark("settings-view").locator("[role=switch], [type=checkbox]")
    assert switches.count() == len(MEDIA) * (len(CATEGORIES) + 1)
    off: list[str] = switches.evaluate_all(
        "(all) => all.filter((each) => !each.matches(':checked, [aria-checked=true]')).map((each) => each.dataset.test)"
    )
    return set(off)


def _touch(visit: Visit, switch: Locator) -> None:
    """And wait until the hub has answered."""
    with visit.page.expect_response(lambda answer: answer.request.method == "PUT" and answer.url.endswith(SETTINGS)):
        switch.click()


def _puts(page: Page, answer: dict[str, Any]) -> None:
    """Answers each change in the place of the hub, and leaves the rest to it."""

    def handle(route: Route) -> None:
        if route.request.method == "PUT":
            route.fulfill(**answer)
        else:
            route.continue_()

    page.route(f"**{SETTINGS}", handle)


def test_a_change_is_the_hubs_at_once_and_stays(visit: Visit) -> None:
    visit.sign_up()
    _open(visit)
    assert _shown_off(visit) == _off(visit) == set()
    _touch(visit, visit.page.get_by_role("checkbox", name="Billing: E-mail"))
    assert _off(visit) == {"billing-email"}
    _touch(visit, visit.page.get_by_role("switch", name="By push"))
    assert _off(visit) == {"billing-email", "medium-push"}
    expect(visit.mark("settings-view")).to_contain_text("“Push” is off for everything")
    visit.page.reload()
    expect(visit.mark("composer")).to_be_visible()
    _open(visit)
    assert _shown_off(visit) == {"billing-email", "medium-push"}
    _touch(visit, visit.mark("billing-email"))
    _touch(visit, visit.mark("medium-push"))
    assert _shown_off(visit) == _off(visit) == set()


def test_many_changes_at_once_all_hold_in_their_order(visit: Visit) -> None:
    """While the first is on its way the others wait, the same switch three times among them, and go as one."""
    visit.sign_up()
    _open(visit)
    held: list[Route] = []
    visit.page.route(f"**{SETTINGS}", lambda route: held.append(route), times=1)
    with visit.page.expect_request(f"{visit.url}{SETTINGS}"):
        visit.mark("system-push").click()
    for mark in ("security-inApp", "system-push", "system-push", "system-push", "medium-email"):
        visit.mark(mark).click()
    assert _shown_off(visit) == {"security-inApp", "medium-email"} and _off(visit) == set()
    (first,) = held
    assert first.request.post_data_json == {"categories": {"system": {"push": False}}}
    with visit.page.expect_response(lambda answer: "security" in (answer.request.post_data or "")):
        first.continue_()
    assert _shown_off(visit) == _off(visit) == {"security-inApp", "medium-email"}


@pytest.mark.parametrize("failure", ["refused", "unreachable"])
def test_a_change_that_fails_is_taken_back_with_a_word(visit: Visit, failure: str) -> None:
    visit.sign_up()
    _open(visit)
    _touch(visit, visit.mark("account-push"))
    if failure == "refused":
        _puts(visit.page, {"status": 500, "json": FAILURE})
    else:
        visit.context.set_offline(True)
    visit.mark("webhooks-email").click()
    visit.mark("medium-inApp").click()
    word = {"refused": "It went wrong.", "unreachable": "The hub cannot be reached."}[failure]
    expect(visit.page.get_by_role("alert").filter(has_text="Your change was not saved.")).to_contain_text(word)
    expect(visit.mark("webhooks-email")).to_be_checked()
    expect(visit.mark("medium-inApp")).to_be_checked()
    assert _shown_off(visit) == {"account-push"}
    visit.page.unroute_all()
    visit.context.set_offline(False)
    assert _off(visit) == {"account-push"}
    _touch(visit, visit.mark("webhooks-email"))
    expect(visit.mark("settings-problem")).to_be_empty()
    assert _off(visit) == {"account-push", "webhooks-email"}


def test_settings_that_cannot_be_read_are_asked_for_again(visit: Visit) -> None:
    visit.sign_up()
    visit.page.route(f"**{SETTINGS}", lambda route: route.fulfill(status=500, json=FAILURE), times=1)
    visit.mark("bell").click()
    visit.mark("settings").click()
    expect(visit.mark("settings-problem")).to_contain_text("It went wrong.")
    visit.page.get_by_role("button", name="Try again").click()
    expect(visit.mark("account-email")).to_be_checked()
    expect(visit.mark("settings-problem")).to_be_empty()


def test_the_address_opens_them_before_and_after_a_sign_in(visit: Visit) -> None:
    visit.register()
    visit.page.goto(f"{visit.url}/#notifications")
    heading = visit.page.get_by_role("heading", name="Notification settings")
    expect(heading).to_be_focused()
    expect(visit.mark("account-email")).to_be_visible()
    assert visit.page.url == f"{visit.url}/#/", "a reload is not to open them again"
    visit.page.keyboard.press("Escape")
    visit.mark("logout").click()
    expect(visit.mark("email")).to_be_visible()
    visit.page.goto(f"{visit.url}/#notifications")
    visit.mark("email").fill(visit.email)
    visit.mark("password").fill(PASSWORD)
    visit.mark("submit").click()
    expect(heading).to_be_focused()


def test_the_address_leaves_the_open_conversation(visit: Visit) -> None:
    visit.sign_up()
    visit.ask("One line")
    expect(visit.page).to_have_url(re.compile("#/c/"))
    before = visit.page.url
    visit.page.evaluate("location.hash = '#notifications'")
    expect(visit.page.get_by_role("heading", name="Notification settings")).to_be_focused()
    assert visit.page.url == before
    expect(visit.answers).to_have_count(1)


def test_a_letters_page_leads_to_them(visit: Visit, hub: RunningHub) -> None:
    visit.register()
    visit.page.goto(f"{hub.url}/unsubscribe?token=none")
    visit.page.get_by_role("link", name="Your notification settings").click()
    expect(visit.page.get_by_role("heading", name="Notification settings")).to_be_focused()


def test_the_next_reader_has_settings_of_their_own(visit: Visit) -> None:
    visit.sign_up()
    _open(visit)
    _touch(visit, visit.mark("billing-email"))
    visit.page.keyboard.press("Escape")
    visit.mark("logout").click()
    expect(visit.mark("email")).to_be_visible()
    visit.email = f"next.{visit.email}"
    visit.sign_up()
    _open(visit)
    assert _shown_off(visit) == _off(visit) == set()


def test_keyboard_is_enough_and_the_focus_returns(visit: Visit) -> None:
    visit.sign_up()
    keyboard = visit.page.keyboard
    visit.mark("bell").press("Enter")
    visit.mark("settings").press("Enter")
    expect(visit.page.get_by_role("heading", name="Notification settings")).to_be_focused()
    expect(visit.mark("account-email")).to_be_visible()
    for expected in ("settings-back", "medium-email", "medium-push", "medium-inApp", "account-email", "account-push"):
        keyboard.press("Tab")
        expect(visit.mark(expected)).to_be_focused()
    with visit.page.expect_response(f"{visit.url}{SETTINGS}"):
        keyboard.press("Space")
    assert _off(visit) == {"account-push"}
    expect(visit.page.get_by_role("group", name="What to tell you")).to_be_visible()
    visit.mark("settings-back").press("Enter")
    expect(visit.mark("settings")).to_be_focused()
    visit.mark("settings").press("Enter")
    keyboard.press("Escape")
    expect(visit.mark("settings-view")).to_have_count(0)
    expect(visit.mark("bell")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{}, PHONE], ids=["desktop", "phone"])
def test_it_fits_and_can_be_read(visitor: Visitor, scheme: str, size: dict[str, Any]) -> None:
    visit = visitor(**size, color_scheme=scheme, reduced_motion="reduce")
    visit.sign_up()
    _open(visit)
    _touch(visit, visit.mark("medium-push"))
    _puts(visit.page, {"status": 500, "json": FAILURE})
    _touch(visit, visit.mark("account-push"))
    expect(visit.mark("settings-problem")).not_to_be_empty()
    assert visit.page.evaluate(CONTRAST_JS) == []
    assert not visit.page.evaluate("document.documentElement.scrollWidth > innerWidth")
    panel = visit.mark("settings-view")
    assert not panel.evaluate("(panel) => panel.scrollWidth > panel.clientWidth")
    for target in panel.locator("[role=switch], label").all():
        box = target.bounding_box()
        assert box is not None and min(box["width"], box["height"]) >= (40 if size else 36)
