"""The page in `docs/` on which the lines of the AI Playground's document, as they stand there, read an answer."""

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import ConsoleMessage, expect

from tests.browser.hubs import slowly
from tests.browser.visit import Visit
from tests.running_hub import RunningHub

PAGE: Final = Path(__file__).parents[2] / "docs" / "playground-stream.html"
LINES: Final = """ws.onmessage = (event) => {
  const data = JSON.parse(event.data);
  console.log(data.content);
};"""
NOT_CONTENT: Final = "undefined"  # what the lines print for a frame that is no piece of an answer


def listen(visit: Visit) -> list[str]:
    """What the page prints from now on."""
    printed: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "log":
            printed.append(message.text)

    visit.page.on("console", heard)
    return printed


def answered(visit: Visit, token: str) -> str:
    """The text of this user's latest answer as it is stored."""
    headers = {"Authorization": f"Bearer {token}"}

    def get(path: str) -> Any:
        response = visit.context.request.get(visit.url + path, headers=headers)
        assert response.ok, response.text()
        return response.json()["data"]

    latest = get("/api/v1/usage?limit=1")["items"][0]
    assert latest["endpoint"] == "/v1/ai/stream"
    return str(get(f"/api/streams/{latest['id']}")["content"])


def ask(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Ask").click()
    expect(visit.page.get_by_role("status")).to_contain_text("Done")


def test_the_page_has_the_lines_of_the_document() -> None:
    """Shown, and word for word in its own script."""
    page = PAGE.read_text()
    assert LINES in page
    script = page.partition("<script>")[2]
    assert LINES.replace("\n", "\n    ") in script


def test_the_lines_print_each_piece_of_an_answer(visit: Visit, hub: RunningHub) -> None:
    """Address and token behind the page's own, which forgets them; other frames print something and break nothing."""
    token = hub.register()
    printed = listen(visit)
    visit.page.goto(f"{PAGE.as_uri()}#hub={visit.url}&token={token}&model=claude-3&question=Tell%20me")
    assert visit.page.url == PAGE.as_uri()
    ask(visit)
    text = answered(visit, token)
    pieces = [piece for piece in printed if piece != NOT_CONTENT]
    assert "".join(pieces) == text and len(text) > 200
    assert len(printed) - len(pieces) >= 4  # connected, chat.started, balance, chat.completed
    assert visit.page.locator("#answer").text_content() == text


@slowly
def test_the_pieces_come_while_the_answer_is_written(visit: Visit, hub: RunningHub) -> None:
    """By the fields of the page, and again with another question; a key of an API is as good as a token."""
    token = hub.register()
    made = visit.context.request.post(
        f"{visit.url}/v1/auth/api-keys",
        headers={"Authorization": f"Bearer {token}"},
        data={"name": "A page"},
    )
    printed = listen(visit)
    visit.page.goto(PAGE.as_uri())
    visit.page.get_by_label("Hub").fill(visit.url)
    visit.page.get_by_label("Token or key").fill(made.json()["data"]["key"])
    for question in ("Tell me", "And more?"):
        printed.clear()
        visit.page.get_by_label("Question").fill(question)
        ask(visit)
        pieces = [piece for piece in printed if piece != NOT_CONTENT]
        assert len(pieces) > 20 and "".join(pieces) == answered(visit, token)


def test_what_is_refused_is_told(visit: Visit) -> None:
    visit.page.goto(f"{PAGE.as_uri()}#hub={visit.url}&token=nonsense")
    visit.page.get_by_role("button", name="Ask").click()
    expect(visit.page.get_by_role("status")).not_to_be_empty()
    assert visit.page.locator("#answer").text_content() == ""
