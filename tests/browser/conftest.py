"""A real Chromium before really running hubs, all of them shared, and a network between that tests may cut.

A visit is a browser context of its own: cookies, cache and sockets end with the test. Who kills a hub starts one for that.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.browser.hubs import AT_ONCE
from tests.browser.visit import Visit, Visitor
from tests.conftest import Databases, hubs_in
from tests.line import Line
from tests.patience import PATIENCE_SECONDS
from tests.running_hub import RunningHub

WHOLE = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# A third less to compute than a browser with its windows; it is not pushed to.
SHELL = ("chromium-headless-shell", *WHOLE)
CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

expect.set_options(timeout=PATIENCE_SECONDS * 1_000)

SharedHubs = Callable[..., RunningHub]


@pytest.fixture(scope="package")
def shared_hub(mongod_uri: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedHubs]:
    """Gives the one hub that runs with some settings."""
    running: dict[frozenset[tuple[str, str]], RunningHub] = {}
    with hubs_in(tmp_path_factory.mktemp("hubs"), mongod_uri, databases) as start:

        def find(**environ: str) -> RunningHub:
            key = frozenset(environ.items())
            if key not in running:
                running[key] = start(**environ)
            return running[key]

        yield find


@pytest.fixture
def hub(request: pytest.FixtureRequest, shared_hub: SharedHubs) -> RunningHub:
    """A hub with an administrator, whose models answer at once; parametrize it with further settings."""
    return shared_hub(**{**AT_ONCE, **getattr(request, "param", {})})


@pytest.fixture(scope="package")
def playwright(shared_hub: SharedHubs) -> Iterator[Playwright]:
    """While it lives its event loop holds the thread: it ends before anything that runs a loop of its own."""
    with sync_playwright() as running:
        yield running


def installed(names: Iterable[str]) -> str:
    """The path of the first one that there is."""
    return next(filter(None, map(shutil.which, names)))


def _launch(playwright: Playwright, *flags: str) -> Browser:
    return playwright.chromium.launch(executable_path=installed(SHELL), args=[*CHROMIUM_FLAGS, *flags])


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = _launch(playwright)
    yield browser
    browser.close()


@pytest.fixture
def visitor(browser: Browser, hub: RunningHub) -> Iterator[Visitor]:
    """Makes visits; at the end none of them may have seen an error in the console or a refused policy."""
    visits: list[Visit] = []

    def arrive(at: RunningHub = hub, by: Browser = browser, **context: Any) -> Visit:
        size = {"width": 1280, "height": 800}
        visits.append(Visit(by.new_context(**{"viewport": size, "locale": "en-GB", **context}), at.url))
        return visits[-1]

    yield arrive
    faults = [fault for visit in visits for fault in visit.faults]
    for visit in visits:
        visit.context.close()
    assert faults == []


@pytest.fixture
def visit(visitor: Visitor) -> Visit:
    return visitor()


@pytest.fixture
def line(hub: RunningHub) -> Iterator[Line]:
    address = urlsplit(hub.url)
    line = Line(address.hostname or "127.0.0.1", address.port or 80)
    yield line
    line.close()


@pytest.fixture
def visit_by_line(playwright: Playwright, hub: RunningHub, line: Line, visitor: Visitor) -> Iterator[Visit]:
    """Its browser takes the line for the hub's address, so the page's origin stays the one the hub allows."""
    browser = _launch(playwright, f"--host-resolver-rules=MAP {urlsplit(hub.url).netloc} 127.0.0.1:{line.port}")
    yield visitor(by=browser)
    browser.close()
