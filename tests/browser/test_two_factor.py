"""Two-factor sign-in on the page: the whole way, from the QR code to the sign-in that asks for a code, and off again."""

import re
from typing import Any

import pyotp
import pytest
from playwright.sync_api import expect

from models.clock import now
from tests.browser.hubs import at_length
from tests.browser.test_look import CONTRAST_JS, PHONE
from tests.browser.visit import PASSWORD, QUESTION, Visit, Visitor, expect_status, grows, words_in

IS_COLOURED_JS = """(error) => getComputedStyle(error).color
    !== getComputedStyle(error.closest("dialog").querySelector("p:not(.field-bad)")).color"""


def code_of(secret: str, steps: int = 0) -> str:
    """The hub lets a step pass before and after."""
    return pyotp.TOTP(secret).at(now(), counter_offset=steps)


def open_view(visit: Visit, state: str) -> None:
    visit.mark("two-factor").click()
    expect(visit.mark("two-factor-view")).to_have_attribute("data-state", state)


def switch_on(visit: Visit) -> tuple[str, list[str]]:
    """The secret, and the recovery codes; the dialog then says that it is on."""
    open_view(visit, "off")
    visit.mark("two-factor-password").fill(PASSWORD)
    submit(visit)
    drawn = visit.mark("two-factor-qr")
    expect(drawn).to_be_visible()
    assert drawn.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 100
    secret = visit.mark("two-factor-secret").inner_text()
    visit.mark("two-factor-code").fill("000000")
    submit(visit)
    expect(visit.mark("two-factor-code-error")).to_contain_text("not the one")
    visit.mark("two-factor-code").fill(code_of(secret))
    submit(visit)
    expect(visit.mark("recovery-codes").locator("li")).to_have_count(10)
    codes = visit.mark("recovery-codes").locator("li").all_inner_texts()
    check_nothing_else_closes(visit)
    visit.mark("codes-kept").click()
    expect(visit.mark("two-factor-view")).to_contain_text("10 recovery codes left")
    return secret, codes


def check_nothing_else_closes(visit: Visit) -> None:
    """The codes are shown once."""
    expect(visit.page.locator("#two-factor-title")).to_be_focused()
    expect(visit.mark("two-factor-close")).to_have_count(0)
    for _ in range(3):
        visit.page.keyboard.press("Escape")
    expect(visit.mark("recovery-codes")).to_be_visible()


def submit(visit: Visit) -> None:
    visit.page.locator("dialog[open] [data-test=submit]").click()


def sign_in(visit: Visit) -> None:
    """By the password; the form then asks for a code."""
    visit.page.goto(visit.url)
    visit.mark("email").fill(visit.email)
    visit.mark("password").fill(PASSWORD)
    visit.mark("submit").click()
    expect(visit.mark("code")).to_be_focused()
    expect(visit.page.locator(".field-bad")).to_have_count(0)


def test_the_whole_way(visit: Visit, visitor: Visitor) -> None:
    visit.sign_up()
    secret, codes = switch_on(visit)
    other = visitor()
    other.email = visit.email
    sign_in(other)
    other.mark("code").fill("000000")
    other.mark("submit").click()
    expect(other.mark("code-error")).to_contain_text("not right")
    other.mark("code").fill(code_of(secret, 1))  # the first one is used up
    other.mark("submit").click()
    expect(other.mark("composer")).to_be_visible()
    other.mark("logout").click()
    expect(other.mark("email")).to_be_visible()
    sign_in(other)
    other.mark("code").fill(codes[0])
    other.mark("submit").click()
    expect(other.mark("composer")).to_be_visible()
    open_view(other, "on")
    expect(other.mark("two-factor-view")).to_contain_text("9 recovery codes left")
    other.mark("renew-codes").click()
    other.mark("two-factor-code").fill(codes[1])
    submit(other)
    expect(other.mark("recovery-codes").locator("li")).to_have_count(10)
    fresh = other.mark("recovery-codes").locator("li").all_inner_texts()
    assert not set(fresh) & set(codes)
    other.mark("codes-kept").click()
    other.mark("two-factor-off").click()
    other.mark("two-factor-code").fill(fresh[0])
    submit(other)
    expect(other.mark("two-factor-view")).to_have_attribute("data-state", "off")
    other.page.keyboard.press("Escape")
    expect(other.mark("two-factor-view")).to_have_count(0)
    other.mark("logout").click()
    other.mark("email").fill(visit.email)
    other.mark("password").fill(PASSWORD)
    other.mark("submit").click()
    expect(other.mark("composer")).to_be_visible()


@at_length
def test_escape_in_the_dialog_stops_no_answer(visit: Visit) -> None:
    visit.sign_up()
    answer = visit.ask(QUESTION)
    words_in(answer, 3)
    open_view(visit, "off")
    visit.page.evaluate("document.activeElement.blur()")
    visit.page.keyboard.press("Escape")
    expect(visit.mark("two-factor-view")).to_have_count(0)
    assert grows(answer)
    visit.page.keyboard.press("Escape")
    expect_status(answer, "stopped")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{}, PHONE], ids=["desktop", "phone"])
def test_it_fits_and_can_be_read(visitor: Visitor, scheme: str, size: dict[str, Any]) -> None:
    visit = visitor(**size, color_scheme=scheme, reduced_motion="reduce")
    visit.sign_up()
    if size:
        visit.mark("menu").click()
    open_view(visit, "off")
    visit.mark("two-factor-password").fill("wrong")
    submit(visit)
    expect(visit.mark("two-factor-password-error")).to_be_visible()
    assert visit.mark("two-factor-password-error").evaluate(IS_COLOURED_JS), "an error looks like a hint"
    assert visit.page.evaluate(CONTRAST_JS) == []
    visit.mark("two-factor-password").fill(PASSWORD)
    submit(visit)
    expect(visit.mark("two-factor-qr")).to_be_visible()
    assert re.fullmatch("[A-Z2-7]{32}", visit.mark("two-factor-secret").inner_text())
    assert visit.page.evaluate(CONTRAST_JS) == []
    dialog = visit.mark("two-factor-view")
    assert not dialog.evaluate("(dialog) => dialog.scrollWidth > dialog.clientWidth")
    assert not visit.page.evaluate("document.documentElement.scrollWidth > innerWidth")
