"""Configurations after their templates: texts of any value, and what a payload must not bring in."""

from datetime import UTC, datetime
from typing import Any

import pytest

from config import workflows as limits
from hub.errors import Code, HubError
from hub.workflows.definitions.rendered import check
from tests.executions import Json


@pytest.mark.parametrize(
    ("type", "config", "checked"),
    [
        *(("ai_call", {"prompt": {"a": 1}, "temperature": 1.0}, {"prompt": '{"a":1}', "temperature": 1.0}),),
        *(("send_email", {"subject": 5, "body": None}, {"subject": "5", "body": ""}),),
        *(("http_request", {"headers": {"A": 5}, "body": [1]}, {"headers": {"A": "5"}, "body": [1]}),),
        *(("telegram_message", {"chat_id": -5, "text": True}, {"chat_id": "-5", "text": "true"}),),
        *(("google_sheets_append", {"values": [1, None]}, {"values": [[1, None]]}),),
        *(("google_sheets_append", {"values": [[1], ["a"]]}, {"values": [[1], ["a"]]}),),
        *(("google_sheets_append", {"values": []}, {"values": [[]]}),),
        *(("delay", {"until": "2026-01-01T00:00:00+01:00"}, {"until": datetime(2025, 12, 31, 23, tzinfo=UTC)}),),
        *(("delay", {"seconds": 5.0}, {"seconds": 5.0}), ("approval", {"message": [1]}, {"message": "[1]"})),
        *(("transform", {"set": {"a": 1}}, {"set": {"a": 1}}),),
    ],
)
def test_what_is_wanted_is_made_of_values(type: str, config: Json, checked: Json) -> None:
    assert check(type, config) == checked


TOO_MANY_ROWS = [[1]] * (limits.SHEET_ROWS_MAX + 1)


@pytest.mark.parametrize(
    ("type", "config", "field"),
    [
        *(("ai_call", {"prompt": None}, "prompt"), ("ai_call", {"prompt": "x" * 65_537}, "prompt")),
        *(("send_email", {"to": "ada@example.org\nBcc: b@example.org"}, "to"), ("send_email", {"to": None}, "to")),
        *(("send_email", {"to": "a@b.org, c@d.org"}, "to"), ("send_email", {"subject": "a\r\nBcc: b"}, "subject")),
        *(("http_request", {"url": "https://a.b/\r\nX: y"}, "url"),),
        *(("http_request", {"headers": {"A": "a\nB: c", "D": "e"}}, "headers.A"),),
        *(("telegram_message", {"text": "t" * 4_097}, "text"), ("google_sheets_append", {"values": "a"}, "values")),
        *(
            ("google_sheets_append", {"values": [[[]]]}, "values"),
            ("google_sheets_append", {"values": [[1], 2]}, "values"),
        ),
        *(("google_sheets_append", {"values": TOO_MANY_ROWS}, "values"), ("delay", {"until": "soon"}, "until")),
        *(("delay", {"until": 5}, "until"), ("approval", {"to": "nobody"}, "to")),
    ],
)
def test_what_a_payload_must_not_bring_in_is_refused(type: str, config: Any, field: str) -> None:
    with pytest.raises(HubError) as caught:
        check(type, config)
    assert caught.value.code is Code.INVALID
    assert [each.field for each in caught.value.details] == [f"config.{field}"]
