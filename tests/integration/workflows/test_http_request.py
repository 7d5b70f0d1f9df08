"""Answers to `http_request` are had whole or not at all: one that is late, ends too soon or is too long is a failure."""

import asyncio

import pytest
from aiohttp import web

from config import outgoing
from tests.integration.workflows.owner import Owner, http_request, manual
from tests.site import Site
from tests.stand_ins.webhook_receiver import Behaviour, WebhookReceiver, endlessly


def dribbles(text: bytes, pause_seconds: float) -> Behaviour:
    """The head at once, the body a little later."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(pause_seconds)
        await response.write(text)
        return response

    return behave


async def breaks_off(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nTransfer 10")
    request.transport.close()
    return web.Response()


@pytest.mark.gen_test(timeout=60)
async def test_a_body_that_comes_later_than_its_head_is_waited_for(
    calling_site: Site, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "OUTBOUND_BODY_SECONDS_MAX", 0.01)  # it is for who wants the beginning alone
    most = outgoing.OUTBOUND_BODY_BYTES_MAX
    receiver.behave("a", dribbles(b"x" * most, 0.3))
    ended = await (await Owner.at(calling_site)).executed(manual("t>a", a=http_request(receiver.url("a"))))
    assert ended["status"] == "completed" and ended["result"]["value"]["body"] == "x" * most


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize(
    ("behaviour", "reason", "said", "times"),
    [
        (breaks_off, "unanswered", "the connection ended before the answer did", 2),
        (endlessly(200, b"x", 0.05), "unanswered", "no answer within 1 s", 2),
        (endlessly(200, b"x" * 65_536, 0.0), "too_large", "Its answer has more than 64 KiB", 1),
    ],
)
async def test_what_does_not_come_whole_is_a_failure(
    calling_site: Site, receiver: WebhookReceiver, behaviour: Behaviour, reason: str, said: str, times: int
) -> None:
    receiver.behave("a", behaviour)
    asked = {**http_request(receiver.url("a"), timeout_seconds=1), "retry": {"attempts": 2, "backoff_seconds": 0}}
    ended = await (await Owner.at(calling_site)).executed(manual("t>a", a=asked))
    error = ended["result"]["error"]
    assert (ended["status"], error["reason"], error["message"]) == ("failed", reason, said)
    assert len(receiver.got["a"]) == times
