"""The page as a person has it: signed up, asking, cut off, coming back, signing out."""

import json
import re

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from tests.browser.hubs import SLOW, at_length, slowly
from tests.browser.visit import PASSWORD, QUESTION, Visit, Visitor, expect_status, grows, text_of, words_in
from tests.conftest import StartHub
from tests.line import Line

PAUSE_MS = 60_000  # longer than any of the page's own pauses, so that they are told apart


def _assert_whole(visit: Visit) -> None:
    """What the page shows is what is stored, once: nothing missing, nothing twice."""
    stored = visit.stored()
    assert visit.raw() == [message["content"] for message in stored]
    shown = text_of(visit.answers.last).inner_text()
    visit.page.goto("about:blank")
    visit.page.go_back()
    expect_status(visit.answers.last, stored[-1]["status"])
    assert text_of(visit.answers.last).inner_text() == shown


@slowly
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


@slowly
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


@at_length
def test_reload_in_the_middle_goes_on_without_a_gap(visit: Visit) -> None:
    visit.sign_up()
    words_in(visit.ask(QUESTION), 10)
    visit.page.reload()
    expect_status(visit.answers.last, "streaming")
    assert grows(visit.answers.last)
    expect_status(visit.answers.last, "complete")
    assert visit.answers.count() == 1
    _assert_whole(visit)


@at_length
def test_lost_network_is_said_and_the_answer_goes_on(visit_by_line: Visit, line: Line) -> None:
    visit = visit_by_line
    visit.sign_up()
    answer = visit.ask(QUESTION)
    words_in(answer, 10)
    line.cut()
    expect(visit.mark("status")).to_have_attribute("data-state", "lost")
    expect(visit.mark("status")).to_contain_text("Connection lost")
    line.mend()
    expect(visit.mark("status")).to_have_attribute("data-state", "regained", timeout=20_000)
    expect(visit.mark("status")).to_contain_text("Connected again")
    assert grows(answer)
    expect_status(answer, "complete")
    expect(visit.mark("status")).to_have_attribute("data-state", "open")
    _assert_whole(visit)


def test_question_asked_while_cut_off_is_sent_once(visit_by_line: Visit, line: Line) -> None:
    visit = visit_by_line
    visit.sign_up()
    expect(visit.mark("model")).not_to_contain_text("Choose")  # the models have come
    line.cut()
    expect(visit.mark("status")).to_have_attribute("data-state", "lost")
    answer = visit.ask(QUESTION)
    expect_status(answer, "sending")
    line.mend()
    expect_status(answer, "complete")
    assert [message["role"] for message in visit.stored()] == ["user", "assistant"]
    _assert_whole(visit)


def test_killed_hub_leaves_a_readable_answer(visitor: Visitor, start_hub: StartHub) -> None:
    hub = start_hub(**SLOW)
    visit = visitor(at=hub)
    visit.sign_up()
    answer = visit.ask(QUESTION)
    words_in(answer, 10)
    hub.kill()
    expect(visit.mark("status")).to_have_attribute("data-state", "lost")
    hub.start()
    expect(visit.mark("status")).to_have_attribute("data-state", re.compile("regained|open"), timeout=30_000)
    expect(visit.answers.last).to_have_attribute("data-status", re.compile("interrupted|failed"), timeout=30_000)
    expect(visit.answers.last.locator('[data-test="ending"]')).to_contain_text(re.compile("interrupted|stopped"))
    expect(visit.mark("send")).to_be_visible()
    visit.page.reload()
    expect_status(visit.answers.last, "interrupted")


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


def test_an_answer_is_rated_in_all_tabs(visit: Visit) -> None:
    """By the pointer or the keyboard; a second press withdraws it, and a reload finds it as it was."""

    def thumbs(page: Page) -> tuple[Locator, Locator]:
        return page.get_by_role("button", name="Good answer"), page.get_by_role("button", name="Bad answer")

    def are(page: Page, up: bool, down: bool) -> None:
        for button, pressed in zip(thumbs(page), (up, down), strict=True):
            expect(button).to_have_attribute("aria-pressed", str(pressed).lower())

    visit.sign_up()
    expect_status(visit.ask(QUESTION), "complete")
    are(visit.page, False, False)
    other = visit.tab()
    other.goto(visit.page.url)
    are(other, False, False)
    thumbs(visit.page)[0].click()
    for page in (visit.page, other):
        are(page, True, False)
    thumbs(other)[0].press("Tab")
    expect(thumbs(other)[1]).to_be_focused()
    thumbs(other)[1].press("Enter")
    for page in (other, visit.page):
        are(page, False, True)
    assert visit.stored()[-1]["rating"] == "down"
    visit.page.reload()
    are(visit.page, False, True)
    thumbs(visit.page)[1].click()
    for page in (visit.page, other):
        are(page, False, False)


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
    visit.mark("conversation").filter(has_text="Second question").get_by_role("button", name="Delete").click()
    visit.mark("confirm").click()
    expect(visit.mark("conversation")).to_have_count(1)
    expect(visit.mark("message")).to_have_count(0)


