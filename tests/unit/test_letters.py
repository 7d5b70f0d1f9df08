"""Letters: headers that nothing gets out of, and text that stays text."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

from config import outgoing
from hub.letters import one_line, written
from models.clock import now

LONG = f"<https://hub.example.com/unsubscribe?token={'a' * 150}>"


def _sent(subject: str = "Paid", to: str = "ada@example.com", **options: Any) -> EmailMessage:
    note = {"title": subject, "message": "You & <i>we</i>", "category": "billing", "created_at": now()}
    facts = {"name": "Ada", "public_url": "http://h", "links": [], "all_link": "http://h/x", "more": 0}
    letter = written(
        *("notice", "mail_1", to, "Hub <hub@x.org>"),
        subject=subject,
        facts={**facts, "groups": {"billing": [note]}},
        **options,
    )
    return message_from_bytes(bytes(letter.message), policy=default)


@pytest.mark.parametrize(
    ("title", "subject"),
    [
        ("Paid\r\nBcc: eve@example.com", "Paid Bcc: eve@example.com"),
        ("Paid\n\n<p>body</p>", "Paid <p>body</p>"),
        ("a\x00b\x1b[31m\u2028c\u202ed", "a b [31m c d"),
        ("Zoë – 你好", "Zoë – 你好"),
        ("x" * 500, "x" * (outgoing.SUBJECT_CHARS_MAX - 1) + "…"),
    ],
)
def test_a_title_becomes_one_header_and_no_more(title: str, subject: str) -> None:
    assert one_line(title) == subject
    letter = _sent(title)
    assert letter["Subject"] == subject and letter["Bcc"] is None
    assert sorted(name for name in letter if name not in ("MIME-Version", "Content-Type")) == [
        "Auto-Submitted",
        "Date",
        "From",
        "Message-ID",
        "Subject",
        "To",
    ]


@pytest.mark.parametrize("to", ["ada@example.com", "ada@zoë.example"])
def test_a_long_address_stays_in_one_piece(to: str) -> None:
    letter = written(
        *("verify", "mail_1", to, "Hub <hub@x.org>"),
        subject="Paid",
        facts={"name": "Ada", "public_url": "http://h", "link": "http://h/x"},
        headers={"List-Unsubscribe": LONG},
    )
    assert f"\r\nList-Unsubscribe: {LONG}\r\n".encode() in bytes(letter.message)


def test_no_header_is_smuggled_in() -> None:
    with pytest.raises(ValueError, match="linefeed"):
        _sent(headers={"List-Unsubscribe": "<x>\r\nBcc: eve@example.com"})
    with pytest.raises(ValueError):
        _sent(to="ada@example.com\r\nBcc: eve@example.com")


def test_what_is_sent_again_has_the_same_id() -> None:
    first, second = _sent(is_repeatable=True), _sent(is_repeatable=True)
    assert first["Message-ID"] == second["Message-ID"] == "<mail_1@x.org>"
    assert _sent()["Message-ID"] != _sent()["Message-ID"]


def test_a_text_is_escaped_in_html_alone() -> None:
    plain, html = (_sent().get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None and html is not None
    assert "You & <i>we</i>" in plain.get_content()
    assert "You &amp; &lt;i&gt;we&lt;/i&gt;" in html.get_content()
