"""An announcement on the page: shown as text, to who is there and to who comes later, until it is put away or ended."""

import json
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.hubs import ADMIN
from tests.browser.visit import Visit, Visitor

TEXT = {"title": "Tonight <b>", "message": "The hub rests <img src=x onerror=alert(1)>.", "level": "critical"}


def _as_admin(page: Page, method: str, path: str, body: Any = None) -> Any:
    """By REST, on a login of the administrator's own that leaves the page's cookie alone."""
    login = {"email": ADMIN["HUB_ADMIN_EMAIL"], "password": ADMIN["HUB_ADMIN_PASSWORD"]}
    script = """async ([login, method, path, body]) => {
      const ask = async (method, path, body, token) => {
        const headers = {"Content-Type": "application/json", ...(token && {Authorization: `Bearer ${token}`})};
        const answer = await fetch(path, {method, headers, body: body && JSON.stringify(body), credentials: "omit"});
        return answer.json();
      };
      const {access_token} = await ask("POST", "/api/auth/login", login);
      return JSON.stringify(await ask(method, path, body, access_token));
    }"""
    return json.loads(page.evaluate(script, [login, method, path, body]))


def _announce(page: Page, **fields: str) -> str:
    """The id of a new announcement, which stands on every page of this hub until it is ended."""
    made = _as_admin(page, "POST", "/api/admin/announcements", {**TEXT, **fields})
    assert made["success"], made
    return str(made["data"]["id"])


def _end(page: Page, *announcements: str) -> None:
    for announcement in announcements:
        _as_admin(page, "DELETE", f"/api/admin/announcements/{announcement}")


def test_an_announcement_is_a_banner_until_it_is_put_away(visit: Visit) -> None:
    visit.sign_up()
    banner = visit.page.locator('[data-test="announcement"]')
    first = _announce(visit.page)
    expect(banner).to_contain_text(TEXT["title"])
    expect(banner).to_contain_text(TEXT["message"])
    expect(banner).to_have_attribute("data-level", "critical")
    visit.page.reload()
    expect(banner).to_have_count(1)
    banner.get_by_role("button").click()
    expect(banner).to_have_count(0)
    visit.page.reload()
    expect(visit.mark("bell")).to_be_visible()
    second = _announce(visit.page, title="Another", level="info")
    expect(banner).to_have_count(1)
    expect(banner).to_contain_text("Another")
    _end(visit.page, first, second)
    expect(banner).to_have_count(0)


def test_the_monitor_shows_them_too(visitor: Visitor) -> None:
    admin = visitor()
    admin.sign_in_to_monitor()
    banner = admin.page.locator('[data-test="announcement"]')
    made = _announce(admin.page)
    expect(banner).to_contain_text(TEXT["message"])
    banner.get_by_role("button").click()
    expect(banner).to_have_count(0)
    _end(admin.page, made)


def test_they_are_listed_anew_when_some_may_have_been_missed(visit: Visit) -> None:
    """The push that a hub sends after it had lost its Redis, given to the page by hand: one hub never loses any."""
    visit.sign_up()
    made = _announce(visit.page)
    banner = visit.page.locator('[data-test="announcement"]')
    expect(banner).to_have_count(1)
    visit.page.evaluate("async () => ((await import('/static/js/state.js')).announcements.value = [])")
    expect(banner).to_have_count(0)
    visit.page.evaluate("async () => (await import('/static/js/hub.js')).hear({type: 'announcements.changed'})")
    expect(banner).to_have_count(1, timeout=15_000)
    _end(visit.page, made)
