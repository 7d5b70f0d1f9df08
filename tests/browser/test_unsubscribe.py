"""The page that ends mails of a kind, as somebody with a letter on a phone meets it, who is not signed in."""

from typing import cast

import pytest
from playwright.sync_api import expect

from config import settings
from hub.notices.unsubscribe import Unsubscribing
from models.database import Database
from models.ids import new_id
from tests.browser.visit import Visitor
from tests.running_hub import RunningHub

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def _link(hub: RunningHub) -> str:
    """As the hub itself mails it."""
    environ = {"HUB_DATA_DIR": str(hub.data_dir), "HUB_PUBLIC_URL": hub.url}
    return Unsubscribing(settings.load(environ), cast(Database, None)).link(new_id("user"), "billing")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_letters_link_ends_mails_on_a_phone(visitor: Visitor, hub: RunningHub, scheme: str) -> None:
    page = visitor(**PHONE, color_scheme=scheme).page
    page.goto(_link(hub))
    button = page.get_by_role("button", name="Stop these mails")
    expect(page.get_by_role("heading", name="Stop these mails?")).to_be_visible()
    box = button.bounding_box()
    assert box is not None and box["height"] >= 40
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    button.click()
    expect(page.get_by_role("heading", name="These mails have stopped")).to_be_visible()
    expect(button).to_have_count(0)
    page.get_by_role("link", name="Smart AI Hub").click()
    expect(page.locator('[data-test="email"]')).to_be_visible()


def test_a_link_that_is_not_whole_says_so(visitor: Visitor, hub: RunningHub) -> None:
    visit = visitor(**PHONE)
    answer = visit.page.request.get(_link(hub)[:-3])
    assert answer.status == 400 and "This link does not work" in answer.text()
