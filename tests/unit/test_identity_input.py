"""Addresses and names: twins get one key, and what cannot be stored or would deceive is refused."""

from typing import Any

import pytest

from hub import identity_input
from hub.errors import Code, HubError

TWINS = [
    ("User@Example.com", "user@example.COM"),
    ("ＡＤＭＩＮ@example.com", "admin@example.com"),  # full-width letters
    ("e\u0301va@example.com", "éva@example.com"),
    ("straße@example.com", "STRASSE@example.com"),
    ("ﬁle@example.com", "file@example.com"),  # a ligature
    (" user@example.com ", "user@example.com"),
]


@pytest.mark.parametrize(("one", "other"), TWINS)
def test_twins_have_one_key(one: str, other: str) -> None:
    assert identity_input.key(identity_input.email(one)) == identity_input.key(identity_input.email(other))


def test_a_key_is_its_own_key() -> None:
    for address, _ in TWINS:
        once = identity_input.key(identity_input.email(address))
        assert identity_input.key(once) == once


@pytest.mark.parametrize(
    "value",
    [
        *("", "@", "a@", "@b.c", "a@b@c.d", "plain", "a b@c.d", "a@b", "a@.b", "a@b.", "a@b..c", "a@-b.c", "a@b_c.d"),
        *("a:b;@example.com", "root,x@b.c", "<a>@b.c", "(a)@b.c", "[a]@b.c", '"a"@b.c', "a\\b@b.c"),
        *("a\0@b.c", "a\n@b.c", "a@b.c\r\nBcc: x@y.z", "\u202ea@b.c", "a\u200b@b.c", "a\ud800@b.c"),
        *("x" * 251 + "@b.c", "x" * 1_000_000, "a" + "\u0301" * 500_000 + "@b.c", "ﷺ" * 100 + "@b.c"),
        *(None, 1, True, ["a@b.c"], {"$gt": ""}),
    ],
)
def test_a_bad_address_is_refused(value: Any) -> None:
    with pytest.raises(HubError) as caught:
        identity_input.email(value)
    assert caught.value.code is Code.INVALID
    assert caught.value.details[0].field == "email"


@pytest.mark.parametrize("value", ["a@b.co", "first.last+tag@sub.example.com", "사용자@예시.한국", "admin@localhost"])
def test_a_good_address_is_kept_as_it_is(value: str) -> None:
    assert identity_input.email(value) == value


@pytest.mark.parametrize(
    "value", ["ab", "a" * 31, "a b c", "a_b_c", "usér", "аdmin", "a.b", "$gt", "", None, 123, {"$gt": ""}]
)
def test_a_bad_username_is_refused(value: Any) -> None:
    with pytest.raises(HubError) as caught:
        identity_input.username(value)
    assert caught.value.details[0].field == "username"


@pytest.mark.parametrize(
    "value", ["a\0b", "a\nb", "a\x1b[31mb", "a\u202eb", "a\u2028b", "a\ud800", "x" * 101, None, 5, ["a"]]
)
def test_a_bad_name_is_refused(value: Any) -> None:
    with pytest.raises(HubError) as caught:
        identity_input.name(value, "firstName")
    assert caught.value.details[0].field == "firstName"


@pytest.mark.parametrize("value", ["", "John", "O'Neil-Smith", "민준", "محمد", "Đặng Thị", "👩‍🔬"])
def test_a_good_name_is_kept(value: str) -> None:
    assert identity_input.name(value, "firstName") == value
