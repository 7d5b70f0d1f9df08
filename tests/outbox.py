"""Reads the mails that a hub without a mail server has written, waiting for the one that is due."""

import email
import email.policy
import re
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.patience import until

_LINK = re.compile(r"https?://\S+\?token=\S+")


def letters(data_dir: Path) -> list[EmailMessage]:
    """All of them, oldest first."""
    files = sorted((data_dir / "outbox").glob("*.eml"))
    return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]  # type: ignore[misc]


async def letter_to(data_dir: Path, address: str, subject: str, number: int = 1) -> EmailMessage:
    """The `number`th letter with this subject to an address, once it is there."""

    def found() -> list[EmailMessage]:
        return [one for one in letters(data_dir) if one["To"] == address and one["Subject"] == subject]

    await until(lambda: len(found()) >= number)
    return found()[number - 1]


def link_in(letter: EmailMessage) -> str:
    """The link of a letter; text and HTML carry the same one."""
    plain, html = (letter.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None and html is not None
    found = _LINK.search(plain.get_content())
    assert found is not None and found[0] in html.get_content()
    return found[0]


def token_in(letter: EmailMessage) -> str:
    return parse_qs(urlsplit(link_in(letter)).query)["token"][0]
