"""Letters: what the hub's mails say, from the templates in `mail_templates/`, as text and as HTML.

Templates are our own alone; what people wrote (a name) goes in as a value, and in HTML escaped.
"""

from collections.abc import Mapping
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, Policy
from email.utils import format_datetime, make_msgid, parseaddr
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from config import outgoing
from hub.mail import Letter
from models.clock import now

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "mail_templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class _Unfolded(UnstructuredHeader, BaseHeader):
    """A header of one long word. Python would fold it into encoded words, in which no mail program finds an address."""

    def fold(self, *, policy: "Policy[Any]") -> str:
        return f"{self.name}: {self}{policy.linesep}"


_HEADERS: Final = HeaderRegistry()
_HEADERS.map_to_type("list-unsubscribe", _Unfolded)
SUBJECTS: Final = {
    "reset": "Set a new password",
    "verify": "Confirm your e-mail address",
    "password_changed": "Your password was changed",
    "email_changed": "Your e-mail address was changed",
    "two_factor_on": "Two-factor sign-in is on",
    "two_factor_off": "Two-factor sign-in is off",
    "recovery_code_used": "A recovery code was used",
    "recovery_codes_renewed": "You have new recovery codes",
}


def compose(
    kind: str, letter_id: str, to: str, sender: str, public_url: str, *, name: str = "", link: str | None = None
) -> Letter:
    """One letter of those that an account needs. Raises `ValueError` for an address that no header can carry."""
    facts = {"name": name, "link": link, "public_url": public_url}
    return written(kind, letter_id, to, sender, subject=SUBJECTS[kind], facts=facts, link=link)


def written(
    template: str,
    letter_id: str,
    to: str,
    sender: str,
    *,
    subject: str,
    facts: Mapping[str, Any],
    headers: Mapping[str, str] = MappingProxyType({}),
    link: str | None = None,
    is_repeatable: bool = False,
) -> Letter:
    """One letter from `template`'s two forms. One that is repeatable has its id alone as its Message-ID, so that programs
    show it once however often it comes. Raises `ValueError` for an address or a header that cannot be.
    """
    subject = one_line(subject)
    domain = parseaddr(sender)[1].rpartition("@")[2]
    message = EmailMessage(policy=(SMTP if to.isascii() else SMTPUTF8).clone(header_factory=_HEADERS))
    message["Subject"] = subject
    message["From"] = sender
    message["To"] = Address(addr_spec=to)
    message["Date"] = format_datetime(now())
    message["Message-ID"] = f"<{letter_id}@{domain}>" if is_repeatable else make_msgid(letter_id, domain)
    message["Auto-Submitted"] = "auto-generated"
    for name, value in headers.items():
        message[name] = value
    told = {**facts, "subject": subject}
    message.set_content(_TEMPLATES.get_template(f"{template}.txt").render(told))
    message.add_alternative(_TEMPLATES.get_template(f"{template}.html").render(told), subtype="html")
    return Letter(letter_id, message, link)


def one_line(text: str) -> str:
    """A subject that ends no header: line breaks and other control characters become spaces, and it ends in time."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= outgoing.SUBJECT_CHARS_MAX else f"{line[: outgoing.SUBJECT_CHARS_MAX - 1]}…"
