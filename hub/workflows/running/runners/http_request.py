"""`http_request`: any address that is public, asked once an attempt, each time with the same `Idempotency-Key`.

    GET, HEAD --redirect?--> asked there, by the same rules, three times at most    another method --redirect?--> failed

What its author gave goes to the host that the author named, and to no other that a redirect leads to.

`X-Hub-Hops` says to ourselves how many workflows led to this request, wherever it comes in again.
"""

import time
from dataclasses import dataclass, replace
from typing import Any, Final, Self
from urllib.parse import urlsplit

import orjson

from config import outgoing
from hub import json_input
from hub.errors import HubError
from hub.redirects import Misled, led_to
from hub.retry_after import retry_after_seconds
from hub.safe_http import HOPS, Fetched, SafeHttp, Unanswered
from hub.workflows.definitions.graph import Json
from hub.workflows.running.runners.work import Done, Failed, Work

_KEY: Final = "Idempotency-Key"
_KIND: Final = "Content-Type"
_FOLLOWED: Final = ("GET", "HEAD")  # what was sent by another is not sent to somebody else
_FAILED: Final = 400
_LATER: Final = 500
_TOO_MANY: Final = 429
_WAITING: Final = (_TOO_MANY, 503)  # with these a server may say when it is to be asked again


@dataclass(frozen=True, slots=True)
class Asking:
    """One request."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None

    def led_by(self, location: str | None) -> Self:
        """What a redirect makes of it: at another host nothing but the count of hops is left of what it carried.

        Raises `Failed`.
        """
        try:
            url = led_to(self.url, location)
            is_same = _host(url) == _host(self.url)
        except (Misled, ValueError) as error:
            raise Failed("http_status", str(error)) from error
        there = replace(self, url=url)
        return there if is_same else replace(there, headers={HOPS: self.headers[HOPS]}, body=None)


class HttpRequests:
    """Runs `http_request`. One per process."""

    def __init__(self, http: SafeHttp) -> None:
        self._http = http

    async def __call__(self, work: Work) -> Done:
        """Raises `Failed`, which may be tried again for no answer, 429 and 5xx; `HubError` INVALID for an address."""
        inputs = work.inputs
        body = _body(inputs)
        seconds = inputs.get("timeout_seconds", outgoing.OUTBOUND_SECONDS_MAX)
        asking = Asking(inputs["method"], inputs["url"], _headers(work, body), body)
        answer = await self._followed(asking, seconds)
        if answer.is_redirect:
            raise Failed("http_status", f"It answered {answer.status}: a redirect that is not followed")
        if answer.status >= _FAILED:
            raise _refused(answer)
        if answer.is_cut:
            raise Failed("too_large", f"Its answer has more than {outgoing.OUTBOUND_BODY_BYTES_MAX >> 10} KiB")
        return work.done({"status": answer.status, "headers": answer.headers, "body": body_of(answer)})

    async def _followed(self, asking: Asking, seconds: float) -> Fetched:
        """The answer behind so many redirects as are followed, in so many seconds all together. Raises as a call does."""
        until = time.monotonic() + seconds
        answer = await self._asked(asking, seconds, seconds)
        for _ in range(outgoing.OUTBOUND_REDIRECTS_MAX):
            if not answer.is_redirect or asking.method not in _FOLLOWED:
                break
            asking = asking.led_by(answer.location)
            answer = await self._asked(asking, until - time.monotonic(), seconds)
        return answer

    async def _asked(self, asking: Asking, left_seconds: float, seconds: float) -> Fetched:
        if left_seconds <= 0:
            raise Failed("unanswered", f"no answer within {seconds:g} s", temporary=True)
        try:
            return await self._http.request(asking.method, asking.url, asking.headers, asking.body, left_seconds)
        except Unanswered as error:
            raise Failed("unanswered", str(error), temporary=True) from error


def _refused(answer: Fetched) -> Failed:
    """What an answer that is a failure makes of the attempt."""
    asked = retry_after_seconds(answer.headers.get("retry-after")) if answer.status in _WAITING else None
    is_temporary = answer.status >= _LATER or answer.status == _TOO_MANY
    message = f"It answered {answer.status}: {_said(answer)}"
    return Failed("http_status", message, temporary=is_temporary, asked_seconds=asked)


def _host(url: str) -> tuple[str, str | None, int | None]:
    """Who is asked, and how. Raises `ValueError`."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


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
    """What JSON says, or else a text."""
    if "json" in answer.headers.get("content-type", ""):
        try:
            return json_input.loads(answer.body, outgoing.OUTBOUND_BODY_BYTES_MAX)
        except HubError:
            pass  # it says that it is JSON, and is not
    return _text(answer)


def _text(answer: Fetched) -> str:
    return answer.body.decode(errors="replace").replace("\0", "")


def _said(answer: Fetched) -> str:
    return " ".join(_text(answer)[: outgoing.OUTBOUND_TEXT_CHARS_MAX].split()) or "nothing more"
