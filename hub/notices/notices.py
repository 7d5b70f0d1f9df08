"""All by which notifications leave one process, wired up."""

from typing import Self

from config.settings import Settings
from hub.mail import Mailer
from hub.metrics import Metrics
from hub.notices.by_mail import MailNotices
from hub.notices.by_push import BrowserPush
from hub.notices.jobs import NoticeJobs
from hub.notices.media import Medium
from hub.notices.unsubscribe import Unsubscribing
from hub.safe_http import SafeHttp
from hub.tasks import Tasks
from models.database import Database


class Notices:
    """`push` has the browsers, `unsubscribing` what letters' links lead to; `jobs` work by themselves."""

    def __init__(self, push: BrowserPush, unsubscribing: Unsubscribing, jobs: NoticeJobs) -> None:
        self.push = push
        self.unsubscribing = unsubscribing
        self.jobs = jobs

    @classmethod
    async def open(
        cls, settings: Settings, database: Database, mailer: Mailer, http: SafeHttp, tasks: Tasks, metrics: Metrics
    ) -> Self:
        """With the key by which push services know the hub. Raises `DatabaseError`."""
        push, unsubscribing = await BrowserPush.open(settings, database, http), Unsubscribing(settings, database)
        media: dict[str, Medium] = {"email": MailNotices(settings, mailer, unsubscribing), "push": push}
        return cls(push, unsubscribing, NoticeJobs(database, media, tasks, metrics))