def test_a_conversation_begins_in_a_project_and_shows_what_is_left_of_its_budget(visit: Visit) -> None:
    visit.sign_up()
    expect(visit.mark("project")).to_have_count(0)
    project = {"name": "Research", "settings": {"default_model": "claude-3", "budget_limit": 1}}
    assert visit.context.request.post(f"{visit.url}/api/projects", data=project).status == 201
    visit.page.reload()
    visit.mark("project").select_option("Research")
    expect(visit.mark("project-left")).to_have_text("1.0000 credits left of its budget")
    expect(visit.mark("model")).to_contain_text("Claude")
    expect_status(visit.ask("First question"), "complete")
    expect(visit.mark("project")).to_have_count(0)
    expect(visit.mark("project-name")).to_contain_text("Research")
    spent = visit.stored()[-1]["receipt"]["charged"]
    expect(visit.mark("project-left")).to_have_text(f"{1 - spent:.6f} credits left of its budget")
    visit.page.reload()
    expect(visit.mark("project-name")).to_contain_text("Research")
    visit.mark("new-chat").click()
    expect(visit.mark("project")).to_have_value("")
    expect_status(visit.ask("Second question"), "complete")
    expect(visit.mark("project-name")).to_have_count(0)


def test_reconnection_backs_off_within_its_bounds(visit: Visit) -> None:
    visit.page.goto(visit.url)
    least, most = visit.page.evaluate(
        """async () => {
          const {retryDelay} = await import("/static/js/connection.js");
          const delays = (chance) => Array.from({length: 20}, (_, attempt) => retryDelay(attempt, () => chance));
          return [delays(0), delays(1)];
        }"""
    )
    assert least == sorted(least)
    assert most == sorted(most)
    assert (min(least), max(most)) == (300, 15_000)
    assert all(low < high for low, high in zip(least[1:], most[1:], strict=True))


def _end_the_node(socket: WebSocketRoute) -> None:
    """What a node that ends sends to a page that has just connected."""
    socket.send('{"id": 1, "type": "connected", "ping_seconds": 25}')
    socket.send(f'{{"type": "moving", "reconnect_ms": {PAUSE_MS}}}')
    socket.close(code=4001)


def test_a_node_that_ends_names_the_pause_before_the_next_connection(visit: Visit) -> None:
    visit.page.clock.install()
    visit.page.route_web_socket("**/moving", lambda socket: socket.on_message(lambda _: _end_the_node(socket)))
    visit.page.goto(visit.url)
    visit.page.evaluate(
        """async () => {
          const {Connection} = await import("/static/js/connection.js");
          window.states = [];
          const nothing = () => null;
          const options = {position: nothing, isRefused: async () => false, onConnected: nothing, onPush: nothing};
          const url = `${location.origin.replace("http", "ws")}/moving`;
          new Connection({...options, url, onState: ({name}) => window.states.push(name)}).start();
        }"""
    )
    visit.page.wait_for_function("() => states.length === 2")
    visit.page.clock.fast_forward(PAUSE_MS - 10_000)
    assert visit.page.evaluate("states") == ["open", "lost"]
    visit.page.clock.fast_forward(10_000)
    visit.page.wait_for_function("() => states.length > 2")


def test_new_work_waits_for_the_node_that_comes_after_one_that_ends(visit: Visit) -> None:
    """It would be refused by the one that ends; what belongs to running work still goes to that."""
    came: list[list[str]] = []

    def take(socket: WebSocketRoute) -> None:
        frames: list[str] = []
        came.append(frames)
        ends = len(came) == 1

        def answer(frame: str | bytes) -> None:
            sent = json.loads(frame)
            frames.append(sent["type"])
            if sent["type"] == "connect":
                socket.send(json.dumps({"id": sent["id"], "type": "connected", "ping_seconds": 25}))
                if ends:
                    socket.send('{"type": "moving", "reconnect_ms": 0}')
            elif ends:
                socket.close(code=4001)
            else:
                socket.send(json.dumps({"id": sent["id"], "type": "ok", "result": {}}))

        socket.on_message(answer)

    visit.page.route_web_socket("**/moving", take)
    visit.page.goto(visit.url)
    visit.page.evaluate(
        """async () => {
          const {Connection} = await import("/static/js/connection.js");
          const nothing = () => null;
          const url = `${location.origin.replace("http", "ws")}/moving`;
          const options = {url, position: nothing, isRefused: async () => false, onConnected: nothing, onState: nothing};
          const moved = new Promise((resolve) => {
            window.connection = new Connection({...options, onPush: resolve});
          });
          connection.start();
          await moved;
          connection.request("chat.start", {}, {work: true}).then(() => { window.started = true; });
          connection.request("chat.stop").catch(nothing);
        }"""
    )
    visit.page.wait_for_function("() => window.started")
    assert came[0] == ["connect", "chat.stop"]
    assert "chat.start" in came[1]


def test_an_address_that_is_not_allowed_is_said_and_not_tried_again(visit: Visit) -> None:
    """Browsers take any name that ends in `.localhost` for this machine; the hub allows its own alone."""
    upgrades: list[str] = []
    visit.page.clock.install()
    visit.page.on("websocket", lambda socket: upgrades.append(socket.url))
    visit.register()
    other = visit.url.replace("localhost", "other.localhost")
    visit.page.goto(other)
    visit.mark("email").fill(visit.email)
    visit.mark("password").fill(PASSWORD)
    visit.mark("submit").click()
    status = visit.mark("status")
    expect(status).to_have_attribute("data-state", "stopped")
    expect(status).to_contain_text(f"does not accept pages from {other}")
    expect(status).to_contain_text("HUB_ALLOWED_ORIGINS")
    tried = len(upgrades)
    visit.page.clock.fast_forward(60_000)
    with visit.page.expect_websocket(lambda socket: socket.url.endswith("/ours")):
        visit.page.evaluate("void new WebSocket('/ours')")  # reported after whatever the page opened before it
    assert len(upgrades) == tried + 1
    with visit.page.expect_websocket(), visit.page.expect_response(lambda answer: answer.request.method == "OPTIONS"):
        visit.page.get_by_role("button", name="Try now").click()
    expect(status).to_have_attribute("data-state", "stopped")
