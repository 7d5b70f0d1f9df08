"""Letters: what the hub's mails say, from the templates in `mail_templates/`, as text and as HTML.

Templates are our own alone; what people wrote (a name) goes in as a value, and in HTML escaped.
"""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, make_msgid, parseaddr
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from hub.mail import Letter
from models.clock import now

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "mail_templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
SUBJECTS: Final = {
    "reset": "Set a new password",
    "verify": "Confirm your e-mail address",
    "password_changed": "Your password was changed",
    "email_changed": "Your e-mail address was changed",
}


def compose(
    kind: str, letter_id: str, to: str, sender: str, public_url: str, *, name: str = "", link: str | None = None
) -> Letter:
    """One letter. Raises `ValueError` for an address that no header can carry."""
    facts = {"name": name, "link": link, "public_url": public_url, "subject": SUBJECTS[kind]}
    message = EmailMessage(policy=SMTP if to.isascii() else SMTPUTF8)
    message["Subject"] = SUBJECTS[kind]
    message["From"] = sender
    message["To"] = Address(addr_spec=to)
    message["Date"] = format_datetime(now())
    message["Message-ID"] = make_msgid(letter_id, parseaddr(sender)[1].rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_TEMPLATES.get_template(f"{kind}.txt").render(facts))
    message.add_alternative(_TEMPLATES.get_template(f"{kind}.html").render(facts), subtype="html")
    return Letter(letter_id, message, link)
