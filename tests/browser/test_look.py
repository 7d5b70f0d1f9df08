"""The page for every hand and eye: by keyboard, on a phone, light and dark, with enough contrast."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.hubs import slowly
from tests.browser.visit import PASSWORD, QUESTION, Visit, Visitor, expect_status, words_in

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def _wide(page: Page) -> bool:
    wide: bool = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return wide


@slowly
def test_keyboard_is_enough(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    visit.page.goto(visit.url)
    expect(visit.mark("email")).to_be_focused()
    visit.mark("switch-form").press("Enter")
    expect(visit.mark("first-name")).to_be_focused()
    for value in ("Ada", "Lovelace", visit.email):
        keyboard.type(value)
        keyboard.press("Tab")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    expect(visit.mark("composer")).to_be_focused()
    expect(visit.mark("balance")).not_to_be_empty()
    _choose_model_by_keyboard(visit)
    visit.mark("composer").focus()
    keyboard.type("One line")
    keyboard.press("Shift+Enter")
    keyboard.type("and another")
    keyboard.press("Enter")
    words_in(visit.answers.last, 5)
    assert visit.stored()[0]["content"] == "One line\nand another"
    keyboard.press("Escape")
    expect_status(visit.answers.last, "stopped")
    expect(visit.mark("composer")).to_be_focused()


def _choose_model_by_keyboard(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    before = visit.mark("model").inner_text()
    visit.mark("model").focus()
    keyboard.press("ArrowDown")
    expect(visit.page.locator('[role="option"][aria-selected="true"]')).to_be_focused()
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    expect(visit.mark("model")).to_be_focused()
    assert visit.mark("model").inner_text() != before
    keyboard.press("Enter")
    keyboard.press("Escape")
    expect(visit.mark("model-option")).to_have_count(0)
    expect(visit.mark("model")).to_be_focused()


def _longest_model(visit: Visit) -> None:
    visit.mark("model").click()
    options = visit.mark("model-option")
    names = [str(option.get_attribute("data-name")) for option in options.all()]
    options.nth(names.index(max(names, key=len))).click()


def _bell_is_in_view(page: Page) -> bool:
    """What lies in the header is cut off where it is too wide, and nothing scrolls."""
    seen: bool = page.evaluate("document.querySelector('.bell').getBoundingClientRect().right <= innerWidth")
    return seen


def test_phone_never_scrolls_sideways(visitor: Visitor) -> None:
    visit = visitor(**PHONE)
    visit.page.goto(visit.url)
    expect(visit.mark("email")).to_be_visible()
    assert not _wide(visit.page)
    visit.sign_up()
    assert not _wide(visit.page)
    expect_status(visit.ask(QUESTION), "complete")
    assert not _wide(visit.page)
    _longest_model(visit)
    visit.page.set_viewport_size({"width": 320, "height": 740})  # the narrowest there is
    assert _bell_is_in_view(visit.page)
    assert not _wide(visit.page)
    visit.page.set_viewport_size(PHONE["viewport"])
    small = visit.page.evaluate(
        """() => [...document.querySelectorAll("button")].filter((node) => node.checkVisibility())
          .map((node) => [node.getBoundingClientRect(), node.outerHTML])
          .filter(([box]) => box.height < 40).map(([, html]) => html)"""
    )
    assert small == []
    visit.mark("menu").click()
    expect(visit.mark("new-chat")).to_be_focused()
    assert not _wide(visit.page)
    visit.page.keyboard.press("Escape")
    expect(visit.mark("menu")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_theme_follows_the_system_until_chosen(visitor: Visitor, scheme: str) -> None:
    visit = visitor(color_scheme=scheme)
    visit.page.goto(visit.url)
    expect(visit.mark("email")).to_be_visible()

    def brightness() -> int:
        shade = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", shade)[:3]))

    assert (brightness() > 380) == (scheme == "light")
    visit.mark("theme").click()
    assert (brightness() > 380) == (scheme == "dark")
    visit.page.reload()
    expect(visit.mark("email")).to_be_visible()
    assert (brightness() > 380) == (scheme == "dark")


CONTRAST_JS = """() => {
  const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgb = (colour) => {
    paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  const light = (channels) => channels.slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = rgb(getComputedStyle(node).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return rgb(getComputedStyle(document.body).backgroundColor);
  };
  const faults = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest(".visually-hidden")) continue;
    const pair = [light(rgb(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) faults.push(`${ratio.toFixed(2)} ${node.className} ${walker.currentNode.data.trim()}`);
  }
  return faults;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(visitor: Visitor, scheme: str) -> None:
    visit = visitor(color_scheme=scheme, reduced_motion="reduce")
    visit.page.goto(visit.url)
    expect(visit.mark("email")).to_be_visible()
    assert visit.page.evaluate(CONTRAST_JS) == []
    visit.sign_up()
    expect_status(visit.ask(QUESTION), "complete")
    visit.mark("receipt").click()
    visit.mark("bell").click()
    expect(visit.mark("notification").first).to_be_visible()
    assert visit.page.evaluate(CONTRAST_JS) == []
