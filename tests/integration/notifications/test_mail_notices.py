"""Notifications by mail to a real mail server: one letter, digests, what is not wanted, and servers that are away."""

from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage

import pytest

from config import outgoing
from hub.services import Services
from models.clock import now
from models.notice_jobs import NOTICE_JOBS
from tests.conftest import OpenServices
from tests.factories import tell
from tests.integration.notifications.mailing import (
    forget,
    job_of,
    make_due,
    settled,
    untold,
    unverified_user,
    verified_user,
)
from tests.patience import until
from tests.site import PASSWORD, Site
from tests.stand_ins.smtp_server import Inbox, free_port, smtp_server

SETTINGS = "/api/notifications/settings"
PURCHASE = {"packageId": "pkg_starter", "paymentMethodId": "pm_123", "amount": 1000}


def notices_in(inbox: Inbox) -> list[EmailMessage]:
    """The letters of notifications; those of accounts have no such header."""
    return [letter for letter in inbox.letters if "List-Unsubscribe" in letter]


def parts(letter: EmailMessage) -> tuple[str, str]:
    plain, html = letter.get_body(("plain",)), letter.get_body(("html",))
    assert plain is not None and html is not None
    return plain.get_content(), html.get_content()


@pytest.mark.gen_test
async def test_a_top_up_becomes_one_mail(mailing_site: Site, inbox: Inbox) -> None:
    site, services = mailing_site, mailing_site.services
    registered = await site.register(firstName="Zoë")
    user = registered["data"]["user"]["id"]
    await services.identities.change_user(user, {"email_verified": True})
    await forget(services, user)
    await site.client(token=registered["access_token"]).post("/api/credits/purchase", PURCHASE, status=200)
    await until(lambda: job_of(services, user))
    job = await job_of(services, user)
    assert job is not None and job["count"] == 1
    assert (job["due_at"] - job["created_at"]).total_seconds() == outgoing.NOTICE_GATHER_SECONDS["email"]
    await make_due(services, user)
    await until(lambda: notices_in(inbox))
    await settled(services, user)
    (letter,) = notices_in(inbox)
    assert (letter["Subject"], letter["To"]) == ("Payment received", "user1@example.com")
    assert letter["From"] == "Hub <hub@x.org>" and letter["Auto-Submitted"] == "auto-generated"
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert letter["List-Unsubscribe"].startswith(f"<{services.settings.public_url}/unsubscribe?token={user}.billing.")
    for text in parts(letter):
        assert "Hello Zoë" in text and "were added to your wallet." in text
        assert letter["List-Unsubscribe"].strip("<>") in text
    raw = inbox.mails[-1][2]
    assert f"\nList-Unsubscribe: {letter['List-Unsubscribe']}\n" in raw.replace("\r\n", "\n")  # in one piece


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "switched_off", [{"emailNotifications": False}, {"categories": {"billing": {"email": False}}}], ids=str
)
@pytest.mark.parametrize("meanwhile", [False, True], ids=["before", "meanwhile"])
async def test_what_is_switched_off_is_not_mailed(
    mailing_site: Site, inbox: Inbox, switched_off: dict[str, object], meanwhile: bool
) -> None:
    site, services = mailing_site, mailing_site.services
    user, address = await verified_user(site)
    login = await site.client().post("/api/auth/login", {"email": address, "password": PASSWORD})
    client = site.client(token=login.body["access_token"])
    if meanwhile:
        await tell(services, user, "Paid", "text", "billing")
    await client.request("PUT", SETTINGS, switched_off, status=200)
    if not meanwhile:
        await tell(services, user, "Paid", "text", "billing")
        assert await job_of(services, user) is None
        return
    await make_due(services, user)
    await settled(services, user)
    assert notices_in(inbox) == []


@pytest.mark.gen_test
async def test_what_was_read_meanwhile_is_not_mailed(mailing_site: Site, inbox: Inbox) -> None:
    services = mailing_site.services
    user, _ = await verified_user(mailing_site)
    read, _ = [await tell(services, user, title, "text") for title in ("Seen", "Unseen")]
    await services.notifications.read(user, read)
    await make_due(services, user)
    await settled(services, user)
    assert [letter["Subject"] for letter in notices_in(inbox)] == ["Unseen"]


