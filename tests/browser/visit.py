"""A person at the page: signs up, asks, reads. Knows the page only by its `data-test` marks, roles and text."""

import itertools
import re
import secrets
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.browser.hubs import ADMIN

PASSWORD: Final = "correct horse battery"
QUESTION: Final = "Explain a bounded queue, with code."
# What the browser itself reports when a test cuts the line or the hub refuses a form: not the page's doing.
EXPECTED: Final = ("Failed to load resource", "WebSocket connection to")

# A client of its own on the same login: what is stored must not be judged by the page's own code.
STORED_JS: Final = """(conversation) => new Promise((resolve, reject) => {
  const socket = new WebSocket(`ws://${location.host}/ws`);
  socket.onerror = () => reject(new Error("no socket"));
  socket.onopen = () => socket.send(JSON.stringify({id: 1, type: "connect"}));
  socket.onmessage = ({data}) => {
    const frame = JSON.parse(data);
    if (frame.error) reject(new Error(data));
    if (frame.id === 1)
      socket.send(JSON.stringify({id: 2, type: "conversations.messages", conversation_id: conversation}));
    if (frame.id === 2) { socket.close(); resolve(frame.result.messages); }
  };
})"""
RAW_JS: Final = """async () => {
  const {thread} = await import("/static/js/state.js");
  return thread.value.messages.value.map(({content}) => content.value);
}"""
NAMES: Final = MappingProxyType({"firstName": "Ada", "lastName": "Lovelace"})


class Visit:
    """One person in one browser context, with everything that went wrong on the way."""

    _numbers = itertools.count(1)

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.context = context
        self.faults: list[str] = []
        self.email = f"reader{next(self._numbers)}.{secrets.token_hex(4)}@example.com"
        self.page: Page = self.tab()

    def tab(self) -> Page:
        page = self.context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        return page

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(EXPECTED):
            self.faults.append(f"{message.type}: {message.text}")

    def mark(self, name: str) -> Locator:
        return self.page.locator(f'[data-test="{name}"]')

    def register(self) -> None:
        """By REST, which gives the browser its cookie as the form does, and costs no typing."""
        registered = self.context.request.post(
            f"{self.url}/api/auth/register", data={"email": self.email, "password": PASSWORD, **NAMES}
        )
        assert registered.ok, registered.text()

    def sign_up(self) -> None:
        self.register()
        self.page.goto(self.url)
        expect(self.mark("composer")).to_be_visible()
        expect(self.mark("balance")).not_to_be_empty()

    def sign_in_to_monitor(self) -> None:
        """As the administrator, by the form."""
        self.page.goto(f"{self.url}/admin")
        self.mark("email").fill(ADMIN["HUB_ADMIN_EMAIL"])
        self.mark("password").fill(ADMIN["HUB_ADMIN_PASSWORD"])
        self.mark("submit").click()
        expect(self.page.get_by_role("heading", name="Live monitor")).to_be_visible()
        expect(self.mark("tile-sockets").locator('[data-test="value"]')).to_have_text(re.compile(r"[1-9]"))

    def ask(self, question: str) -> Locator:
        """Sends by Enter and gives the answer that begins."""
        before = self.answers.count()
        self.mark("composer").fill(question)
        self.mark("composer").press("Enter")
        expect(self.answers).to_have_count(before + 1)
        return self.answers.nth(before)

    @property
    def answers(self) -> Locator:
        return self.page.locator('[data-test="message"][data-role="assistant"]')

    def balance(self) -> float:
        return float(self.mark("balance").inner_text().replace(",", ""))

    def stored(self) -> list[dict[str, Any]]:
        """The open conversation's messages as the hub has them."""
        conversation = self.page.url.rpartition("#/c/")[2]
        messages: list[dict[str, Any]] = self.page.evaluate(STORED_JS, conversation)
        return messages

    def raw(self) -> list[str]:
        """The Markdown of each turn as the page holds it."""
        turns: list[str] = self.page.evaluate(RAW_JS)
        return turns


Visitor = Callable[..., Visit]


def text_of(answer: Locator) -> Locator:
    return answer.locator('[data-test="content"]')


def words_in(answer: Locator, least: int) -> int:
    """Waits until the answer has this many words, and says how many it has by then."""
    handle = text_of(answer)
    expect(handle).to_be_visible()
    words: int = handle.evaluate(
        """(node, least) => new Promise((resolve) => {
          const look = () => {
            const words = node.isConnected ? node.innerText.split(/\\s+/).length : 0;
            if (words >= least) resolve(words); else requestAnimationFrame(look);
          };
          look();
        })""",
        least,
    )
    return words


def grows(answer: Locator, times: int = 12) -> bool:
    """Whether it becomes longer so often before it ends: a stream that is followed does, what is read again comes whole."""
    followed: bool = text_of(answer).evaluate(
        """(node, times) => new Promise((resolve) => {
          const message = node.closest('[data-test="message"]');
          let length = node.textContent.length;
          const look = () => {
            if (message.dataset.status !== "streaming" || !node.isConnected) return resolve(false);
            if (node.textContent.length > length) times -= 1;
            length = node.textContent.length;
            if (times) requestAnimationFrame(look); else resolve(true);
          };
          look();
        })""",
        times,
    )
    return followed


def expect_status(answer: Locator, status: str, seconds: float = 30) -> None:
    expect(answer).to_have_attribute("data-status", status, timeout=seconds * 1000)
