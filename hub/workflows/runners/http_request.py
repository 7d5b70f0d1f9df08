"""`http_request`: any address that is public, asked once an attempt, each time with the same `Idempotency-Key`.

`X-Hub-Hops` says to ourselves how many workflows led to this request, wherever it comes in again.
"""

from typing import Any, Final

import orjson

from config import outgoing
from hub import json_input
from hub.errors import HubError
from hub.safe_http import Fetched, SafeHttp, Unanswered
from hub.workflows.graph import Json
from hub.workflows.runners.work import Done, Failed, Work

HOPS: Final = "X-Hub-Hops"
_KEY: Final = "Idempotency-Key"
_KIND: Final = "Content-Type"
_FAILED: Final = 400
_LATER: Final = 500
_TOO_MANY: Final = 429


class HttpRequests:
    """Runs `http_request`. One per process."""

    def __init__(self, http: SafeHttp) -> None:
        self._http = http

    async def __call__(self, work: Work) -> Done:
        """Raises `Failed`, which may be tried again for no answer, 429 and 5xx; `HubError` INVALID for the address."""
        inputs = work.inputs
        body = _body(inputs)
        seconds = inputs.get("timeout_seconds", outgoing.OUTBOUND_SECONDS_MAX)
        try:
            answer = await self._http.request(inputs["method"], inputs["url"], _headers(work, body), body, seconds)
        except Unanswered as error:
            raise Failed("unanswered", str(error), temporary=True) from error
        if answer.status >= _FAILED:
            is_temporary = answer.status >= _LATER or answer.status == _TOO_MANY
            raise Failed("http_status", f"It answered {answer.status}: {_said(answer)}", temporary=is_temporary)
        return work.done({"status": answer.status, "headers": answer.headers, "body": body_of(answer)})


def _body(inputs: Json) -> bytes | None:
    """A text as it stands, everything else as JSON."""
    body: Any = inputs.get("body")
    if body is None:
        return None
    return body.encode() if isinstance(body, str) else orjson.dumps(body)


def _headers(work: Work, body: bytes | None) -> dict[str, str]:
    """The author's, and our own where the author gave none; the count of hops is ours alone."""
    given: dict[str, str] = work.inputs.get("headers", {})
    named = {name.lower() for name in given}
    ours = {_KEY: f"{work.execution['_id']}/{work.step.key}"}
    if body is not None:
        ours[_KIND] = "text/plain; charset=utf-8" if isinstance(work.inputs["body"], str) else "application/json"
    kept = {name: value for name, value in given.items() if name.lower() != HOPS.lower()}
    added = {name: value for name, value in ours.items() if name.lower() not in named}
    return {**kept, **added, HOPS: str(work.execution["hops"] + 1)}


def body_of(answer: Fetched) -> Any:
    """What JSON says, or else a text; one that was cut is a text whatever it was."""
    if "json" in answer.headers.get("content-type", "") and not answer.is_cut:
        try:
            return json_input.loads(answer.body, outgoing.OUTBOUND_BODY_BYTES_MAX)
        except HubError:
            pass  # it says that it is JSON, and is not
    return _text(answer)


def _text(answer: Fetched) -> str:
    return answer.body.decode(errors="replace").replace("\0", "")


def _said(answer: Fetched) -> str:
    return " ".join(_text(answer)[: outgoing.OUTBOUND_TEXT_CHARS_MAX].split()) or "nothing more"
