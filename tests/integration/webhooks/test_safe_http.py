"""SafeHttp calls nobody that a stranger's address must not lead to, whatever a name stands for."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from config import outgoing, settings
from hub.errors import HubError
from hub.safe_http import SafeHttp, Unanswered
from tests.stand_ins.webhook_receiver import WebhookReceiver, answers, endlessly, hangs

SECRET = "a-secret-of-enough-characters-for-production-0123456789"
INNER = (
    *("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("::1", "::ffff:127.0.0.1", "fe80::1", "fc00::1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "::"),
)


@asynccontextmanager
async def client(tmp_path: Any, names: AbstractResolver | None = None, **environ: str) -> AsyncIterator[SafeHttp]:
    secret = {"HUB_JWT_SECRET": SECRET, "HUB_SERVICE_TOKEN": SECRET[::-1]}
    base = {"HUB_ENV": "production", "HUB_DATA_DIR": str(tmp_path), **secret}
    made = SafeHttp(settings.load(base | environ), names)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


class Names(AbstractResolver):
    """Name servers that know one thing of every name."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [_found(host, address, port) for address in self.addresses]

    async def close(self) -> None:
        pass


def _found(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)


@pytest.mark.parametrize("address", INNER)
@pytest.mark.gen_test
async def test_a_name_that_stands_for_an_inner_address_is_not_called(tmp_path: Any, address: str) -> None:
    """Nor one that stands for a public one too."""
    for names in (Names(address), Names("93.184.216.34", address)):
        async with client(tmp_path, names) as http:
            with pytest.raises(Unanswered, match="not public"):
                await http.post("http://hooks.example.com/", {}, b"{}")
        assert names.asked == ["hooks.example.com"]


@pytest.mark.gen_test
async def test_a_name_that_nobody_knows_is_told_so(tmp_path: Any) -> None:
    async with client(tmp_path) as http:
        with pytest.raises(Unanswered, match="its name is not known"):
            await http.post("http://hooks.invalid/", {}, b"{}")


@pytest.mark.gen_test
async def test_a_kept_connection_that_ended_meanwhile_is_no_failure(tmp_path: Any) -> None:
    """A server that keeps a connection by its word, and closes it after each answer."""
    answered = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
        answered += 1
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with client(tmp_path, HUB_OUTBOUND_ALLOW=f"127.0.0.1:{port}") as http:
        for _ in range(20):
            assert (await http.post(f"http://127.0.0.1:{port}/", {}, b"{}")).status == 200
    server.close()
    assert answered == 20


@pytest.mark.gen_test
async def test_a_request_is_made_once_by_a_connection_of_its_own(tmp_path: Any, receiver: WebhookReceiver) -> None:
    receiver.behave("a", answers(418, **{"X-Long": "x" * 5_000, "Location": receiver.url("b")}))
    async with client(tmp_path, HUB_OUTBOUND_READ=f"127.0.0.1:{receiver.port}") as http:
        for _ in range(2):
            answer = await http.request("POST", receiver.url("a"), {"X-Test": "1"}, b"{}", 5.0)
    assert (answer.status, answer.body, answer.is_cut) == (418, b"status 418", False)
    assert len(answer.headers["x-long"]) == outgoing.OUTBOUND_HEADER_CHARS_MAX
    assert [got.headers["x-test"] for got in receiver.got["a"]] == ["1", "1"] and "b" not in receiver.got
    assert all(got.headers.get("connection") == "close" for got in receiver.got["a"])


@pytest.mark.gen_test
async def test_of_an_answer_to_a_request_so_much_is_kept(tmp_path: Any, receiver: WebhookReceiver) -> None:
    receiver.behave("a", endlessly(200, b"x" * 65_536, 0.0))
    receiver.behave("b", hangs)
    async with client(tmp_path, HUB_OUTBOUND_READ=f"127.0.0.1:{receiver.port}") as http:
        answer = await http.request("POST", receiver.url("a"), {}, None, 5.0)
        assert answer.is_cut and len(answer.body) == outgoing.OUTBOUND_BODY_BYTES_MAX
        with pytest.raises(Unanswered, match=r"no answer within 0\.2 s"):
            await http.request("POST", receiver.url("b"), {}, None, 0.2)


@pytest.mark.parametrize("address", INNER)
@pytest.mark.gen_test
async def test_no_request_leads_to_an_inner_address(tmp_path: Any, address: str) -> None:
    async with client(tmp_path, Names("93.184.216.34", address)) as http:
        with pytest.raises(Unanswered, match="not public"):
            await http.request("GET", "http://hooks.example.com/", {}, None, 5.0)
        with pytest.raises(HubError):
            await http.request("GET", f"http://[{address}]/" if ":" in address else f"http://{address}/", {}, None, 5.0)


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
