"""What a caller is told of a provider's failure: the provider's own words, without our key or address in them."""

import re
from typing import Final

from config import limits

# Companies quote a part of the key in their errors (`sk-ab***yz`), so the key's own text is not enough to look for.
_KEY_LIKE: Final = re.compile(r"\b(sk|pk|ak)[-_.][\w*.\-]{4,}|\beyJ[\w.\-]{20,}|Bearer\s+\S+")


def credentials_refused(label: str) -> str:
    """For 401 and 403: the hub's own misconfiguration, which no caller can mend and whose details are none of theirs."""
    return f"{label} refused the hub's credentials"


def provider_words(label: str, status: int | None, message: str | None, secrets: tuple[str | None, ...]) -> str:
    """One line: who failed, with which status, and why. At most `PROVIDER_ERROR_CHARS_MAX` of the provider's words."""
    where = f"{label} answered {status}" if status is not None else f"{label} reported an error"
    if not message or not message.strip():
        return where
    for secret in filter(None, secrets):
        message = message.replace(secret, "…")
    text = " ".join(_KEY_LIKE.sub("…", message[: 4 * limits.PROVIDER_ERROR_CHARS_MAX]).split())
    return f"{where}: {text[: limits.PROVIDER_ERROR_CHARS_MAX]}"
