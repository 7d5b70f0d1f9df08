"""Unsubscribing by a letter's link: a page that asks, a button, and mail programs' one click; nothing by a forged link."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from hub.notices.unsubscribe import ALL
from models import notification_settings
from tests.factories import tell
from tests.integration.notifications.mailing import job_of, make_due, settled, verified_user
from tests.site import Site
from tests.stand_ins.smtp_server import Inbox

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=abc"}
ONE_CLICK = "List-Unsubscribe=One-Click"
ONE_CLICK_PARTS = '--abc\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--abc--\r\n'


async def _call(site: Site, link: str, method: str = "GET", **options: Any) -> HTTPResponse:
    """As a mail program does it: without a cookie, and without an origin."""
    parts = urlsplit(link)
    url = f"http://127.0.0.1:{site.port}{parts.path}?{parts.query}"
    return await AsyncHTTPClient().fetch(url, raise_error=False, method=method, **options)


async def _off(site: Site, user: str) -> dict[str, list[str]]:
    """By medium, the categories that a user has switched off."""
    stored = await notification_settings.of_user(site.services.database, user)
    return {
        medium: [name for name in notification_settings.CATEGORIES if medium not in _wanted(stored, name)]
        for medium in notification_settings.MEDIA
    }


def _wanted(stored: Any, category: str) -> list[str]:
    return notification_settings.wanted(stored, category)


NOTHING = {"email": [], "push": [], "inApp": []}


@pytest.mark.gen_test
async def test_a_letters_link_asks_and_its_button_does_it(mailing_site: Site, inbox: Inbox) -> None:
    services = mailing_site.services
    user, _ = await verified_user(mailing_site)
    await tell(services, user, "Paid", "text", "billing")
    await make_due(services, user)
    await settled(services, user)
    (letter,) = [one for one in inbox.letters if "List-Unsubscribe" in one]
    link = letter["List-Unsubscribe"].strip("<>")
    for method in ("GET", "HEAD", "GET"):  # scanners follow links
        page = await _call(mailing_site, link, method)
        assert page.code == 200
    text = page.body.decode()
    assert '<form method="post">' in text and "no more mails about billing" in text
    assert 'name="viewport" content="width=device-width' in text
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == ("no-referrer", "no-store")
    assert await _off(mailing_site, user) == NOTHING
    done = await _call(mailing_site, link, "POST", body="", headers=FORM)
    assert done.code == 200 and "notification settings" in done.body.decode()
    assert "You get no more mails about billing" in done.body.decode()
    assert await _off(mailing_site, user) == {**NOTHING, "email": ["billing"]}
    await tell(services, user, "Paid", "text", "billing")
    job = await job_of(services, user)
    assert job is not None and job["count"] == 0
    await tell(services, user, "Seen", "text", "security")
    job = await job_of(services, user)
    assert job is not None and job["count"] == 1


@pytest.mark.gen_test
@pytest.mark.parametrize(("headers", "body"), [(FORM, ONE_CLICK), (MULTIPART, ONE_CLICK_PARTS)], ids=["form", "parts"])
async def test_one_click_ends_mails(site: Site, headers: dict[str, str], body: str) -> None:
    user, _ = await verified_user(site)
    every = sorted(notification_settings.CATEGORIES)
    for what, off in (("security", ["security"]), (ALL, every)):
        for _ in range(2):  # a second time changes nothing
            link = site.services.notices.unsubscribing.link(user, what)
            assert (await _call(site, link, "POST", body=body, headers=headers)).code == 200
            assert await _off(site, user) == {**NOTHING, "email": off}


@pytest.mark.gen_test
async def test_a_link_that_is_not_ours_changes_nothing(site: Site) -> None:
    user, _ = await verified_user(site)
    other, _ = await verified_user(site)
    link = site.services.notices.unsubscribing.link(user, "billing")
    bad = [
        link.replace(".billing.", ".security."),
        link.replace(".billing.", f".{ALL}."),
        link.replace(user, other),
        link[:-1],
        link[:-1] + ("A" if link[-1] != "A" else "B"),
        link.rpartition(".")[0],
        link.partition("?")[0],
        f"{link.partition('?')[0]}?token=",
        f"{link.partition('?')[0]}?token=..",
        f"{link.partition('?')[0]}?token=%C3%BC.billing.%C3%BC",
        f"{link.partition('?')[0]}?token=%ff",
    ]
    for each in bad:
        for method, options in (("GET", {}), ("POST", {"body": ONE_CLICK, "headers": FORM})):
            page = await _call(site, each, method, **options)
            assert page.code == 400, (method, each)
            assert "This link does not work" in page.body.decode() and "<form" not in page.body.decode()
    assert await _off(site, user) == NOTHING == await _off(site, other)
