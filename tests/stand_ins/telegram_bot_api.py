"""Telegram's Bot API in its real wire form: `/bot{token}/{method}`, `{"ok": true, "result"}` or `{"ok": false, "error_code",
"description"}`, and updates sent to a bot's webhook with its secret token in the header.

`faults` answers the next calls of a method by a status; `chats` are those in which bots may write. What a caller does
wrong is answered in Telegram's words.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from aiohttp import web
from tornado.httpclient import AsyncHTTPClient, HTTPResponse

Json = dict[str, Any]
TOKEN: Final = "123456:AAE-stand_in"
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_PORTS: Final = (None, 80, 88, 443, 8443)
_TEXT_CHARS_MAX: Final = 4_096


@dataclass
class TelegramBotApi:
    """`bots` has the name of each token's bot; `sent` what was written, `typing` where a bot was seen to."""

    bots: dict[str, str] = field(default_factory=lambda: {TOKEN: "my_bot"})
    chats: set[str] = field(default_factory=lambda: {"123456789"})
    faults: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    webhooks: dict[str, Json] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    sent: list[Json] = field(default_factory=list)
    typing: list[str] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self._updates = 870_000
        self._runner: web.AppRunner | None = None

    @property
    def settings(self) -> dict[str, str]:
        """A hub that Telegram can send to, as far as this stand-in can tell."""
        return {"TELEGRAM_API_URL": self.url, "HUB_PUBLIC_URL": "https://hub.example.com", "HUB_RATE_LIMITS": "off"}

    async def start(self) -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    # --- to the hub ----------------------------------------------------------------------------------------------

    def update(self, text: str, chat_id: int = 123_456_789, kind: str = "message") -> Json:
        """A new one, of a message that somebody wrote to a bot."""
        self._updates += 1
        person = {"id": chat_id, "is_bot": False, "first_name": "Ada", "username": "ada", "language_code": "en"}
        chat = {"id": chat_id, "first_name": "Ada", "username": "ada", "type": "private"}
        message = {
            "message_id": self._updates % 1_000,
            "from": person,
            "chat": chat,
            "date": 1_762_684_200,
            "text": text,
        }
        return {"update_id": self._updates, kind: message}

    async def sends(self, port: int, update: Any, token: str = TOKEN, **headers: str) -> HTTPResponse:
        """An update to a bot's webhook, at this port of this machine whatever host its address names."""
        webhook = self.webhooks[token]
        given = {
            "Content-Type": "application/json",
            "X-Telegram-Bot-Api-Secret-Token": webhook["secret_token"],
            **headers,
        }
        address = f"http://127.0.0.1:{port}{urlsplit(webhook['url']).path}"
        body = orjson.dumps(update)
        return await AsyncHTTPClient().fetch(address, method="POST", body=body, headers=given, raise_error=False)

    # --- from the hub --------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.Response:
        found = re.fullmatch(r"bot([0-9]+:[A-Za-z0-9_-]+)/(\w+)", request.match_info["path"])
        method = None if found is None else getattr(self, f"_{found[2].lower()}", None)
        if found is None or method is None:
            return _failed(404, "Not Found")
        self.calls.append(found[2])
        if self.faults[found[2]]:
            return _fault(self.faults[found[2]].pop(0))
        if found[1] not in self.bots:
            return _failed(401, "Unauthorized")
        answer: web.Response = method(found[1], await request.json() if request.can_read_body else {})
        return answer

    def _getme(self, token: str, asked: Json) -> web.Response:
        name = self.bots[token]
        bot = {"id": int(token.partition(":")[0]), "is_bot": True, "first_name": "My Bot", "username": name}
        return _done({**bot, "can_join_groups": True, "supports_inline_queries": False})

    def _setwebhook(self, token: str, asked: Json) -> web.Response:
        address = urlsplit(asked["url"])
        if address.scheme != "https":
            return _failed(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        if address.port not in _PORTS:
            return _failed(400, "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        if not _SECRET.fullmatch(asked.get("secret_token", "")):
            return _failed(400, "Bad Request: secret token contains unallowed characters")
        self.webhooks[token] = asked
        return _done(True, description="Webhook was set")

    def _getwebhookinfo(self, token: str, asked: Json) -> web.Response:
        url = self.webhooks.get(token, {}).get("url", "")
        return _done({"url": url, "has_custom_certificate": False, "pending_update_count": 0})

    def _deletewebhook(self, token: str, asked: Json) -> web.Response:
        self.webhooks.pop(token, None)
        return _done(True, description="Webhook was deleted")

    def _sendchataction(self, token: str, asked: Json) -> web.Response:
        if str(asked["chat_id"]) not in self.chats:
            return _failed(400, "Bad Request: chat not found")
        self.typing.append(str(asked["chat_id"]))
        return _done(True)

    def _sendmessage(self, token: str, asked: Json) -> web.Response:
        if str(asked["chat_id"]) not in self.chats:
            return _failed(400, "Bad Request: chat not found")
        if not asked["text"].strip():
            return _failed(400, "Bad Request: message text is empty")
        if len(asked["text"]) > _TEXT_CHARS_MAX:
            return _failed(400, "Bad Request: message is too long")
        self.sent.append(asked)
        chat = {"id": asked["chat_id"], "type": "private"}
        return _done({"message_id": len(self.sent), "chat": chat, "date": 1_762_684_200, "text": asked["text"]})


def _done(result: Any, **more: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result, **more})


def _failed(status: int, description: str, **more: Any) -> web.Response:
    answer = {"ok": False, "error_code": status, "description": description, **more}
    return web.json_response(answer, status=status)


def _fault(status: int) -> web.Response:
    if status == 429:
        return _failed(429, "Too Many Requests: retry after 7", parameters={"retry_after": 7})
    return _failed(
        status, {401: "Unauthorized", 403: "Forbidden: bot was blocked by the user"}.get(status, "Bad Gateway")
    )
