"""How answers are shown: Markdown while it streams, code with colours, and nothing that could act."""

from playwright.sync_api import expect

from tests.browser.hubs import slowly
from tests.browser.visit import QUESTION, Visit, Visitor, expect_status, words_in

GROWING = """# Title

First **bold** words
and more.

- one
  - nested

- two


1. first

   ```js
   let a
   ```
2. second

> quote
lazy

| a | b |
|---|--:|
| 1 | `2` |

```python
def f():

    return 1
```

Head
====

***

last\r
\r
end
"""


@slowly
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


def test_growing_answer_reads_as_the_whole_one(visit: Visit) -> None:
    """Reading only the end of a growing text anew gives, at each moment, what reading all of it gives."""
    visit.page.goto(visit.url)
    differing = visit.page.evaluate(
        """async (text) => {
          const {blocks, growingBlocks} = await import("/static/js/markdown.js");
          const grown = growingBlocks();
          const ends = Array.from(text, (_, at) => text.slice(0, at + 1));
          return ends.filter((part) => grown(part).join("") !== blocks(part).join(""));
        }""",
        GROWING,
    )
    assert differing == []
