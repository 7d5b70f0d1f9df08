"""Sealed texts open for their own purpose and secret alone; recovery codes are compared as people write them."""

import pytest

from config import assistant
from hub import recovery_codes
from hub.sealed import Sealed


def test_what_is_sealed_opens_again_and_is_another_text_each_time() -> None:
    sealed = Sealed("secret", "a purpose")
    first, second = sealed.seal("JBSWY3DP"), sealed.seal("JBSWY3DP")
    assert sealed.open(first) == sealed.open(second) == "JBSWY3DP"
    assert first != second and "JBSWY3DP" not in first


def test_another_secret_purpose_or_bit_opens_nothing() -> None:
    text = Sealed("secret", "a purpose").seal("JBSWY3DP")
    tampered = text[:30] + ("A" if text[30] != "A" else "B") + text[31:]
    for sealed, given in (
        (Sealed("another", "a purpose"), text),
        (Sealed("secret", "another purpose"), text),
        (Sealed("secret", "a purpose"), tampered),
        (Sealed("secret", "a purpose"), "no token"),
    ):
        with pytest.raises(ValueError, match="HUB_JWT_SECRET"):
            sealed.open(given)


def test_recovery_codes_are_many_and_unlike_and_bound_to_their_user() -> None:
    codes = [code for _ in range(50) for code in recovery_codes.made()]
    assert len(set(codes)) == 50 * assistant.RECOVERY_CODES
    assert {len(recovery_codes.plain(code)) for code in codes} == {assistant.RECOVERY_CODE_CHARS}
    code = codes[0]
    digest = recovery_codes.digest("secret", "user_1", code)
    assert digest == recovery_codes.digest("secret", "user_1", f" {code.upper().replace('-', ' ')}")
    assert (
        len({digest, *(recovery_codes.digest(*whose, code) for whose in (("secret", "user_2"), ("b", "user_1")))}) == 3
    )
