"""How every way of asking an AI model begins: the body with the headers that go with it, then the answer's stream."""

from dataclasses import replace
from typing import Any

from handlers.base import ApiHandler
from handlers.chat_headers import key_check, key_of, on_disconnect, on_disconnect_check
from handlers.sse import stream_headers
from handlers.workflow_hops import hops_check, hops_of
from hub.chat_request import ChatRequest
from hub.fields import Check
from hub.streams import Stream


def question(handler: ApiHandler, *checks: Check) -> tuple[Any, dict[str, Any]]:
    """The body as it came, and what the method's schema made of it. Raises `HubError` with every failure of both."""
    body = handler.json_body()
    return body, handler.loaded(body, key_check(handler), on_disconnect_check(handler), hops_check(handler), *checks)


async def begun(handler: ApiHandler, body: Any, request: ChatRequest) -> Stream:
    """The answer's stream, or that of an earlier request with the same idempotency key; told in headers.

    `request` says what is asked; the path and the headers are added. Raises `HubError` as `Chat.start` does.
    """
    whole = replace(
        request,
        endpoint=handler.request.path,
        on_disconnect=on_disconnect(handler),
        idempotency=key_of(handler, body),
        hops=hops_of(handler),
    )
    started = await handler.services.chat.start(handler.caller, whole)
    stream_headers(handler, started.stream, repeated=started.repeated)
    return started.stream
