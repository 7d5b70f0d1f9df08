"""The live monitor as an administrator has it: figures that move, plots, events that are chosen and held still."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.hubs import slowly
from tests.browser.test_look import CONTRAST_JS, PHONE
from tests.browser.visit import QUESTION, Visit, Visitor, expect_status
from tests.running_hub import RunningHub

INKED_JS = """() => [...document.querySelectorAll(".plot canvas")].map((canvas) => {
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value) => value !== 0);
})"""
# The titles of plots, but for those given, without a pixel in the colour of a line: axes and grid need no data.
UNDRAWN_JS = """async (given) => {
  const colour = (plot, line) => {
    const probe = plot.appendChild(document.createElement("span"));
    probe.className = line.className;
    const [red, green, blue] = getComputedStyle(probe).color.match(/[0-9]+/g).map(Number);
    probe.remove();
    return [red, green, blue];
  };
  const has = ({data}, [red, green, blue]) => {
    for (let at = 0; at < data.length; at += 4) {
      const far = Math.abs(data[at] - red) + Math.abs(data[at + 1] - green) + Math.abs(data[at + 2] - blue);
      if (data[at + 3] > 100 && far < 12) return true;
    }
    return false;
  };
  const isDrawn = (plot) => {
    const {width, height} = plot.querySelector("canvas");
    const copy = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
    copy.drawImage(plot.querySelector("canvas"), 0, 0);
    const image = copy.getImageData(0, 0, width, height);
    return [...plot.querySelectorAll("[class^=line-]")].some((line) => has(image, colour(plot, line)));
  };
  const title = (plot) => plot.querySelector("figcaption b").textContent;
  const undrawn = () =>
    [...document.querySelectorAll(".plot")].filter((plot) => !given.includes(title(plot)) && !isDrawn(plot));
  const end = performance.now() + 10_000;
  while (undrawn().length && performance.now() < end) await new Promise((next) => setTimeout(next, 100));
  return undrawn().map(title);
}"""
PLOTS = 14
SHOTS = os.environ.get("HUB_TEST_SHOTS", "")  # a folder, for who wants to look at the page


def _shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=False)


@slowly
def test_figures_plots_and_events_live(visitor: Visitor) -> None:
    admin, reader = visitor(), visitor()
    admin.sign_in_to_monitor()
    reader.sign_up()
    answer = reader.ask(QUESTION)
    expect(admin.mark("tile-streams").locator('[data-test="value"]')).to_have_text("1")
    expect(admin.mark("tile-sockets")).to_contain_text("2 users")
    expect_status(answer, "complete")
    completed = admin.page.locator('[data-test="event"][data-type="chat.completed"]')
    expect(completed).to_contain_text("gpt-")
    expect(admin.page.locator('[data-test="event"][data-type="user.created"]')).to_be_visible()
    assert QUESTION not in admin.page.content() and reader.email not in admin.page.content()
    expect(admin.mark("tile-drift")).to_contain_text("every wallet adds up")
    expect(admin.mark("tile-nodes").locator('[data-test="value"]')).to_have_text("1")
    expect(admin.mark("tile-errors").locator('[data-test="value"]')).to_have_text("0 %")
    expect(admin.mark("tile-webhooks").locator('[data-test="value"]')).to_have_text("0")
    expect(admin.mark("plot")).to_have_count(PLOTS)
    assert admin.page.evaluate(INKED_JS) == [True] * PLOTS
    assert admin.page.evaluate(UNDRAWN_JS, []) == []
    _shot(admin.page, "desktop")


def test_reload_brings_the_kept_samples_back(visit: Visit) -> None:
    visit.sign_in_to_monitor()
    visit.page.evaluate(
        """async () => {
          const {samples} = await import("/static/js/admin-feed.js");
          await new Promise((enough) => samples.version.subscribe(() => samples.columns.time.length > 4 && enough()));
        }"""
    )
    visit.page.reload()
    expect(visit.mark("tile-sockets").locator('[data-test="value"]')).to_have_text(re.compile(r"[1-9]"))
    kept = visit.page.evaluate("async () => (await import('/static/js/admin-feed.js')).samples.columns.time")
    assert len(kept) > 4 and kept == sorted(kept)


def test_events_are_chosen_and_held_still(visit: Visit, hub: RunningHub) -> None:
    visit.sign_in_to_monitor()
    hub.register()
    events = visit.mark("event")
    expect(events.first).to_be_visible()
    visit.mark("filter-type").select_option("notification.created")
    hub.register()
    expect(visit.page.locator('[data-type="notification.created"]')).to_have_count(2)
    expect(events).to_have_count(2)
    user = visit.mark("event-user").first.inner_text()
    visit.mark("event-user").first.click()
    expect(visit.mark("filter-user")).to_have_value(user)
    expect(events).to_have_count(1)
    visit.mark("filter-user").fill("")
    visit.mark("filter-user").press("Enter")
    visit.mark("pause").press("Enter")
    hub.register()
    expect(visit.mark("events-note")).to_contain_text("1 new event waiting")
    expect(events).to_have_count(1)
    visit.mark("pause").press("Enter")
    expect(events).to_have_count(2)


def test_others_are_sent_away_and_only_administrators_see_the_way(visitor: Visitor) -> None:
    reader, admin = visitor(), visitor()
    reader.sign_up()
    expect(reader.mark("admin")).to_have_count(0)
    reader.page.goto(f"{reader.url}/admin")
    expect(reader.mark("refused")).to_contain_text("not an administrator")
    expect(reader.mark("tile-sockets")).to_have_count(0)
    admin.sign_in_to_monitor()
    admin.page.get_by_role("link", name="Conversations").click()
    admin.mark("admin").click()
    expect(admin.page.get_by_role("heading", name="Live monitor")).to_be_visible()
    admin.mark("logout").click()
    expect(admin.mark("email")).to_be_visible()


def test_keyboard_reaches_everything(visit: Visit) -> None:
    visit.sign_in_to_monitor()
    visit.page.evaluate("document.activeElement.blur()")
    seen = []
    for _ in range(8):
        visit.page.keyboard.press("Tab")
        seen.append(visit.page.evaluate("document.activeElement.dataset.test ?? document.activeElement.className"))
    assert {"skip", "icon-button", "theme", "logout", "filter-type", "filter-user", "pause"} <= set(seen)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_wide_contrast(visitor: Visitor, hub: RunningHub, scheme: str) -> None:
    visit = visitor(color_scheme=scheme, reduced_motion="reduce")
    visit.sign_in_to_monitor()
    hub.register()
    expect(visit.mark("event").first).to_be_visible()
    assert visit.page.evaluate(CONTRAST_JS) == []
    _shot(visit.page, f"desktop-{scheme}")
    visit.mark("event").first.scroll_into_view_if_needed()
    _shot(visit.page, f"desktop-{scheme}-events")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_and_contrast(visitor: Visitor, hub: RunningHub, scheme: str) -> None:
    visit = visitor(color_scheme=scheme, reduced_motion="reduce", **PHONE)
    visit.sign_in_to_monitor()
    hub.register()
    expect(visit.mark("event").first).to_be_visible()
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert visit.page.evaluate("(n => n.scrollWidth <= n.clientWidth)(document.querySelector('.monitor-body'))")
    assert visit.page.evaluate(CONTRAST_JS) == []
    small = visit.page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, a.icon-button")].filter((n) => n.checkVisibility())
          .filter((node) => node.getBoundingClientRect().height < 40).map((node) => node.outerHTML)"""
    )
    assert small == []
    _shot(visit.page, f"phone-{scheme}")
    visit.mark("event").first.scroll_into_view_if_needed()
    _shot(visit.page, f"phone-{scheme}-events")
    visit.mark("theme").click()
    assert visit.page.evaluate(INKED_JS) == [True] * PLOTS
    assert visit.page.evaluate(UNDRAWN_JS, ["First token"]) == [], "of which there may have been none"
