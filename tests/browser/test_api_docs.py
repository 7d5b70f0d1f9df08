"""The page at `/api`: the hub's own document in Swagger UI, to be read and to be tried."""

import re
from collections import Counter

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.visit import PASSWORD, Visit, Visitor
from tests.contract.described import DOCUMENT


def part(visit: Visit, api: str) -> Locator:
    """What stands under an API's name, once that is opened."""
    name = visit.page.locator(f'.opblock-tag[data-tag="{api}"]')
    if name.get_attribute("data-is-open") == "false":
        name.click()
    return visit.page.locator(".opblock-tag-section", has=name)


def operation(visit: Visit, api: str, method: str, path: str) -> Locator:
    """One operation's block, by what its head says."""
    expect(part(visit, api).locator(".opblock").first).to_be_visible()
    head = visit.page.locator(".opblock-summary", has=visit.page.locator(f'[data-path="{path}"]'))
    return visit.page.locator(f".opblock-{method}", has=head).first


def opened(visit: Visit, api: str, method: str, path: str) -> Locator:
    block = operation(visit, api, method, path)
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    return block


def test_it_lists_every_operation_and_asks_nobody_but_the_hub(visit: Visit) -> None:
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))
    visit.page.goto(visit.url + "/api")
    expect(visit.page).to_have_title("API – Smart AI Hub")
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text("Smart AI Hub")
    owed = Counter(
        api
        for methods in DOCUMENT["paths"].values()
        for method, one in methods.items()
        if method != "parameters"
        for api in one["tags"]
    )
    assert set(owed) == {"Smart AI Hub", "AI Aggregator", "AI Playground", "AI Assistant"}
    for api, operations in owed.items():
        expect(part(visit, api).locator(".opblock")).to_have_count(operations)
        expect(visit.page.locator(".opblock-tag-section.is-open")).to_have_count(1)
        expect(visit.page.locator(".opblock-tag-section")).to_have_count(len(owed))
    assert f"{visit.url}/openapi.json" in asked
    assert [url for url in asked if not url.startswith((f"{visit.url}/", "data:"))] == []


def is_dark(visit: Visit) -> bool:
    expect(visit.page.locator(".swagger-ui").first).to_be_attached()  # it is drawn behind the choice
    dark: bool = visit.page.evaluate("document.documentElement.classList.contains('dark-mode')")
    return dark


@pytest.mark.parametrize("dark", [True, False], ids=["dark", "light"])
def test_it_has_the_theme_of_the_other_pages(visitor: Visitor, dark: bool) -> None:
    """The system's, and after that the one that was chosen by hand."""
    visit = visitor(color_scheme="dark" if dark else "light")
    visit.page.goto(visit.url + "/api")
    assert is_dark(visit) is dark
    visit.page.evaluate("theme => localStorage.setItem('hub.theme', theme)", "light" if dark else "dark")
    visit.page.reload()
    assert is_dark(visit) is not dark


def test_a_link_cannot_make_it_show_another_document(visit: Visit) -> None:
    visit.page.goto(visit.url + "/api?url=/nowhere.json&urls.primaryName=x&configUrl=/nowhere.json")
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text("Smart AI Hub")


def test_authorize_begins_at_the_bearer_and_offers_what_a_script_can_send(visit: Visit) -> None:
    visit.page.goto(visit.url + "/api")
    visit.page.get_by_role("button", name="Authorize").first.click()
    expect(visit.page.locator("#auth-bearer-value")).to_be_focused()
    expect(visit.page.locator(".modal-ux h4")).to_contain_text(["bearer", "apiKey", "service"])
    visit.page.locator(".modal-ux .close-modal").click()
    operation(visit, "AI Aggregator", "post", "/v1/chat/completions").locator(".authorization__btn").click()
    expect(visit.page.locator(".modal-ux h4")).to_contain_text(["bearer", "apiKey"])


def test_an_opened_operation_is_no_wider_than_a_phone(visitor: Visitor) -> None:
    visit = visitor(viewport={"width": 390, "height": 844})
    visit.page.goto(visit.url + "/api")
    block = operation(visit, "AI Aggregator", "post", "/v1/chat/completions")
    block.locator(".opblock-summary-control").click()
    expect(block.locator(".responses-table").first).to_be_visible()
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_operation_is_tried_with_a_bearer(visit: Visit) -> None:
    """Who has just signed up by the page itself says who that is; without a credential the hub says that it is missing."""
    visit.page.goto(visit.url + "/api")
    me = opened(visit, "AI Playground", "get", "/api/auth/me")
    me.get_by_role("button", name="Execute").click()
    expect(me.locator(".live-responses-table .response-col_status").last).to_contain_text("401")

    sign_up = opened(visit, "AI Playground", "post", "/api/auth/register")
    body = f'{{"email": "{visit.email}", "password": "{PASSWORD}"}}'
    sign_up.locator("textarea.body-param__text").fill(body)
    sign_up.get_by_role("button", name="Execute").click()
    expect(sign_up.locator(".live-responses-table .response-col_status").last).to_contain_text("201")
    token = re.search(r'"access_token": "([^"]+)"', sign_up.locator(".live-responses-table").inner_text())
    assert token is not None
    visit.context.clear_cookies()

    visit.page.get_by_role("button", name="Authorize").first.click()
    visit.page.locator("#auth-bearer-value").fill(token.group(1))
    visit.page.locator(".modal-ux").get_by_role("button", name="Apply credentials").first.click()
    visit.page.locator(".modal-ux").get_by_role("button", name="Close").first.click()
    me.get_by_role("button", name="Execute").click()
    expect(me.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    expect(me.locator(".live-responses-table")).to_contain_text(visit.email)
