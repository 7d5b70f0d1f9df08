"""A real Chromium before a really running hub, with a network between them that tests may cut."""

import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.browser.line import Line
from tests.browser.visit import Visit, Visitor
from tests.running_hub import RunningHub

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture
def playwright(hub: RunningHub) -> Iterator[Playwright]:
    """Of each test its own: while it lives its event loop holds the thread, and the hub's fixtures need one too."""
    with sync_playwright() as running:
        yield running


@pytest.fixture
def line(hub: RunningHub) -> Iterator[Line]:
    address = urlsplit(hub.url)
    line = Line(address.hostname or "127.0.0.1", address.port or 80)
    yield line
    line.close()


@pytest.fixture
def browser(playwright: Playwright, hub: RunningHub, line: Line) -> Iterator[Browser]:
    """The browser takes the line for the hub's address, so the page's origin stays the one the hub allows."""
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)))
    detour = f"--host-resolver-rules=MAP {urlsplit(hub.url).netloc} 127.0.0.1:{line.port}"
    browser = playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_FLAGS, detour])
    yield browser
    browser.close()


@pytest.fixture
def visitor(browser: Browser, hub: RunningHub) -> Iterator[Visitor]:
    """Makes visits; at the end none of them may have seen an error in the console or a refused policy."""
    visits: list[Visit] = []

    def arrive(**context: Any) -> Visit:
        size = {"width": 1280, "height": 800}
        visits.append(Visit(browser.new_context(**{"viewport": size, "locale": "en-GB", **context}), hub.url))
        return visits[-1]

    yield arrive
    assert [fault for visit in visits for fault in visit.faults] == []


@pytest.fixture
def visit(visitor: Visitor) -> Visit:
    return visitor()
