"""What calls to other companies have in common: the session they go by, and what is told where a company takes none."""

import aiohttp
import structlog

from config import assistant
from hub.errors import Code, HubError
from hub.integrations.endings import COMPANIES

log = structlog.get_logger(__name__)


class CompanyApi:
    """A company's API, called between `open` and `close`."""

    _opened: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Must run in the loop that will use it."""
        self._opened = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=assistant.INTEGRATION_CONNECTIONS_MAX),
            timeout=aiohttp.ClientTimeout(total=assistant.INTEGRATION_CALL_SECONDS_MAX),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()

    @property
    def _session(self) -> aiohttp.ClientSession:
        assert self._opened is not None, "opened first"
        return self._opened


def away(kind: str, reason: str, after: float | None = None) -> HubError:
    """A company did not do what it was asked for; `after` is the pause in seconds that it asked for."""
    log.warning(f"{COMPANIES[kind]}'s API cannot be used", reason=reason[: assistant.INTEGRATION_SAID_CHARS_MAX])
    seconds = after or assistant.INTEGRATION_RETRY_SECONDS
    message = f"{COMPANIES[kind]} cannot do this just now"
    return HubError(Code.UNAVAILABLE, message, retry_after_seconds=seconds, asked_seconds=after)


def unknown(kind: str, reason: str) -> HubError:
    """A company may have done what must not be done twice, and did not say so."""
    log.warning(f"{COMPANIES[kind]}'s API gave no answer", reason=reason[: assistant.INTEGRATION_SAID_CHARS_MAX])
    text = f"{COMPANIES[kind]} gave no answer; it may have done what it was asked for"
    return HubError(Code.OUTCOME_UNKNOWN, text, retry_after_seconds=assistant.INTEGRATION_RETRY_SECONDS)
