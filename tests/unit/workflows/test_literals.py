"""Texts without a path are what they will be: what would fail at each execution is refused when it is saved."""

from typing import Any

import pytest

from hub.errors import HubError
from hub.workflows.definitions.definition import load
from tests.executions import Json, definition

MAIL: Json = {"to": "ada@example.org", "subject": "News"}
ASKED: Json = {"method": "GET", "url": "https://example.com/"}
ROWS: Json = {"spreadsheet_id": "book", "range": "A1", "values": ["a"]}


def refused(given: Any) -> dict[str, str]:
    with pytest.raises(HubError) as caught:
        load(given, ())
    return {detail.field: detail.message for detail in caught.value.details}


@pytest.mark.parametrize(
    ("type", "config", "field"),
    [
        ("send_email", {**MAIL, "subject": "News\nBcc: bob@example.org"}, "subject"),
        ("http_request", {**ASKED, "url": "ftp://example.com/"}, "url"),
        ("telegram_message", {"chat_id": "5\n", "text": "Hello\nAda"}, "chat_id"),
        ("google_sheets_append", {**ROWS, "spreadsheet_id": "book\t"}, "spreadsheet_id"),
        ("google_sheets_append", {**ROWS, "range": "A\n1"}, "range"),
    ],
)
def test_a_literal_that_could_never_do_is_refused(type: str, config: Json, field: str) -> None:
    assert list(refused(definition("t>a", a={"type": type, "config": config}))) == [
        f"definition.nodes[0].config.{field}"
    ]


@pytest.mark.parametrize(
    ("type", "config"),
    [
        ("send_email", {**MAIL, "subject": "Ünïcode: {{x}}\n"}),  # looked at once it is whole
        ("http_request", {**ASKED, "url": "HTTPS://Example.com/"}),
        ("telegram_message", {"text": "Hello\nAda"}),
    ],
)
def test_literals_that_can_be_used_are_kept(type: str, config: Json) -> None:
    given = definition("t>a", a={"type": type, "config": config})
    assert load(given, ()) == given


@pytest.mark.parametrize("zone", ["localtime", "Factory", "posixrules"])
def test_a_schedule_names_a_zone_and_not_whatever_the_server_has(zone: str) -> None:
    trigger = {"type": "schedule", "config": {"cron": "0 9 * * *", "timezone": zone}}
    assert list(refused({**definition("t>a"), "trigger": trigger})) == ["definition.trigger.config.timezone"]


@pytest.mark.parametrize(
    ("config", "says"),
    [({"config": None}, "must not be null"), ({}, "is required"), ({"config": []}, "must be an object")],
)
def test_what_is_missing_is_told_in_the_projects_words(config: Json, says: str) -> None:
    given = definition("t>a")
    trigger, (node,) = {"type": "schedule", **config}, given["nodes"]
    del node["config"]
    node |= config
    assert refused({**given, "trigger": trigger}) == {
        "definition.trigger.config": says,
        "definition.nodes[0].config": says,
    }
