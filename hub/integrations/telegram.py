"""A user's Telegram bot: connected by its token, tried, written by, and told what people write to it.

    connect --getMe, setWebhook--> INTEGRATIONS, its tokens sealed --sendMessage--> a chat
    Telegram --update, to the address with `hook`--> heard --> whoever asked to hear of it (workflows)

A bot's updates go to one address: who connects it last has them. Telegram sends to HTTPS alone; a hub without it connects
bots that write, and hear nothing.
"""

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, Final, TypeVar

import orjson
import structlog

from config.settings import Settings
from hub.errors import Code, HubError, invalid
from hub.integrations import uses
from hub.integrations.endings import UNREADABLE, mark_broken
from hub.integrations.telegram_api import UPDATES, Refused, TelegramApi, TokenRefused
from hub.ledger import Ledger
from hub.sealed import Sealed
from models import counters, integrations
from models.clock import now
from models.database import Database, Document
from models.ids import new_id

T = TypeVar("T")
Json = dict[str, Any]

log = structlog.get_logger(__name__)

PATH: Final = "/webhooks/telegram"
_TOKEN: Final = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,200}")
_HOOK_BYTES: Final = 24
_REVOKED: Final = "Telegram knows no bot of this token any more"


class Telegram:
    """One per process. Methods raise `DatabaseError`, and `HubError` as they say."""

    TYPE: ClassVar[str] = "telegram"

    def __init__(self, settings: Settings, database: Database, ledger: Ledger, sealed: Sealed) -> None:
        self._public_url = settings.public_url
        self._database = database
        self._ledger = ledger
        self._sealed = sealed
        self._api = TelegramApi(settings)

    async def open(self) -> None:
        """Must run in the loop that will use it."""
        await self._api.open()

    async def close(self) -> None:
        await self._api.close()

    # --- connecting ---------------------------------------------------------------------------------------------

    async def connect(self, user: str, given: Mapping[str, Any], project: int | None) -> Document:
        """By a `bot_token`, for the `chat_id` that is given, in the place of the bot that was connected before.

        Raises `HubError`: INVALID for a token that no bot has, UNAVAILABLE, OUTCOME_UNKNOWN.
        """
        before = await integrations.of_type(self._database, user, self.TYPE)
        moment, hook, secret = now(), secrets.token_urlsafe(_HOOK_BYTES), secrets.token_urlsafe(_HOOK_BYTES)
        token = given["bot_token"]
        name = await self._set_up(token, hook, secret)
        made = {
            "_id": new_id("integ"),
            "number": await counters.next_number(self._database, integrations.NUMBERS),
            "user": user,
            "type": self.TYPE,
            "name": name,
            "status": "connected",
            "sealed": self._sealed.seal(orjson.dumps({"bot_token": token, "secret_token": secret}).decode()),
            "renewed_at": moment,
            "connected_at": moment,
            "last_used": None,
            "chat_id": given.get("chat_id"),
            "hook": hook,
            **({} if project is None else {"project": project}),
        }
        put = await integrations.put(self._database, made)
        if before is not None:
            await self.disconnected(before)
        return put

    async def _set_up(self, token: str, hook: str, secret: str) -> str:
        """Have a bot's updates sent to us, where they can be; what the bot is called."""
        if not _TOKEN.fullmatch(token):
            raise invalid("bot_token", "must have the form that @BotFather gives tokens, as 123456:ABC-DEF")
        try:
            name = await self._api.username(token)
            if self.hears:
                await self._api.set_webhook(token, self.address(hook), secret)
        except TokenRefused:
            raise invalid("bot_token", "Telegram knows no bot of this token") from None
        except Refused as error:
            raise HubError(Code.CONFLICT, f"Telegram does not connect this bot: {error}") from None
        return name

    @property
    def hears(self) -> bool:
        """Whether Telegram can send updates here at all."""
        return self._public_url.startswith("https://")

    def webhook_url(self, found: Document) -> str:
        return self.address(found["hook"])

    def address(self, hook: str) -> str:
        return f"{self._public_url}{PATH}/{hook}"

    async def disconnected(self, found: Document) -> None:
        """Have Telegram send nothing more to the address of a bot that is connected no more, unless another hub or user has
        connected it since.
        """
        try:
            token, address = self._tokens(found)["bot_token"], self.address(found["hook"])
            if await self._api.webhook(token) == address:
                await self._api.delete_webhook(token)
        except (HubError, ValueError, TokenRefused, Refused) as error:  # it is gone here, which is what was asked for
            log.info("a webhook was not taken back at Telegram", error=str(error)[:200] or type(error).__name__)

    # --- using --------------------------------------------------------------------------------------------------

    async def test(self, found: Document) -> Json:
        """Who the bot is, as it is now, and what may be done by it. Raises `HubError`: CONFLICT, UNAVAILABLE."""
        try:
            return await self._using(found, lambda token: self._tried(token, found["chat_id"], found["hook"]))
        except Refused as error:
            raise HubError(Code.CONFLICT, f"Telegram does not do this: {error}") from None

    async def _tried(self, token: str, chat_id: str | None, hook: str) -> Json:
        username, can_send = await self._api.username(token), await self._can_send(token, chat_id)
        # Somebody else who has the token may have connected the bot since: then it is they who hear it.
        can_receive = self.hears and await self._api.webhook(token) == self.address(hook)
        return {"bot_username": username, "can_send_messages": can_send, "can_receive_messages": can_receive}

    async def _can_send(self, token: str, chat_id: str | None) -> bool:
        """To its own chat; without one, to any chat that is named and that lets it."""
        try:
            if chat_id is not None:
                await self._api.show_typing(token, chat_id)
        except Refused:
            return False
        return True

    async def send(self, user: str, text: str, chat_id: str | None = None) -> Json:
        """A message of plain text to a chat, or to the one that the user's bot was connected with: `{message_id, chat_id}`.

        Raises `HubError`: CONFLICT, INVALID for a chat that is not told or not the bot's to write to, UNAVAILABLE where
        nothing was sent, OUTCOME_UNKNOWN where it may have been.
        """
        found = await uses.connected(self._database, user, self.TYPE)
        chat = chat_id or found["chat_id"]
        if chat is None:
            raise invalid("chat_id", "is required: the bot was connected without a chat")
        try:
            sent = await self._using(found, lambda token: self._api.send(token, chat, text))
        except Refused as error:
            raise invalid("chat_id", f"Telegram does not send there: {error}", chat) from None
        return {"message_id": sent["message_id"], "chat_id": chat}

    async def _using(self, found: Document, call: Callable[[str], Awaitable[T]]) -> T:
        """What a call with the bot's token gives. Raises `HubError`, and `Refused` where the call does."""
        try:
            done = await call(self._tokens(found)["bot_token"])
        except ValueError:
            raise await mark_broken(self._ledger, found, UNREADABLE) from None
        except TokenRefused:
            raise await mark_broken(self._ledger, found, _REVOKED) from None
        await uses.note(self._database, found)
        return done

    # --- being told ---------------------------------------------------------------------------------------------

    async def heard(self, hook: str, secret_token: str) -> Document:
        """The bot whose updates come to this address. Raises `HubError`: NOT_FOUND, UNAUTHENTICATED for another's token."""
        found = await integrations.by_hook(self._database, hook)
        if found is None:
            raise HubError(Code.NOT_FOUND, "No bot's updates come here")
        try:
            ours = self._tokens(found)["secret_token"]
        except ValueError:
            raise await mark_broken(self._ledger, found, UNREADABLE) from None
        if not hmac.compare_digest(secret_token.encode(), ours.encode()):
            raise HubError(Code.UNAUTHENTICATED, "X-Telegram-Bot-Api-Secret-Token is not this bot's")
        return found

    def _tokens(self, found: Document) -> dict[str, str]:
        """Raises `ValueError`."""
        tokens: dict[str, str] = orjson.loads(self._sealed.open(found["sealed"]))
        return tokens


def message_of(update: Json) -> Json | None:
    """The message that an update tells of, in a group, a channel or by a person; None where it tells of something else."""
    told = next((update[kind] for kind in UPDATES if kind in update), None)
    return told if isinstance(told, dict) and isinstance(told.get("chat"), dict) else None


def is_of_chat(message: Json, chat_id: str) -> bool:
    """Whether a message was written in a chat, named by its id or, with an @, by its public name."""
    chat = message["chat"]
    if chat_id.startswith("@"):
        return str(chat.get("username", "")).casefold() == chat_id[1:].casefold()
    return str(chat.get("id")) == chat_id
