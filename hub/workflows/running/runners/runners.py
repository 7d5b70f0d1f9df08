"""Which runner does which type of node.

Those of `IN_ONE_WRITE` ask nobody: the record of such a step, and what it writes, stand in one, and there is none before. Of
all others it is written first that they are begun, so that whoever takes over knows.
"""

from collections.abc import Mapping
from email.utils import parseaddr
from typing import Final

from config.catalogue import AiModel
from config.settings import Settings
from hub.chat import Chat
from hub.integrations.integrations import Integrations
from hub.safe_http import SafeHttp
from hub.workflows.running.runners import ask_nobody
from hub.workflows.running.runners.ai_call import AiCalls
from hub.workflows.running.runners.approval import Approvals
from hub.workflows.running.runners.http_request import HttpRequests
from hub.workflows.running.runners.messages import SheetAppends, TelegramMessages
from hub.workflows.running.runners.send_email import SendEmail
from hub.workflows.running.runners.work import Runner
from models.database import Database

IN_ONE_WRITE: Final = frozenset({"condition", "transform", "delay", "for_each", "approval", "send_email"})


def runners_of(
    settings: Settings,
    database: Database,
    chat: Chat,
    catalogue: Mapping[str, AiModel],
    http: SafeHttp,
    integrations: Integrations,
) -> Mapping[str, Runner]:
    """One for each type of node."""
    return {
        "ai_call": AiCalls(database, chat, catalogue),
        "send_email": SendEmail(parseaddr(settings.mail_from)[1].rpartition("@")[2]),
        "http_request": HttpRequests(http),
        "telegram_message": TelegramMessages(integrations),
        "google_sheets_append": SheetAppends(integrations),
        "approval": Approvals(settings.public_url),
        "condition": ask_nobody.condition,
        "transform": ask_nobody.transform,
        "delay": ask_nobody.delay,
        "for_each": ask_nobody.for_each,
    }