@pytest.mark.gen_test
async def test_a_burst_becomes_one_digest(mailing_site: Site, inbox: Inbox) -> None:
    services = mailing_site.services
    user, _ = await verified_user(mailing_site)
    for number in range(5):
        await tell(services, user, f"<b>n{number}</b>", "a & b", ("billing", "security")[number % 2])
    job = await job_of(services, user)
    assert job is not None and job["count"] == 5 and notices_in(inbox) == []
    assert (job["due_at"] - job["created_at"]).total_seconds() == outgoing.NOTICE_GATHER_SECONDS["email"]
    await make_due(services, user)
    await settled(services, user)
    (letter,) = notices_in(inbox)
    assert letter["Subject"] == "5 notifications"
    plain, html = parts(letter)
    places = [plain.index(what) for what in ("Billing", "n4", "n2", "n0", "Security", "n3", "n1")]
    assert places == sorted(places)
    assert "&lt;b&gt;n4&lt;/b&gt;" in html and "<b>n4" not in html and "a &amp; b" in html
    assert f"token={user}.all." in letter["List-Unsubscribe"]
    for what in ("billing", "security", "all"):
        assert plain.count(f"/unsubscribe?token={user}.{what}.") == 1 == html.count(f"?token={user}.{what}.")


@pytest.mark.gen_test
async def test_what_comes_within_the_pause_goes_together_after_it(mailing_site: Site, inbox: Inbox) -> None:
    services = mailing_site.services
    user, _ = await verified_user(mailing_site)
    await tell(services, user, "First", "text")
    await make_due(services, user)
    await settled(services, user)
    paused = await job_of(services, user)
    assert paused is not None and abs(paused["due_at"] - now() - timedelta(seconds=900)) < timedelta(seconds=30)
    for title in ("Second", "Third"):
        await tell(services, user, title, "text")
    waiting = await job_of(services, user)
    assert waiting is not None and (waiting["count"], waiting["due_at"]) == (2, paused["due_at"])
    assert len(notices_in(inbox)) == 1
    await make_due(services, user)
    await settled(services, user)
    assert [letter["Subject"] for letter in notices_in(inbox)] == ["First", "2 notifications"]
    await make_due(services, user)  # nothing came in this pause: the next one is alone again
    await until(lambda: _is_gone(mailing_site, user))


async def _is_gone(site: Site, user: str) -> bool:
    return await job_of(site.services, user) is None


@pytest.mark.gen_test
async def test_a_digest_shows_the_newest_and_how_many_more(mailing_site: Site, inbox: Inbox) -> None:
    services = mailing_site.services
    user, _ = await verified_user(mailing_site)
    more = 3
    for number in range(outgoing.NOTICES_PER_LETTER_MAX + more):
        await tell(services, user, f"n{number:02}", "text")
    await make_due(services, user)
    await settled(services, user)
    (letter,) = notices_in(inbox)
    plain, html = parts(letter)
    assert letter["Subject"] == "23 notifications"
    assert "n02" not in plain and "n03" in plain and "n22" in html
    assert f"And {more} earlier ones" in plain and f"{more} earlier ones</a>" in html


@pytest.mark.gen_test
async def test_an_address_that_nobody_confirmed_gets_none(mailing_site: Site, inbox: Inbox) -> None:
    services = mailing_site.services
    user, _ = await unverified_user(mailing_site)
    await tell(services, user, "Paid", "text")
    await make_due(services, user)
    await settled(services, user)
    assert notices_in(inbox) == []


@pytest.mark.gen_test
async def test_a_suspended_user_gets_none(mailing_site: Site, inbox: Inbox) -> None:
    services = mailing_site.services
    user, _ = await verified_user(mailing_site)
    await tell(services, user, "Paid", "text")
    await services.identities.change_user(user, {"status": "suspended"})
    await make_due(services, user)
    await settled(services, user)
    assert notices_in(inbox) == []


