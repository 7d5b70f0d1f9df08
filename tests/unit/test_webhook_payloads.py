"""Payloads and what they are made of, without a hub."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config import outgoing
from hub.webhooks import payloads, samples
from hub.webhooks.deliveries import in_order
from hub.webhooks.endpoints import ALL_EVENTS, EVENTS
from hub.webhooks.payloads import Facts
from hub.webhooks.portion import Portion, portion_of, queued, wanted_of
from models.webhook_queues import new_queue

RATE = 1_000_000  # a credit is a dollar
RECEIPT = {"hold": 1, "charged": 0.25, "released": 0.75, "balance_after": 9.75, "seq": 3}
ANSWER: dict[str, Any] = {"stream_id": "str_1", "message_id": "msg_1", "model": "gpt-4", "api": "ai_aggregator"}


def event(kind: str, offset: int = 1, moment: datetime | None = None, **data: Any) -> dict[str, Any]:
    created_at = moment or datetime(2026, 1, 2, tzinfo=UTC)
    return {
        "channel": "user:user_1",
        "epoch": "e1",
        "offset": offset,
        "type": kind,
        "data": data,
        "created_at": created_at,
    }


def answered(**fields: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 10, "completion_tokens": 20}
    return event("chat.completed", **{**ANSWER, "usage": usage, "receipt": RECEIPT, "finish_reason": "stop", **fields})


@pytest.mark.parametrize("name", ALL_EVENTS)
@pytest.mark.parametrize("api", EVENTS)
def test_every_event_has_a_sample_in_every_form(name: str, api: str) -> None:
    made = samples.event_of(name, "user_1")
    said = json.loads(payloads.body_of(made, name, api, samples.facts(RATE, "user_1")))
    assert name in (said.get("eventType"), said.get("type"), said.get("event"))
    assert said["data"]["test"] is True
    if name != "workflow.executed":
        assert "user_1" in (said["data"].get("userId"), said["data"].get("user_id"))


def test_what_cost_nothing_is_no_charge() -> None:
    assert {"billing.charge", "credit.used"} <= set(payloads.names_of(answered()))
    for receipt in (None, {**RECEIPT, "charged": 0}):
        names = payloads.names_of(answered(receipt=receipt))
        assert names == ("chat.completed", "chat.completion", "ai.task.completed")


def test_an_id_is_of_the_event_and_its_name() -> None:
    ids = {
        payloads.id_of(one, name, "smart_ai_hub")
        for one in (event("chat.completed", 1), event("chat.completed", 2))
        for name in ("chat.completion", "credit.used")
    }
    assert len(ids) == 4 and all("." not in one for one in ids)
    assert payloads.id_of(answered(), "credit.used", "smart_ai_hub") == payloads.id_of(
        answered(), "credit.used", "smart_ai_hub"
    )


def test_a_long_answer_is_cut_and_says_so() -> None:
    most = outgoing.WEBHOOK_ANSWER_CHARS_MAX
    for length, truncated in ((most, None), (most + 1, True)):
        message = {"content": "x" * length, "lengths": [length]}
        facts = Facts(RATE, messages={"msg_1": message})
        (choice,) = payloads.data_of(answered(), "ai.task.completed", facts)["result"]["choices"]
        assert choice["message"].get("truncated") is truncated and len(choice["message"]["content"]) == most


def test_tool_calls_too_long_for_a_payload_are_left_out_whole() -> None:
    calls = [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "x"}}]
    for arguments, truncated in (("x", None), ("x" * outgoing.WEBHOOK_CALLS_BYTES_MAX, True)):
        extra = {"tool_calls": [{**calls[0], "function": {"name": "f", "arguments": arguments}}]}
        message = {"content": "Hi", "lengths": [2], "extras": {"0": json.dumps(extra)}}
        facts = Facts(RATE, messages={"msg_1": message})
        (choice,) = payloads.data_of(answered(), "ai.task.completed", facts)["result"]["choices"]
        assert choice["message"].get("truncated") is truncated
        assert ("tool_calls" in choice["message"]) is (truncated is None)


def test_an_answer_that_was_deleted_since_has_no_choices() -> None:
    assert payloads.data_of(answered(), "ai.task.completed", Facts(RATE))["result"]["choices"] == []


@pytest.mark.parametrize(
    ("number", "text"),
    [
        *((0.05, "0.05"), (1.0, "1"), (0.000001, "0.000001"), (0.0000125, "0.0000125"), (1e-7, "1e-7")),
        *((9.999999, "9.999999"), (1e15, "1000000000000000"), (-0.5, "-0.5"), (123456789.123456, "123456789.123456")),
    ],
)
def test_numbers_are_written_as_javascript_writes_them(number: float, text: str) -> None:
    assert payloads.dumped({"a": [number]}) == f'{{"a":[{text}]}}'


def test_replayed_events_keep_the_order_of_their_channel_whatever_a_clock_said() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    early, late = moment, moment + timedelta(seconds=1)
    made = [event("a", 2, early), event("a", 1, late), {**event("a", 1, early), "channel": "user:user_2"}]
    assert [(one["channel"], one["offset"]) for one in in_order(made)] == [
        ("user:user_2", 1),
        ("user:user_1", 1),
        ("user:user_1", 2),
    ]


# --- portions -----------------------------------------------------------------------------------------------------


def endpoint(number: int = 1, **fields: Any) -> dict[str, Any]:
    made = {"_id": f"wh_{number}", "owner": "user_1", "api": "ai_playground", "events": ["credit.adjusted"]}
    return {**made, "active": True, **fields}


def numbered(count: int, text: str = "") -> list[dict[str, Any]]:
    return [{**event("credit.adjusted", number, amount=number, text=text), "_id": number} for number in range(count)]


def portion(found: list[dict[str, Any]], *endpoints: dict[str, Any]) -> Portion:
    return portion_of(found, wanted_of(found, endpoints), Facts(RATE))


def test_a_portion_ends_with_the_event_that_fills_it() -> None:
    found, endpoints = numbered(200, "\ud55c" * 20_000), [endpoint(number) for number in range(3)]
    made = portion(found, *endpoints)
    assert 1 < len(made.events) < 200 and [one["_id"] for one in made.events] == list(range(len(made.events)))
    assert outgoing.FAN_OUT_BYTES_MAX <= made.size_bytes < outgoing.FAN_OUT_BYTES_MAX + 3 * 61_000
    many = portion(numbered(200), *[endpoint(number) for number in range(100)])
    assert len(many.payloads) == outgoing.FAN_OUT_DELIVERIES
    assert portion(numbered(5)).events == numbered(5), "what nobody wants is done with too"


def test_an_event_that_cannot_be_told_keeps_no_other_back() -> None:
    found = numbered(3)
    found[1]["data"]["amount"] = object()
    made = portion(found, endpoint())
    assert [one["_id"] for one in made.events] == [0, 1, 2]
    assert [wanted.event["_id"] for wanted, _ in made.payloads] == [0, 2]


def test_what_happened_before_an_endpoint_was_switched_off_is_for_it() -> None:
    early, late = numbered(2)
    late["created_at"] += timedelta(seconds=2)
    off = endpoint(active=False, off_at=early["created_at"] + timedelta(seconds=1))
    assert [wanted.event["_id"] for wanted, _ in portion([early, late], off).payloads] == [0]


def test_a_full_queue_counts_what_it_loses_and_tells_once() -> None:
    made = portion(numbered(3), endpoint())
    full = {**new_queue("wh_1", "user_1"), "seq": outgoing.WEBHOOK_WAITING_MAX - 1}
    result = queued(made, {"wh_1": full}, datetime.now(UTC))
    (queue,) = result.queues.values()
    assert (queue["seq"], queue["dropped"], queue["full"]) == (outgoing.WEBHOOK_WAITING_MAX, 2, True)
    assert [one["seq"] for one in result.deliveries] == [outgoing.WEBHOOK_WAITING_MAX]
    assert [one["_id"] for one in result.full] == ["wh_1"] and not queued(made, result.queues, datetime.now(UTC)).full
