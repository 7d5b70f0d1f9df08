"""SafeHttp calls nobody that a stranger's address must not lead to, whatever a name stands for."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from config import outgoing, settings
from hub.safe_http import SafeHttp, Unanswered
from tests.stand_ins.webhook_receiver import WebhookReceiver, answers, endlessly

SECRET = "a-secret-of-enough-characters-for-production-0123456789"
INNER = (
    *("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("::1", "::ffff:127.0.0.1", "fe80::1", "fc00::1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "::"),
)


@pytest.fixture
def receiver(io_loop: IOLoop) -> Iterator[WebhookReceiver]:
    made = WebhookReceiver()
    io_loop.run_sync(made.__aenter__)
    yield made
    io_loop.run_sync(lambda: made.__aexit__(None, None, None))


@asynccontextmanager
async def client(tmp_path: Any, **environ: str) -> AsyncIterator[SafeHttp]:
    secret = {"HUB_JWT_SECRET": SECRET, "HUB_SERVICE_TOKEN": SECRET[::-1]}
    base = {"HUB_ENV": "production", "HUB_DATA_DIR": str(tmp_path), **secret}
    made = SafeHttp(settings.load(base | environ))
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("address", INNER)
@pytest.mark.gen_test
async def test_a_name_that_stands_for_an_inner_address_is_not_called(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    where = (address, 80, 0, 0) if ":" in address else (address, 80)
    looked_up = []

    def answer(host: str, *_: Any, **__: Any) -> list[Any]:
        looked_up.append(host)
        return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", where)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    async with client(tmp_path) as http:
        with pytest.raises(Unanswered, match="not public"):
            await http.post("http://hooks.example.com/", {}, b"{}")
    assert looked_up, "the name was looked up, and its address refused"


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://[::1]/", "http://2130706433/", "http://localhost/"])
@pytest.mark.gen_test
async def test_a_literal_inner_address_is_not_called(tmp_path: Any, url: str) -> None:
    async with client(tmp_path) as http:
        with pytest.raises(Unanswered, match="may not be called"):
            await http.post(url, {}, b"{}")


@pytest.mark.gen_test
async def test_what_the_operator_allows_is_called(tmp_path: Any, receiver: WebhookReceiver) -> None:
    async with client(tmp_path, HUB_OUTBOUND_ALLOW=f"127.0.0.1:{receiver.port}") as http:
        answer = await http.post(receiver.url("a"), {"X-Test": "1"}, b"{}")
    assert (answer.status, answer.text) == (200, "thank you")
    (got,) = receiver.got["a"]
    assert got.headers["x-test"] == "1" and got.headers["accept-encoding"] == "identity"


@pytest.mark.gen_test
async def test_no_redirect_is_followed_and_no_cookie_kept(tmp_path: Any, receiver: WebhookReceiver) -> None:
    receiver.behave("a", answers(302, **{"Location": receiver.url("b"), "Set-Cookie": "a=1"}))
    async with client(tmp_path, HUB_OUTBOUND_ALLOW=f"127.0.0.1:{receiver.port}") as http:
        assert (await http.post(receiver.url("a"), {}, b"{}")).status == 302
        await http.post(receiver.url("a"), {}, b"{}")
    assert "b" not in receiver.got and "cookie" not in receiver.got["a"][1].headers


@pytest.mark.parametrize("pause_seconds", [0.0, 0.05])
@pytest.mark.gen_test
async def test_of_an_endless_answer_little_is_read(
    tmp_path: Any, receiver: WebhookReceiver, pause_seconds: float
) -> None:
    """Fast, or a byte at a time."""
    receiver.behave("a", endlessly(200, b"x" * 65_536 if not pause_seconds else b"x", pause_seconds))
    async with client(tmp_path, HUB_OUTBOUND_ALLOW=f"127.0.0.1:{receiver.port}") as http:
        answer = await http.post(receiver.url("a"), {}, b"{}")
    assert answer.status == 200 and set(answer.text) == {"x"}
    assert len(answer.text) <= outgoing.OUTBOUND_TEXT_CHARS_MAX
    assert answer.duration_ms < 1_000 * outgoing.OUTBOUND_SECONDS_MAX
