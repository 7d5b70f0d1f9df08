"""An announcement on the page: shown as text, to who is there and to who comes later, until it is put away or ended."""

import json
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.hubs import ADMIN
from tests.browser.visit import Visit

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


def test_an_announcement_is_a_banner_until_it_is_put_away(visit: Visit) -> None:
    visit.sign_up()
    banner = visit.page.locator('[data-test="announcement"]')
    made = _as_admin(visit.page, "POST", "/api/admin/announcements", TEXT)
    assert made["success"], made
    expect(banner).to_contain_text(TEXT["title"])
    expect(banner).to_contain_text(TEXT["message"])
    expect(banner).to_have_attribute("data-level", "critical")
    visit.page.reload()
    expect(banner).to_have_count(1)
    banner.get_by_role("button").click()
    expect(banner).to_have_count(0)
    visit.page.reload()
    expect(visit.mark("bell")).to_be_visible()
    other = _as_admin(visit.page, "POST", "/api/admin/announcements", {**TEXT, "title": "Another", "level": "info"})
    expect(banner).to_have_count(1)
    expect(banner).to_contain_text("Another")
    for announcement in (made, other):
        _as_admin(visit.page, "DELETE", f"/api/admin/announcements/{announcement['data']['id']}")
    expect(banner).to_have_count(0)
