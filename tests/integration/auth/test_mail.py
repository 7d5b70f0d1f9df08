"""Mail: by SMTP to a real server on loopback, tried again, given up, and never in the way of an answer."""

import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from structlog.testing import capture_logs

from config import outgoing
from config.settings import SettingsError, load
from hub import letters
from hub.letters import SUBJECTS
from hub.mail import MailFailed, MailRefused, OutboxMailer, SmtpMailer, mailer_of
from models.clock import now
from tests.patience import until
from tests.site import Site
from tests.stand_ins.smtp_server import Inbox, free_port, smtp_server


async def _is_done(site: Site) -> bool:
    """Whether no mail waits any more."""
    return await site.services.database["mails"].count({}) == 0


def a_letter(to: str = "ada@example.com", name: str = "Ada") -> Any:
    return letters.compose("verify", "mail_1", to, "Hub <hub@x.org>", "http://h", name=name, link="http://h/?token=x")


@pytest.mark.gen_test
async def test_a_mail_arrives_as_text_and_html(mailing_site: Site, inbox: Inbox) -> None:
    await mailing_site.register(firstName="Zoë")
    await until(lambda: inbox.mails)
    sender, recipients, content = inbox.mails[0]
    assert (sender, recipients) == ("hub@x.org", ["user1@example.com"])
    for part in (f"Subject: {SUBJECTS['verify']}", "text/plain", "text/html", "Message-ID: <", "Auto-Submitted"):
        assert part in content
    await until(lambda: _is_done(mailing_site))  # the server has it before we hear so
    assert not (mailing_site.services.settings.data_dir / "outbox").exists()


@pytest.mark.gen_test
async def test_a_temporary_refusal_is_tried_again(mailing_site: Site, inbox: Inbox) -> None:
    inbox.answers = ["451 come back later"]
    await mailing_site.register()
    await until(lambda: not inbox.answers)
    jobs = mailing_site.services.database["mails"]
    job = await jobs.find_one({})
    assert job is not None and job["attempts"] == 1
    await until(lambda: jobs.find_one({"claim": None}))
    await jobs.update_one({}, {"$set": {"due_at": now()}})
    mailing_site.services.mail.wake()
    await until(lambda: inbox.mails)


@pytest.mark.gen_test
async def test_what_will_never_go_is_given_up(mailing_site: Site, inbox: Inbox) -> None:
    mail = mailing_site.services.mail
    await mailing_site.register(email="gone@example.com")
    jobs = mailing_site.services.database["mails"]
    await until(lambda: mail.given_up == 1)
    await until(lambda: _is_done(mailing_site))
    inbox.answers = ["451 come back later"]
    await mailing_site.register()
    await until(lambda: jobs.find_one({"claim": None, "attempts": 1}))
    inbox.answers = ["451 no"]
    spent = len(outgoing.MAIL_RETRY_SECONDS)
    await jobs.update_one({}, {"$set": {"due_at": now(), "attempts": spent}})
    mail.wake()
    await until(lambda: mail.given_up == 2)
    assert inbox.mails == []


@pytest.mark.gen_test
async def test_a_hanging_server_delays_no_answer(serve_hanging: tuple[Site, socket.socket]) -> None:
    """It takes connections, and never says a word."""
    site, listening = serve_hanging
    await site.register()
    times = []
    for _ in range(10):
        started = time.monotonic()
        await site.client().post("/api/auth/forgot-password", {"email": "user1@example.com"})
        times.append(time.monotonic() - started)
    assert min(times) < 0.2 and max(times) < 0.6
    held, _ = listening.accept()  # the fault was there: somebody waits for its greeting
    held.close()


@pytest.fixture
def serve_hanging(serve: Callable[..., Site]) -> Iterator[tuple[Site, socket.socket]]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        port = listening.getsockname()[1]
        yield serve(HUB_RATE_LIMITS="off", HUB_SMTP_URL=f"smtp://127.0.0.1:{port}"), listening


@pytest.mark.gen_test
async def test_a_job_whose_process_died_is_taken_over(mailing_site: Site, inbox: Inbox) -> None:
    """Its claim has run out; the claim that it had can no longer end it."""
    user = (await mailing_site.register())["data"]["user"]["id"]
    await until(lambda: len(inbox.mails) == 1)
    past = now() - timedelta(seconds=1)
    job = {"_id": "mail_x", "kind": "verify", "user": user, "attempts": 1, "claim": "claim_dead", "due_at": past}
    await mailing_site.services.database["mails"].insert_one({**job, "expires_at": now() + timedelta(hours=1)})
    mailing_site.services.mail.wake()
    await until(lambda: len(inbox.mails) == 2)


