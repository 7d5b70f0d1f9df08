"""Telegram's Bot API as the hub uses it: who a bot is, where its updates go, messages sent. JSON over HTTPS.

It knows no user of ours: each call is given a bot's token, which stands in the address that is called and so in no log.
Failures are `TokenRefused` where the token is good no more, `Refused` for what Telegram does not allow, and else
`HubError`s: UNAVAILABLE where nothing was done, OUTCOME_UNKNOWN where a message may have been sent.
"""

from functools import partial
from typing import Any, Final

import aiohttp
import orjson

from config import assistant
from config.settings import Settings
from hub.integrations.calls import CompanyApi, away, unknown

UPDATES: Final = ("message", "channel_post")  # of all that may happen to a bot, what it is asked to be told
_away: Final = partial(away, "telegram")
_unknown: Final = partial(unknown, "telegram")


class TokenRefused(Exception):
    """There is no bot of this token, or not any more."""


class Refused(Exception):
    """Telegram knows the bot, and does not do this; the message are its own words."""


class TelegramApi(CompanyApi):
    """One per process."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.telegram_api_url

    async def username(self, token: str) -> str:
        """Of the bot that a token is of, as people write it: `@my_bot`."""
        return f"@{_field(await self._call(token, 'getMe'), 'username')}"

    async def set_webhook(self, token: str, url: str, secret_token: str) -> None:
        """Have a bot's updates sent there, with this token in a header of each; what waits for it is not lost."""
        await self._call(token, "setWebhook", url=url, secret_token=secret_token, allowed_updates=UPDATES)

    async def webhook(self, token: str) -> str:
        """The address that a bot's updates go to; empty where there is none."""
        return _field(await self._call(token, "getWebhookInfo"), "url")

    async def delete_webhook(self, token: str) -> None:
        await self._call(token, "deleteWebhook")

    async def show_typing(self, token: str, chat_id: str) -> None:
        """Let a chat see for some seconds that a message is coming: what may be done where messages may be sent."""
        await self._call(token, "sendChatAction", chat_id=chat_id, action="typing")

    async def send(self, token: str, chat_id: str, text: str) -> dict[str, Any]:
        """A message of plain text; it has a `message_id`. Telegram knows no repetition: asked twice it sends twice."""
        sent = await self._call(token, "sendMessage", chat_id=chat_id, text=text)
        if not isinstance(sent, dict) or type(sent.get("message_id")) is not int:
            raise _unknown("its answer names no message")
        return sent

    async def _call(self, token: str, method: str, **parameters: Any) -> Any:
        url, headers = f"{self._url}/bot{token}/{method}", {"Content-Type": "application/json"}
        body = orjson.dumps(parameters)
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                return _result(response.status, await _read(response))
        except aiohttp.ClientConnectorError as error:  # its words hold the host, and not the address
            raise _away(f"{type(error).__name__}: {error}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _unknown(type(error).__name__) from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    kept = bytearray()
    async for piece in response.content.iter_any():
        kept += piece
        if len(kept) > assistant.INTEGRATION_ANSWER_BYTES_MAX:
            raise _unknown("its answer is too large")
    return bytes(kept)


def _result(status: int, text: bytes) -> Any:
    """Of `{"ok": true, "result": ...}`, or what `{"ok": false, "error_code", "description", "parameters"}` means."""
    try:
        answer = orjson.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise _unknown(f"status {status}, and no JSON")
    if answer.get("ok") is True:
        return answer.get("result")
    said = str(answer.get("description", "it gives no reason"))[: assistant.INTEGRATION_SAID_CHARS_MAX]
    if status == 401 or said == "Not Found":  # a token of another form is an address that is not there
        raise TokenRefused
    if status >= 500:
        raise _unknown(f"status {status}: {said}")
    if status == 429:
        raise _away(said, _retry_after(answer))
    raise Refused(said)


def _retry_after(answer: dict[str, Any]) -> float | None:
    parameters = answer.get("parameters")
    seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return float(seconds) if type(seconds) is int and seconds >= 0 else None


def _field(result: Any, name: str) -> str:
    return str(result.get(name, "")) if isinstance(result, dict) else ""
