"""Documents behind addresses: nothing of our own network is called, whatever an address or its server says."""

import asyncio
import gzip
import os
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from config import assistant
from hub import outbound
from hub.errors import HubError
from hub.redirects import Misled, led_to
from tests.integration.analyser.analyst import Analyst, described
from tests.patience import within
from tests.site import Site
from tests.stand_ins import document_server as servers
from tests.stand_ins.document_server import DocumentServer, Trap

_GZIP: Final = {"Content-Encoding": "gzip"}
_LONG: Final = described(400)
_TWO_MEMBERS: Final = gzip.compress(_LONG[:9_000]) + gzip.compress(_LONG[9_000:])
FORMS: Final = (
    *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "0.0.0.0", "localhost", "[::]", "[::1]"),
    *("[::ffff:10.0.0.1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "169.254.169.254"),
    *("100.64.0.1", "[fd00::1]", "224.0.0.1", "198.18.0.1", "example.com@127.0.0.1", "example.com#@127.0.0.1"),
    *("１２７.0.0.1", "①②⑦.0.0.1", "127.0.0.1.", "localhost.", "LOCALHOST", "%31%32%37.0.0.1", "trap.localhost"),
    *("127.0.0.1\\.example.com", "example.com\t@127.0.0.1", "[::1%25lo]", "[fe80::1%25eth0]"),
)


class Names(AbstractResolver):
    """Name servers whose answers about any name come in turn; the last one stays."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [_found(host, address, port) for address in answer]

    async def close(self) -> None:
        pass


def _found(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)


# --- what an address says -----------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_no_form_of_an_inner_address_is_called(site: Site, trap: Trap) -> None:
    """In development, where webhooks may go to this machine."""
    analyst = await Analyst.at(site)
    for host in FORMS:
        details = (await analyst.names(f"http://{host}:{trap.port}/", 400)).body["error"]["details"]
        assert details["field"] == "source_url", host
    for url in ("file:///etc/passwd", "gopher://127.0.0.1/", "ftp://a.de/", "//a.de/", "http:///x", "", "data:,{}"):
        assert (await analyst.names(url, 400)).body["error"]["details"]["field"] == "source_url", url
    assert (trap.accepted, await analyst.kept()) == (0, (0, 0))


@pytest.mark.gen_test
async def test_what_the_hub_may_send_to_it_may_not_read(trapped_site: Site, trap: Trap) -> None:
    """The operator's list is for receivers of webhooks; and the trap would have been heard."""
    analyst = await Analyst.at(trapped_site)
    url = f"http://127.0.0.1:{trap.port}/"
    assert (await analyst.names(url, 400)).body["error"]["details"]["field"] == "source_url"
    http = trapped_site.services.analyser.analyses._http
    with pytest.raises(HubError):
        async with http.get(url):
            pass
    assert trap.accepted == 0
    await http.post(url, {}, b"{}")
    assert trap.accepted == 1


@pytest.mark.gen_test
async def test_only_the_ports_of_http_are_called(site: Site) -> None:
    analyst = await Analyst.at(site)
    for port in (22, 25, 6379, 27017, site.port, 0, 443, 65_536):
        details = (await analyst.names(f"http://api.example.com:{port}/", 400)).body["error"]["details"]
        assert details["field"] == "source_url", port


