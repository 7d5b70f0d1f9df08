"""Letters of workflows: whose they are, how many there are, and what a database that is away does to one that has gone."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from config import settings
from config import workflows as limits
from hub.mail import SmtpMailer
from hub.metrics import Metrics
from hub.tasks import Tasks
from hub.workflows.post import Post
from models import users, workflow_letters
from models.claims import NEVER
from models.clock import now
from models.database import Database
from models.users import USERS
from models.workflow_letters import WORKFLOW_LETTERS
from tests.integration.workflows.author import Author
from tests.integration.workflows.owner import manual, send_email, statuses
from tests.ledger_parts import Proxy, another_database, fail_point, proxied
from tests.patience import until
from tests.site import Site
from tests.stand_ins.smtp_server import Inbox, smtp_server


class CuttingInbox(Inbox):
    """Takes a mail, and before it says so the hub has no database any more."""

    def __init__(self, proxy: Proxy, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._proxy = proxy
        self._loop = loop

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._proxy.cut(), self._loop))
        return answer


class HangingInbox(Inbox):
    """Says nothing any more `at` a command, until whoever sends has gone."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self._at = at
        self.waits = self.left = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        await self._hang("DATA")
        return await super().handle_DATA(server, session, envelope)

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
        await self._hang("QUIT")
        return "221 Bye"

    async def _hang(self, command: str) -> None:
        if command != self._at:
            return
        self.waits = True
        try:
            await asyncio.Event().wait()
        finally:
            self.left = True


@asynccontextmanager
async def posting(far: Database, port: int) -> AsyncIterator[Post]:
    loaded = settings.load({"HUB_JWT_SECRET": secrets.token_urlsafe(48)})
    tasks = Tasks()
    post = Post(loaded, far, SmtpMailer(f"smtp://127.0.0.1:{port}"), tasks, "node_1", Metrics())
    tasks.start(post.run(), "post")
    yield post
    await post.close()
    await tasks.close(1)
    assert tasks.failures == 0


async def write_one(database: Database) -> None:
    moment = now()
    await database[USERS].insert_one(users.new_user("user_1", 1, "a@example.com", "a@example.com", None, moment))
    what = ("bob@example.com", "News", "Hello", moment, moment + timedelta(days=1))
    await database[WORKFLOW_LETTERS].insert_one(workflow_letters.new_letter("letter_1", "user_1", "exec_1", *what))


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("its_claim_ends", [False, True])
async def test_one_that_has_gone_goes_once_though_the_database_is_away(
    database: Database,
    mongod_uri: str,
    monkeypatch: pytest.MonkeyPatch,
    its_claim_ends: bool,
) -> None:
    monkeypatch.setattr(limits, "LETTER_NOTE_SECONDS", 0.1)
    await write_one(database)

    async def is_sent() -> bool:
        return await database[WORKFLOW_LETTERS].count({"status": "sent", "body": {"$exists": False}}) == 1

    async with proxied(mongod_uri, database.name) as (proxy, far):
        inbox = CuttingInbox(proxy, asyncio.get_running_loop())
        with smtp_server(inbox) as port:
            async with posting(far, port):
                await until(lambda: inbox.mails and not far.up)
                if its_claim_ends:
                    await database[WORKFLOW_LETTERS].update_one({}, {"$set": {"claimed_until": NEVER}})
                await proxy.open()
                await until(is_sent)
    assert len(inbox.mails) == 1


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize(("at", "status"), [("DATA", "waiting"), ("QUIT", "sent")])
async def test_an_orderly_end_frees_none_that_is_being_sent_or_has_gone(
    database: Database, mongod_uri: str, monkeypatch: pytest.MonkeyPatch, at: str, status: str
) -> None:
    """While it is being sent that is broken off first; of one that went, and that could not be noted, it is noted then."""
    monkeypatch.setattr(limits, "LETTER_CLOSE_SECONDS", 0.1)
    await write_one(database)
    inbox = HangingInbox(at)
    async with another_database(mongod_uri, database.name) as ours:
        refused = {"errorCode": 2, "namespace": f"{database.name}.{WORKFLOW_LETTERS}"}
        with smtp_server(inbox) as port:
            async with posting(ours, port) as post:
                async with fail_point(mongod_uri, {"times": 1}, ["update"], at_least=at == "QUIT", **refused):
                    await until(lambda: inbox.waits)
                await post.close()
                await until(lambda: inbox.left)
    (found,) = await database[WORKFLOW_LETTERS].find({}, limit=2)
    assert (found["status"], found["claim"]) == (status, None)


# --- whose they are -----------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_who_has_not_confirmed_an_address_writes_few(mailing_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LETTERS_UNCONFIRMED_PER_DAY_MAX", 1)
    who = await Author.of(mailing_site)
    twice = manual("t>a a>b", a=send_email(body="Hello"), b=send_email(body="Hello"))
    ended = await who.executed(twice)
    assert statuses(ended) == {"a": "completed", "b": "failed"}
    assert ended["result"]["error"]["reason"] == "letters" and "not confirmed" in ended["result"]["error"]["message"]
    await mailing_site.services.identities.change_user(who.user, {"email_verified": True})
    assert (await who.executed(twice))["status"] == "completed"


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("is_confirmed", [False, True])
async def test_each_says_whose_workflow_wrote_it(mailing_site: Site, inbox: Inbox, is_confirmed: bool) -> None:
    who = await Author.of(mailing_site)
    named = {"first_name": "Ada", "last_name": "Lovelace", "email_verified": is_confirmed}
    await mailing_site.services.identities.change_user(who.user, named)
    asking = {"type": "approval", "config": {"message": "Go on?", "to": "boss@example.com"}}
    workflow = await who.make(manual("t>a a>b", a=send_email(body="Hello"), b=asking))
    await who.begin(workflow)
    ours = ("bob@example.com", "boss@example.com")
    await until(lambda: len([letter for letter in inbox.letters if letter["To"] in ours]) == 2)
    for letter in [letter for letter in inbox.letters if letter["To"] in ours]:
        last = letter.get_content().rstrip().splitlines()[-1]
        url = mailing_site.services.settings.public_url
        assert last == f"Sent by a workflow of Ada Lovelace at Smart AI Hub ({url})."
        assert letter["Reply-To"] == ("user1@example.com" if is_confirmed else None)
