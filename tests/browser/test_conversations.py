"""The list of conversations: searched, and each renamed and taken away as a file."""

from playwright.sync_api import expect

from tests.browser.visit import Visit, expect_status


def test_conversations_are_searched_renamed_and_taken_away(visit: Visit) -> None:
    visit.sign_up()
    for question in ("Tell me of zebras", "Tell me of apples"):
        visit.mark("new-chat").click()
        expect_status(visit.ask(question), "complete")
    listed = visit.mark("conversation")
    visit.mark("search").fill("ZEBRA")
    expect(visit.mark("found")).to_have_attribute("data-count", "1")
    expect(listed).to_have_text(["Tell me of zebras"])
    listed.first.hover()
    listed.first.locator('[data-test="edit"]').click()
    expect(visit.mark("title")).to_have_value("Tell me of zebras")
    with visit.page.expect_download() as download:
        visit.mark("export-markdown").click()
    text = download.value.path().read_text()
    assert download.value.suggested_filename.endswith(".md") and text.startswith("# Tell me of zebras\n")
    visit.mark("title").fill("Stripes")
    visit.mark("submit").click()
    expect(visit.mark("conversation-view")).to_have_count(0)
    expect(listed).to_have_text(["Stripes"])
    visit.mark("search").fill("nobody said that")
    expect(visit.mark("found")).to_have_text("Nothing was found.")
    visit.mark("search").fill("")
    expect(listed).to_have_text(["Tell me of apples", "Stripes"])
    visit.page.reload()
    expect(listed).to_have_text(["Tell me of apples", "Stripes"])