# --- what a name stands for ---------------------------------------------------------------------------------------


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Here 127.0.0.2 is the internet. First a name stands for it, then for us, then for both."""
    internet = ip_address("127.0.0.2")
    monkeypatch.setattr(outbound, "is_public", lambda address: address == internet)
    made = Names(("127.0.0.2",), ("127.0.0.1",), ("127.0.0.2", "127.0.0.1"), ("::1", "127.0.0.2"))
    monkeypatch.setattr("hub.safe_http.aiohttp.AsyncResolver", lambda **_: made)
    return made


@pytest.mark.gen_test
async def test_a_name_is_judged_each_time_it_is_called(names: Names, trap: Trap, site: Site) -> None:
    internet = await DocumentServer("127.0.0.2", trap.port).start()
    internet.give("/doc", servers.document(described(), Connection="close"))
    try:
        analyst = await Analyst.at(site)
        url = f"http://rebinding.example.com:{trap.port}/doc"
        first, *others = [await analyst.analysed(url) for _ in range(4)]
    finally:
        await internet.stop()
    assert first["status"] == "completed"
    assert [(each["status"], each["error"]["message"]) for each in others] == [
        ("failed", "The address cannot be read: the address is not public")
    ] * 3
    assert (names.asked, len(internet.asked), trap.accepted) == (4, 1, 0)


# --- where a server leads -----------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_no_redirect_leads_inside(fetching_site: Site, documents: DocumentServer, trap: Trap) -> None:
    analyst = await Analyst.at(fetching_site)
    for target in (
        *(f"http://127.0.0.1:{trap.port}/", f"//[::1]:{trap.port}/", f"http://localhost:{trap.port}/"),
        *("file:///etc/passwd", "gopher://127.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://a@b.de/"),
    ):
        url = documents.give("/away", servers.redirects(target))
        found = await analyst.analysed(url)
        assert (found["status"], found["results"]) == ("failed", None), target
        assert found["error"]["message"] == "The address cannot be read: the address may not be called", target
    assert trap.accepted == 0


@pytest.mark.gen_test
async def test_three_redirects_are_followed_and_carry_nothing(fetching_site: Site, documents: DocumentServer) -> None:
    analyst = await Analyst.at(fetching_site)
    for number in range(20):
        documents.give(f"/hop{number}", servers.redirects(f"hop{number + 1}#part", 301 + number % 2))
    documents.give("/hop20", servers.document(described()))
    assert (await analyst.analysed(documents.url("/hop17")))["status"] == "completed"
    assert all(not {"cookie", "authorization", "referer"} & headers.keys() for _, headers in documents.asked)
    documents.asked.clear()
    for url in (documents.url("/hop16"), documents.give("/loop", servers.redirects("/loop"))):
        assert (await analyst.analysed(url))["error"]["message"] == "The address redirects more than 3 times"
    assert len(documents.asked) == 8
    nowhere = documents.give("/nowhere", servers.document(b"", status=302))
    assert "nowhere" in (await analyst.analysed(nowhere))["error"]["message"]


def test_no_redirect_leads_from_https_to_http() -> None:
    assert led_to("https://a.de/x", "/y") == "https://a.de/y"
    assert led_to("http://a.de/x", "https://b.de/y#z") == "https://b.de/y"
    with pytest.raises(Misled, match="from https to http"):
        led_to("https://a.de/", "http://a.de/")


# --- what a server gives ------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_of_what_is_too_much_little_is_read(fetching_site: Site, documents: DocumentServer) -> None:
    analyst = await Analyst.at(fetching_site)
    most = assistant.ANALYSIS_FETCHED_BYTES_MAX
    fits = documents.give("/fits", servers.document(described().ljust(most)))
    assert (await analyst.analysed(fits))["status"] == "completed"
    fits = documents.give("/fits-packed", servers.packed(1_000))
    assert (await analyst.analysed(fits))["error"]["message"] != "The document is larger than 5 MiB"
    bomb = await asyncio.to_thread(servers.packed, 200_000_000)
    before = _memory()
    for url in (
        documents.give("/large", servers.document(described().ljust(most + 1))),
        documents.give("/packed", bomb),
        documents.give("/endless", servers.dripping(b" " * 65_536, 0)),
    ):
        assert (await analyst.analysed(url))["error"]["message"] == "The document is larger than 5 MiB", url
    assert _memory() - before < 40 << 20, "the server's own 200 KB, buffers, and the driver's are among it"
    headers = documents.give("/headers", servers.overheaded)
    assert "cannot be read" in (await analyst.analysed(headers))["error"]["message"]


def _memory() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.gen_test
async def test_no_server_is_waited_for_long(
    fetching_site: Site, documents: DocumentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistant, "ANALYSIS_FETCH_SECONDS_MAX", 0.5)
    analyst = await Analyst.at(fetching_site)
    urls = [documents.give("/drip", servers.dripping(b" ", 0.05)), documents.give("/silent", servers.silent)]
    async with within(2.0):
        found = await asyncio.gather(*map(analyst.analysed, urls))
    for each in found:
        assert each["error"]["message"] == "The address did not give the whole document within 0.5 seconds"


@pytest.mark.gen_test
async def test_only_a_document_is_taken(fetching_site: Site, documents: DocumentServer) -> None:
    analyst = await Analyst.at(fetching_site)
    cases: dict[str, tuple[servers.Behaviour, str]] = {
        "/html": (servers.document(described(), "text/html; charset=utf-8"), "text/html"),
        "/png": (servers.document(described(), "image/png"), "image/png"),
        "/lie": (servers.document(b"\x89PNG\r\n\x1a\n\x00"), "an image"),
        "/page": (servers.document(b"<!doctype html><p>", "text/plain"), "HTML"),
        "/zip": (servers.document(b"PK\x03\x04\x00", "application/octet-stream"), "ZIP"),
        "/empty": (servers.document(b""), "nothing"),
        "/gone": (servers.document(b"{}", status=404), "status 404"),
        "/broken": (servers.document(b"{}", status=500), "status 500"),
        "/brotli": (servers.document(b"{}", **{"Content-Encoding": "br"}), "packed as br"),
        "/torn": (servers.document(b"\x1f\x8b\x00\x00rubbish", **_GZIP), "unpacked"),
        "/cut": (servers.document(gzip.compress(described().ljust(9_000))[:-30], **_GZIP), "breaks off"),
        "/shreds": (servers.document(gzip.compress(b"") * 200, **_GZIP), "more than 100 pieces"),
        "/cut-later": (servers.document(_TWO_MEMBERS[:-30], **_GZIP), "breaks off"),
    }
    for path, (behaviour, told) in cases.items():
        found: dict[str, Any] = await analyst.analysed(documents.give(path, behaviour))
        assert found["status"] == "failed" and told in found["error"]["message"], (path, found["error"])
    for kind in (
        "text/plain",
        "application/yaml",
        "application/vnd.oai.openapi+json;version=3.0",
        "text/markdown",
        "binary/octet-stream",
    ):
        url = documents.give("/good", servers.document(described(), kind))
        assert (await analyst.analysed(url))["status"] == "completed", kind
    two = await analyst.analysed(documents.give("/two", servers.document(_TWO_MEMBERS, **_GZIP)))
    assert len(two["results"]["endpoints"]) == 400, "what is packed in two members is one document"


@pytest.mark.gen_test
async def test_a_server_that_is_not_there_is_told(fetching_site: Site, documents: DocumentServer) -> None:
    analyst, url = await Analyst.at(fetching_site), documents.url("/")
    await documents.stop()
    assert "cannot connect" in (await analyst.analysed(url))["error"]["message"]
    assert "name is not known" in (await analyst.analysed("http://docs.invalid/"))["error"]["message"]