@pytest.mark.gen_test
async def test_a_password_is_sent_where_one_is_set(inbox: Inbox) -> None:
    seen: list[LoginPassword] = []

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        seen.append(data)
        right = data.password == b"p@ss"
        return AuthResult(success=right, handled=right)

    with smtp_server(inbox, authenticator=check, auth_require_tls=False) as port:
        await SmtpMailer(f"smtp://me:p%40ss@127.0.0.1:{port}").send(a_letter())
        with pytest.raises(MailFailed):
            await SmtpMailer(f"smtp://me:wrong@127.0.0.1:{port}").send(a_letter())
    assert seen[0].login == b"me" and len(inbox.mails) == 1


@pytest.mark.gen_test
async def test_that_it_was_taken_is_told_before_anything_else_is_said() -> None:
    class Polite(Inbox):
        async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
            said.append("goodbye")
            return "221 Goodbye"

    async def taken() -> None:
        said.append(f"taken: {len(inbox.mails)}")

    said: list[str] = []
    inbox = Polite()
    with smtp_server(inbox) as port:
        await SmtpMailer(f"smtp://127.0.0.1:{port}").send(replace(a_letter(), taken=taken))
    assert said == ["taken: 1", "goodbye"]


@pytest.mark.gen_test
async def test_a_password_never_leaves_without_tls_but_to_ourselves() -> None:
    start_tls = {
        "smtp://me:secret@mail.example.com": True,
        "smtp://mail.example.com": None,
        "smtp://me:secret@127.0.0.1:25": False,
        "smtp://me:secret@localhost": False,
        "smtps://me:secret@mail.example.com": False,
    }
    assert {url: SmtpMailer(url)._start_tls for url in start_tls} == start_tls
    assert SmtpMailer("smtps://mail.example.com")._tls


@pytest.mark.gen_test
async def test_failures_are_told_apart(smtp_port: int) -> None:
    with pytest.raises(MailRefused):
        await SmtpMailer(f"smtp://127.0.0.1:{smtp_port}").send(a_letter("gone@example.com"))
    with pytest.raises(MailFailed):
        await SmtpMailer(f"smtp://127.0.0.1:{free_port()}").send(a_letter())


def test_nothing_that_people_typed_becomes_a_header_or_markup() -> None:
    letter = a_letter(name="<script>alert(1)</script>")
    html = letter.message.get_body(("html",)).get_content()
    assert "<script>" not in html and "&lt;script&gt;" in html
    for address in ("ada@example.com\r\nBcc: evil@example.com", "ada@example.com, evil@example.com", "nobody"):
        with pytest.raises(ValueError):
            a_letter(address)


@pytest.mark.gen_test
async def test_the_outbox_is_private_and_bounded(tmp_path: Path) -> None:
    mailer = OutboxMailer(tmp_path / "outbox", show_links=False)
    for number in range(outgoing.OUTBOX_FILES_MAX + 3):
        letter = letters.compose("password_changed", f"mail_{number:05}", "a@example.com", "h@x.org", "http://h")
        await mailer.send(letter)
    files = sorted((tmp_path / "outbox").iterdir())
    assert len(files) == outgoing.OUTBOX_FILES_MAX and files[0].name == "mail_00003.eml"
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert (tmp_path / "outbox").stat().st_mode & 0o777 == 0o700


@pytest.mark.gen_test
@pytest.mark.parametrize("env", ["development", "production"])
async def test_the_link_stands_in_the_log_in_development_alone(tmp_path: Path, env: str) -> None:
    """There whoever reads the log is who asked for the mail."""
    secret = {name: secrets.token_urlsafe(48) for name in ("HUB_JWT_SECRET", "HUB_SERVICE_TOKEN")}
    settings = load({"HUB_DATA_DIR": str(tmp_path), "HUB_ENV": env, **secret})
    letter = a_letter()
    with capture_logs() as lines:
        await mailer_of(settings).send(letter)
    written = next(line for line in lines if line["event"] == "mail written")
    assert written["file"] == str(tmp_path / "outbox" / "mail_1.eml")
    assert written.get("link") == (letter.link if env == "development" else None)
    assert ("token=x" in str(lines)) == (env == "development")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HUB_SMTP_URL", "mail.example.com:25"),
        ("HUB_SMTP_URL", "http://mail.example.com"),
        ("HUB_SMTP_URL", "smtp://mail.example.com:99999"),
        ("HUB_MAIL_FROM", "nobody"),
        ("HUB_OAUTH_REDIRECTS", "https://ok.example.com/cb,//evil"),
        ("HUB_OAUTH_REDIRECTS", "javascript:alert(1)"),
        ("GOOGLE_ISSUER_URL", "accounts.google.com"),
    ],
)
def test_unusable_settings_are_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load({"HUB_DATA_DIR": str(tmp_path), name: value})