@pytest.fixture
def unheard(serve: Callable[..., Site]) -> tuple[Site, int]:
    """A hub whose mail server is away, and that one's port."""
    port = free_port()
    return serve(HUB_RATE_LIMITS="off", HUB_SMTP_URL=f"smtp://127.0.0.1:{port}"), port


@pytest.mark.gen_test
async def test_a_server_that_comes_back_gets_each_mail_once(unheard: tuple[Site, int], inbox: Inbox) -> None:
    site, port = unheard
    services = site.services
    users = [await verified_user(site) for _ in range(3)]
    for user, _ in users:
        await tell(services, user, "Paid", "text")
        await make_due(services, user)
    for user, _ in users:
        await until(
            lambda user=user: services.database[NOTICE_JOBS].find_one({"user": user, "attempts": 1, "claim": None})
        )
        job = await job_of(services, user)
        assert job is not None and job["count"] == 1 == await untold(services, user)
        assert 0 < (job["due_at"] - now()).total_seconds() <= 1.2 * outgoing.NOTICE_RETRY_SECONDS[0]
    with smtp_server(inbox, port):
        for user, _ in users:
            await make_due(services, user)
        for user, _ in users:
            await settled(services, user)
    assert sorted(letter["To"] for letter in notices_in(inbox)) == sorted(address for _, address in users)
    figures = services.metrics.exposition().decode()
    assert 'hub_notices_total{medium="email",outcome="told"} 3.0' in figures
    assert 'hub_notices_total{medium="email",outcome="failed"} 3.0' in figures


@pytest.mark.gen_test
async def test_what_cannot_go_is_given_up(mailing_site: Site, inbox: Inbox) -> None:
    services = mailing_site.services
    user, _ = await verified_user(mailing_site)
    await services.identities.change_user(user, {"email": "gone@example.com"})
    await tell(services, user, "Paid", "text")
    await make_due(services, user)
    await settled(services, user)  # refused for good: at once
    other, _ = await verified_user(mailing_site)
    await until(lambda: _letters_of_accounts_are_out(services))  # they would have the answer
    inbox.answers = ["451 come back later"]
    await tell(services, other, "Paid", "text")
    spent = {"attempts": len(outgoing.NOTICE_RETRY_SECONDS), "due_at": now()}
    await services.database[NOTICE_JOBS].update_one({"user": other, "medium": "email"}, {"$set": spent})
    await settled(services, other)
    assert notices_in(inbox) == []
    assert 'hub_notices_total{medium="email",outcome="given_up"} 2.0' in services.metrics.exposition().decode()


async def _letters_of_accounts_are_out(services: Services) -> bool:
    return await services.database["mails"].count({}) == 0


@pytest.mark.gen_test
async def test_waiting_jobs_are_counted(mailing_site: Site) -> None:
    services = mailing_site.services
    user, _ = await verified_user(mailing_site)
    await tell(services, user, "Paid", "text")
    await until(lambda: "hub_notice_jobs_waiting 1.0" in services.metrics.exposition().decode())


@pytest.fixture
def two_nodes(mailing_site: Site, open_hub: OpenServices, smtp_port: int) -> Site:
    """The first of two; both mail."""
    open_hub(HUB_SMTP_URL=f"smtp://127.0.0.1:{smtp_port}")
    return mailing_site


@pytest.mark.gen_test
async def test_two_nodes_send_no_letter_twice(two_nodes: Site, inbox: Inbox) -> None:
    first = two_nodes
    users = [await verified_user(first) for _ in range(12)]
    for user, _ in users:
        await tell(first.services, user, "Paid", "text")
    await first.services.database[NOTICE_JOBS].update_many({"medium": "email"}, {"$set": {"due_at": now()}})
    for user, _ in users:
        await settled(first.services, user)
    assert sorted(letter["To"] for letter in notices_in(inbox)) == sorted(address for _, address in users)
