"""Names that secrets go by, and the looks of real ones: what must stand in no address and in no document.

What is found is told of by its place and its first letters. A result never repeats a secret.
"""

import re
from collections.abc import Iterator
from typing import Final

from config import assistant as bounds

_NAMES: Final = frozenset(
    (
        *("token", "accesstoken", "refreshtoken", "authtoken", "idtoken", "bearertoken", "sessiontoken", "apitoken"),
        *("privatetoken", "jwt", "apikey", "xapikey", "privatekey", "secret", "apisecret", "sessionid"),
        *("password", "passwd", "pwd", "passphrase", "authorization", "credentials"),
    )
)
_SHOWN_CHARS: Final = 6  # of a secret that is told of
_ENDINGS: Final = ("password", "apikey", "clientsecret", "accesstoken", "secretkey")
_ADDRESS: Final = re.compile(r"[?&]([A-Za-z_-]{3,30})=")
_CREDENTIALS: Final = re.compile(r"://[^/?#@]{1,500}@")
_PLACEHOLDER: Final = re.compile(r"[{<\[]|your|example|xxx|\*\*\*|placeholder|\.\.\.|…", re.IGNORECASE)

# What it looks like, with the beginning by which a text is searched quickly.
_LOOKS: Final = (
    ("an AWS access key", re.compile(r"AKIA[0-9A-Z]{16}(?![0-9A-Z])")),
    ("a GitHub token", re.compile(r"gh[pousr]_[A-Za-z0-9]{36}(?![A-Za-z0-9])")),
    ("a GitHub token", re.compile(r"github_pat_[A-Za-z0-9_]{50,}")),
    ("a Stripe key", re.compile(r"[sr]k_live_[A-Za-z0-9]{20,}")),
    ("a Slack token", re.compile(r"xox[abprs]-[0-9A-Za-z-]{20,}")),
    ("a Google API key", re.compile(r"AIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])")),
    ("a key of an AI provider", re.compile(r"sk-(?:ant-|proj-)[A-Za-z0-9_-]{20,}")),
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")),
    ("a JSON Web Token", re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}")),
)


def is_secret_name(name: str) -> bool:
    """Whether a parameter of this name carries what lets its bearer in. `page_token` does not."""
    bare = re.sub(r"[^a-z]", "", name.lower())
    return bare in _NAMES or bare.endswith(_ENDINGS)


def is_placeholder(value: str) -> bool:
    """Whether a value only stands for a secret: `{{token}}`, `<your key>`, or nothing."""
    return not value.strip() or _PLACEHOLDER.search(value) is not None


def credentials_in(text: str) -> list[str]:
    """Where the text seems to hold real ones, a sentence each."""
    found: dict[str, None] = {}
    for looks, pattern in _LOOKS:
        for match in pattern.finditer(text):
            if len(found) >= bounds.ANALYSIS_NOTICES_MAX:
                break
            line = text.count("\n", 0, match.start()) + 1
            found[f"Line {line:,} has what looks like {looks} ({match[0][:_SHOWN_CHARS]}…)"] = None
    return list(found)


def masked(text: str) -> str:
    """The text with all that looks like a real secret cut to its first letters."""
    for _, pattern in _LOOKS:
        text = pattern.sub(lambda match: f"{match[0][:_SHOWN_CHARS]}…", text)
    return text


def secret_addresses_in(text: str) -> Iterator[str]:
    """The names of secrets that addresses in the text carry, each once."""
    names = dict.fromkeys(match[1] for match in _ADDRESS.finditer(text))
    return filter(is_secret_name, names)


def without_credentials(address: str) -> str:
    """The address without the user and password that it may have."""
    return _CREDENTIALS.sub("://", address, count=1)
