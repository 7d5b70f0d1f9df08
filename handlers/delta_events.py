"""A streamed answer as server-sent events in an API's own form, where that form is: one event a delta, one for the end.

    data: {<head>, "choices": [{"index": 0, "delta": {"content": "..."}, <reason>: null}]}
    data: {<head>, "choices": [{"index": 0, "delta": {}, <reason>: "stop"}], <what it came to>}
    data: [DONE]

A failure after the first delta is one event instead of the end. How an API calls its fields is said by who makes an encoder.
"""

from collections.abc import Callable
from typing import Any

import orjson

from handlers.sse import DONE
from hub.chat_records import receipt_view
from hub.errors import HubError
from hub.prices import credits_number
from hub.providers.base import Delta
from hub.streams import Outcome

Json = dict[str, Any]


def paid(outcome: Outcome) -> Json:
    """What an answer cost, in credits. `detail` says why it is shorter than it might be, such as `insufficient_credits`."""
    return {
        "cost": credits_number(outcome.receipt.charged if outcome.receipt else 0),
        "receipt": receipt_view(outcome.receipt, outcome.usage_source),
        **({} if outcome.detail is None else {"detail": outcome.detail}),
    }


class DeltaEvents:
    """What does not change is encoded once. `reason` is the name of the finish reason; `ending` and `failure` give the
    fields of the last event.
    """

    def __init__(
        self, head: Json, reason: str, ending: Callable[[Outcome], Json], failure: Callable[[HubError], Json]
    ) -> None:
        self._head, self._reason = head, reason
        self._ending, self._failure = ending, failure
        self._before = b"data: " + orjson.dumps(head)[:-1] + b',"choices":[{"index":0,"delta":{"content":'
        self._after = b"}," + orjson.dumps(reason) + b":null}]}\n\n"

    def begin(self) -> bytes:
        return b""

    def deltas(self, deltas: list[Delta], offset: int) -> bytes:
        return b"".join([self._before + orjson.dumps(delta.content) + self._after for delta in deltas])

    def end(self, outcome: Outcome) -> bytes:
        if outcome.error is not None:
            return _event(self._failure(outcome.error)) + DONE
        choices = [{"index": 0, "delta": {}, self._reason: outcome.finish_reason}]
        return _event({**self._head, "choices": choices, **self._ending(outcome)}) + DONE


def _event(data: Json) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"
