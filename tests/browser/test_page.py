"""The page as a person has it: signed up, asking, cut off, coming back; by mouse, by keyboard, on a phone."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.line import Line
from tests.browser.visit import PASSWORD, RunningHub, Visit, Visitor, expect_status, text_of, words_in

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
QUESTION = "Explain a bounded queue, with code."


def _assert_whole(visit: Visit) -> None:
    """What the page shows is what is stored, once: nothing missing, nothing twice."""
    stored = visit.stored()
    assert visit.raw() == [message["content"] for message in stored]
    shown = text_of(visit.answers.last).inner_text()
    visit.page.goto("about:blank")
    visit.page.go_back()
    expect_status(visit.answers.last, stored[-1]["status"])
    assert text_of(visit.answers.last).inner_text() == shown


def _wide(page: Page) -> bool:
    wide: bool = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return wide


def test_chat_streams_markdown_with_code(visit: Visit) -> None:
    visit.sign_up()
    answer = visit.ask(QUESTION)
    expect_status(answer, "streaming")
    first = words_in(answer, 5)
    assert words_in(answer, first + 5) > first
    expect_status(answer, "complete")
    expect(answer.locator("pre code .hljs-keyword").first).to_be_visible()
    expect(answer.locator("h3, h2").first).to_be_visible()
    assert visit.raw()[-1] == visit.stored()[-1]["content"]
    assert visit.page.locator('[data-test="conversation"]').count() == 1


def test_code_is_copied_as_it_was_written(visitor: Visitor) -> None:
    visit = visitor(permissions=["clipboard-read", "clipboard-write"])
    visit.sign_up()
    answer = visit.ask(QUESTION)
    expect_status(answer, "complete")
    answer.locator("[data-copy]").first.click()
    expect(answer.locator("[data-copy]").first).to_have_text("Copied")
    copied = visit.page.evaluate("navigator.clipboard.readText()")
    assert f"\n{copied}\n```" in visit.raw()[-1]


def test_balance_moves_and_says_what_is_held(visit: Visit) -> None:
    visit.sign_up()
    begin = visit.balance()
    expect(visit.mark("held")).to_be_empty()
    answer = visit.ask(QUESTION)
    expect(visit.mark("held")).to_contain_text("held")
    words_in(answer, 5)
    during = visit.balance()
    words_in(answer, 40)
    assert begin > during > visit.balance()
    expect_status(answer, "complete")
    expect(visit.mark("held")).to_be_empty()
    receipt = visit.stored()[-1]["receipt"]
    expect(answer.locator('[data-test="receipt"]')).to_contain_text(f"{receipt['charged']:.6f}".rstrip("0"))
    assert visit.balance() == pytest.approx(receipt["balance_after"], abs=1e-4)


def test_stop_keeps_what_came(visit: Visit) -> None:
    visit.sign_up()
    answer = visit.ask(QUESTION)
    words_in(answer, 8)
    visit.mark("stop").click()
    expect_status(answer, "stopped")
    expect(answer.locator('[data-test="ending"]')).to_contain_text("stopped")
    expect(visit.mark("composer")).to_be_focused()
    expect(visit.mark("send")).to_be_visible()
    _assert_whole(visit)


def test_reload_in_the_middle_goes_on_without_a_gap(visit: Visit) -> None:
    visit.sign_up()
    words_in(visit.ask(QUESTION), 10)
    visit.page.reload()
    expect_status(visit.answers.last, "streaming")
    expect_status(visit.answers.last, "complete")
    assert visit.answers.count() == 1
    _assert_whole(visit)


def test_lost_network_is_said_and_the_answer_goes_on(visit: Visit, line: Line) -> None:
    visit.sign_up()
    answer = visit.ask(QUESTION)
    words_in(answer, 10)
    line.cut()
    expect(visit.mark("status")).to_have_attribute("data-state", "lost")
    expect(visit.mark("status")).to_contain_text("Connection lost")
    line.mend()
    expect(visit.mark("status")).to_have_attribute("data-state", "regained", timeout=20_000)
    expect(visit.mark("status")).to_contain_text("Connected again")
    expect_status(answer, "complete")
    expect(visit.mark("status")).to_have_attribute("data-state", "open")
    _assert_whole(visit)


def test_question_asked_while_cut_off_is_sent_once(visit: Visit, line: Line) -> None:
    visit.sign_up()
    line.cut()
    expect(visit.mark("status")).to_have_attribute("data-state", "lost")
    answer = visit.ask(QUESTION)
    expect_status(answer, "sending")
    line.mend()
    expect_status(answer, "complete")
    assert [message["role"] for message in visit.stored()] == ["user", "assistant"]
    _assert_whole(visit)


def test_killed_hub_leaves_a_readable_answer(visit: Visit, hub: RunningHub) -> None:
    visit.sign_up()
    answer = visit.ask(QUESTION)
    words_in(answer, 10)
    hub.kill()
    expect(visit.mark("status")).to_have_attribute("data-state", "lost")
    hub.start()
    expect(visit.mark("status")).to_have_attribute("data-state", re.compile("regained|open"), timeout=30_000)
    expect_status(visit.answers.last, "interrupted")
    expect(visit.answers.last.locator('[data-test="ending"]')).to_contain_text("interrupted")
    expect(visit.mark("send")).to_be_visible()


@pytest.mark.parametrize("hub", [{"HUB_SIGNUP_CREDITS": "0.008"}], indirect=True, ids=["poor"])
def test_running_out_of_credits_is_said(visit: Visit) -> None:
    visit.sign_up()
    answer = visit.ask(QUESTION)
    expect_status(answer, "complete")
    expect(answer.locator('[data-test="ending"]')).to_contain_text("credits ran out")
    visit.page.reload()
    expect(visit.answers.last.locator('[data-test="ending"]')).to_contain_text("credits ran out")


def test_models_show_their_prices(visit: Visit) -> None:
    visit.sign_up()
    visit.mark("model").click()
    option = visit.page.locator('[data-test="model-option"][data-model="gpt-3.5-turbo"]')
    expect(option.locator('[data-test="model-price"]')).to_contain_text(re.compile(r"\d.* in.*\d.* out", re.DOTALL))
    option.click()
    expect(visit.mark("model")).to_be_focused()
    chosen = visit.mark("model").inner_text()
    visit.page.reload()
    expect(visit.mark("model")).to_have_text(chosen)


def test_bell_welcomes_and_remembers_what_was_read(visit: Visit) -> None:
    visit.sign_up()
    expect(visit.mark("bell-count")).to_have_text("1")
    second = visit.tab()
    second.goto(visit.url)
    expect(second.locator('[data-test="bell-count"]')).to_have_text("1")
    visit.mark("bell").click()
    note = visit.mark("notification").first
    expect(note).to_contain_text(re.compile("welcome", re.IGNORECASE))
    note.locator('[data-test="mark-read"]').click()
    expect(note).to_have_attribute("data-read", "true")
    expect(visit.mark("bell-count")).to_have_count(0)
    expect(second.locator('[data-test="bell-count"]')).to_have_count(0)
    visit.page.reload()
    expect(visit.mark("balance")).not_to_be_empty()
    expect(visit.mark("bell-count")).to_have_count(0)


def test_other_tab_shows_the_finished_answer(visit: Visit) -> None:
    visit.sign_up()
    expect_status(visit.ask(QUESTION), "complete")
    second = visit.tab()
    second.goto(visit.page.url)
    expect(second.locator('[data-test="message"]')).to_have_count(2)
    expect_status(visit.ask("And what of an unbounded one?"), "complete")
    expect(second.locator('[data-test="message"][data-status="complete"]')).to_have_count(4)


def test_errors_stand_at_their_fields(visit: Visit) -> None:
    visit.page.goto(visit.url)
    visit.mark("submit").click()
    expect(visit.mark("email-error")).to_be_visible()
    expect(visit.mark("email")).to_be_focused()
    visit.mark("switch-form").click()
    for mark, value in (("first-name", "Ada"), ("last-name", "L"), ("email", visit.email), ("password", "short")):
        visit.mark(mark).fill(value)
    visit.mark("submit").click()
    expect(visit.mark("password-error")).to_contain_text(re.compile("8|characters"))
    expect(visit.mark("password")).to_have_attribute("aria-invalid", "true")
    expect(visit.mark("email")).to_have_value(visit.email)


def test_sign_out_and_in_again(visit: Visit) -> None:
    visit.sign_up()
    expect_status(visit.ask(QUESTION), "complete")
    visit.mark("logout").click()
    expect(visit.mark("email")).to_be_visible()
    assert "auth_token" not in {cookie.get("name") for cookie in visit.context.cookies()}
    visit.mark("email").fill(visit.email)
    visit.mark("password").fill("wrong password")
    visit.mark("submit").click()
    expect(visit.mark("form-error")).to_be_visible()
    visit.mark("password").fill(PASSWORD)
    visit.mark("submit").click()
    expect(visit.mark("conversation")).to_have_count(1)


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


def test_conversations_are_opened_and_deleted(visit: Visit) -> None:
    visit.sign_up()
    expect_status(visit.ask("First question"), "complete")
    visit.mark("new-chat").click()
    expect(visit.mark("message")).to_have_count(0)
    expect_status(visit.ask("Second question"), "complete")
    visit.mark("conversation").filter(has_text="First question").locator("a").click()
    expect(visit.mark("message").first).to_contain_text("First question")
    visit.page.go_back()
    expect(visit.mark("message").first).to_contain_text("Second question")
    visit.mark("conversation").filter(has_text="Second question").get_by_role("button").click()
    visit.mark("confirm").click()
    expect(visit.mark("conversation")).to_have_count(1)
    expect(visit.mark("message")).to_have_count(0)


def test_phone_never_scrolls_sideways(visitor: Visitor) -> None:
    visit = visitor(**PHONE)
    visit.page.goto(visit.url)
    expect(visit.mark("email")).to_be_visible()
    assert not _wide(visit.page)
    visit.sign_up()
    assert not _wide(visit.page)
    expect_status(visit.ask(QUESTION), "complete")
    assert not _wide(visit.page)
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


def test_answers_cannot_act(visit: Visit) -> None:
    """Whatever an answer contains: no element that runs, loads or leaves without a click, and only plain links."""
    visit.page.goto(visit.url)
    text = "\n\n".join(
        (
            "<img src=x onerror=alert(1)><script>alert(1)</script><style>*{display:none}</style>",
            "[a](javascript:alert(1)) [b](data:text/html,x) [c](https://example.com/?q=%22)",
            "![picture](https://example.com/p.png) <iframe src=//example.com></iframe>",
            '```"><img/src=x>\n<b onclick=alert(1)>x</b>\n```',
            "| <svg onload=alert(1)> | b |\n|---|---|\n| <a href=javascript:alert(1)>x</a> | 2 |",
        )
    )
    markup = visit.page.evaluate(
        """async (text) => (await import("/static/js/markdown.js")).blocks(text).join("\\n")""", text
    )
    visit.page.evaluate("(markup) => (document.body.innerHTML = markup)", markup)
    body = visit.page.locator("body")
    for tag in ("img", "script", "style", "iframe", "svg", "b", "form", "object"):
        expect(body.locator(tag)).to_have_count(0)
    links = body.locator("a[href]").evaluate_all("(all) => all.map((a) => [a.getAttribute('href'), a.rel])")
    assert [href for href, _ in links] == ["https://example.com/?q=%22", "https://example.com/p.png"]
    assert all("noopener" in rel for _, rel in links)
    assert "<iframe src=//example.com>" in body.inner_text()
