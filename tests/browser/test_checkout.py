"""A purchase on the sandbox's own page, in a browser, and what a gift of those credits looks like to who is given them."""

import pytest
from playwright.sync_api import expect

from tests.browser.visit import Visit, Visitor

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
ORDER = {"package": "pro", "payment_method": "stripe", "return_url": "https://your-app.example/credits?from=<b>hub</b>"}


def _checkout(visit: Visit) -> str:
    """By the page's own cookie."""
    opened = visit.context.request.post(f"{visit.url}/api/credits/purchase", data=ORDER)
    assert opened.ok, opened.text()
    return str(opened.json()["checkout_url"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_package_is_paid_on_a_phone_and_a_part_of_it_given_away(visitor: Visitor, scheme: str) -> None:
    visit, friend = visitor(**PHONE, color_scheme=scheme), visitor(**PHONE, color_scheme=scheme)
    visit.register()
    friend.sign_up()
    page = visit.page
    page.goto(_checkout(visit).replace("localhost:3001", visit.url.rpartition("/")[2]))
    expect(page.get_by_role("heading", name="Pro package")).to_be_visible()
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.get_by_label("Payment method").fill("pm_fail")
    page.get_by_role("button", name="Pay $50.00").click()
    expect(page.get_by_role("alert")).to_have_text("The card was declined.")
    expect(page.get_by_label("Payment method")).to_be_focused()
    page.get_by_label("Payment method").fill("pm_card_visa")
    page.get_by_role("button", name="Pay $50.00").click()
    expect(page.get_by_role("heading", name="Paid")).to_be_visible()
    link = page.get_by_role("link", name="Go on to your-app.example")
    assert "status=succeeded" in (link.get_attribute("href") or "")
    page.reload()
    expect(page.get_by_role("heading", name="Paid")).to_be_visible()
    given = {"recipient_email": friend.email, "amount": 100, "message": "Happy <b>birthday</b>!"}
    assert visit.context.request.post(f"{visit.url}/api/credits/gift", data=given).ok
    expect(friend.mark("balance")).to_have_text("110.0000")
    friend.mark("bell").click()
    expect(friend.page.get_by_text("Unread: A gift of 100 credits")).to_be_visible()
    said = f"{visit.email} gave you 100 credits: \u201cHappy <b>birthday</b>!\u201d"
    expect(friend.page.get_by_text(said)).to_be_visible()
    assert not friend.page.evaluate("document.documentElement.scrollWidth > innerWidth")
