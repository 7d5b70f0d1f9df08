"""Addresses that may not be called are refused in all the ways to write them."""

import pytest

from hub.errors import Code, HubError
from hub.outbound import check_url


@pytest.mark.parametrize(
    "url", ["https://example.com/a?b=c", "http://example.com", "https://8.8.8.8/", "https://例え.jp/"]
)
def test_public_addresses_pass(url: str) -> None:
    assert check_url(url, (), localhost_too=False) == url


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0", "0.0.0.0", "localhost", "localhost.", "a.localhost"),
        *(
            "[::]",
            "[::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "169.254.169.254",
            "[fe80::1%25eth0]",
        ),
        *("100.64.0.1", "[fd00::1]", "224.0.0.1", "198.18.0.1", "user@example.com", "１２７.0.0.1", "127.0.0.1."),
        *("intranet", "db.internal", "printer.local", "0177.0.0.1", "10.0.0.1", "192.168.1.1", "1.2.3.4.5", "[::", ""),
    ],
)
def test_others_do_not(host: str) -> None:
    with pytest.raises(HubError) as caught:
        check_url(f"http://{host}/", (), localhost_too=False)
    assert caught.value.code is Code.INVALID and caught.value.details[0].field == "url"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "ftp://example.com/",
            "file:///etc/passwd",
            "//example.com/",
            "example.com",
            "https://example.com/#@10.0.0.1",
        ),
        *(
            "https://example.com:27017/",
            "http://example.com:443/",
            "https://example.com:99999/",
            "https://exa mple.com/",
        ),
        *(
            "https://example.com\\@10.0.0.1/",
            "https://example.com/\r\nX: y",
            "gopher://example.com",
            "https://" + "a" * 2_048,
        ),
    ],
)
def test_other_forms_do_not(url: str) -> None:
    with pytest.raises(HubError):
        check_url(url, (), localhost_too=False)


def test_what_is_allowed_passes_to_the_letter() -> None:
    assert check_url("http://10.0.0.1:8080/x", {"10.0.0.1:8080"}, localhost_too=False)
    assert check_url("http://localhost:3000/x", (), localhost_too=True)
    for url in ("http://10.0.0.1:8081/", "http://10.0.0.2:8080/"):
        with pytest.raises(HubError):
            check_url(url, {"10.0.0.1:8080"}, localhost_too=True)
