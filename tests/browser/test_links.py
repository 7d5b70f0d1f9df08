"""The pages that links lead to: a forgotten password set anew, an address confirmed, a sign-in by Google."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from playwright.sync_api import expect

from hub.letters import SUBJECTS
from models.clock import now
from tests.browser.visit import PASSWORD, Visit, Visitor
from tests.conftest import StartHub
from tests.outbox import letter_to, link_in
from tests.running_hub import RunningHub
from tests.stand_ins.oidc_server import LyingProvider

NEW = "another horse battery"


def mailed(hub: RunningHub, address: str, subject: str) -> str:
    """The link of a letter; in a thread of its own, because the browser's loop holds this one."""
    found: list[str] = []
    work = threading.Thread(
        target=lambda: found.append(link_in(asyncio.run(letter_to(hub.data_dir, address, SUBJECTS[subject]))))
    )
    work.start()
    work.join()
    return found[0]


def test_forgotten_password_is_set_anew(visit: Visit, visitor: Visitor, hub: RunningHub) -> None:
    visit.sign_up()
    other = visitor()
    other.page.goto(other.url)
    other.mark("forgot").click()
    other.mark("email").fill(visit.email)
    other.mark("submit").click()
    expect(other.mark("form-done")).to_contain_text("is on its way")
    other.page.goto(mailed(hub, visit.email, "reset"))
    expect(other.mark("new-password")).to_be_visible()
    assert "token" not in other.page.url, "the secret is out of the address at once"
    other.mark("new-password").fill("short")
    other.mark("submit").click()
    expect(other.mark("new-password-error")).to_contain_text("at least 8")
    other.mark("new-password").fill(NEW)
    other.mark("submit").click()
    expect(other.mark("form-done")).to_contain_text("changed")
    expect(visit.page.get_by_role("heading", name="Sign in")).to_be_visible()
    other.mark("onwards").click()
    for mark, value in (("email", visit.email), ("password", PASSWORD)):
        other.mark(mark).fill(value)
    other.mark("submit").click()
    expect(other.mark("form-error")).to_be_visible()
    other.mark("password").fill(NEW)
    other.mark("submit").click()
    expect(other.mark("composer")).to_be_visible()


def test_address_is_confirmed_once(visit: Visit, hub: RunningHub) -> None:
    visit.sign_up()
    link = mailed(hub, visit.email, "verify")
    visit.page.goto(link)
    expect(visit.mark("link-state")).to_have_attribute("data-state", "done")
    visit.mark("onwards").click()
    expect(visit.mark("composer")).to_be_visible()
    visit.page.goto(link)
    expect(visit.mark("link-state")).to_have_attribute("data-state", "failed")
    expect(visit.mark("link-state")).to_contain_text("ask for a new link")


@pytest.fixture
def provider() -> Iterator[LyingProvider]:
    """An OpenID provider in a thread of its own."""
    provider, loop = LyingProvider(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(provider.start(), loop).result(10)
    yield provider
    asyncio.run_coroutine_threadsafe(provider.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


class TestByGoogle:
    """On a hub that has been told how."""

    @pytest.fixture
    def hub(self, start_hub: StartHub, provider: LyingProvider) -> RunningHub:
        settings = {"GOOGLE_CLIENT_ID": "hub", "GOOGLE_CLIENT_SECRET": "secret", "GOOGLE_ISSUER_URL": provider.url}
        return start_hub(**settings)

    def test_signs_in_or_says_why_not(self, visit: Visit, provider: LyingProvider) -> None:
        visit.page.goto(visit.url)
        provider.claims["email_verified"] = False
        visit.mark("google").click()
        expect(visit.mark("link-state")).to_contain_text("not confirmed")
        visit.mark("onwards").click()
        provider.claims["email_verified"] = True
        visit.mark("google").click()
        expect(visit.mark("composer")).to_be_visible()
        assert visit.page.url.rstrip("/") == visit.url
        totp = pyotp.TOTP(_data(visit, "setup", {})["secret"])
        _data(visit, "verify", {"code": totp.at(now())})
        visit.mark("logout").click()
        visit.mark("google").click()
        expect(visit.mark("code")).to_be_focused()
        visit.mark("code").fill("000000")
        visit.mark("submit").click()
        expect(visit.mark("code-error")).to_contain_text("not right")
        visit.mark("code").fill(totp.at(now(), counter_offset=1))  # the first one is used up
        visit.mark("submit").click()
        expect(visit.mark("composer")).to_be_visible()


def _data(visit: Visit, path: str, body: dict[str, str]) -> Any:
    """The answer of two-factor sign-in to a step of its set-up, on the browser's own login."""
    answer = visit.context.request.post(f"{visit.url}/api/auth/2fa/{path}", data=body)
    assert answer.ok, answer.text()
    return answer.json()["data"]


def test_without_google_there_is_no_such_button(visit: Visit) -> None:
    visit.page.goto(visit.url)
    expect(visit.mark("forgot")).to_be_visible()
    expect(visit.mark("google")).to_have_count(0)
