"""What verifies a webhook: only the very bytes, by the right secret, within five minutes."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from standardwebhooks import Webhook

from hub.webhooks import signatures
from hub.webhooks.signatures import NotGenuine

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET, OTHER = "whsec_" + "QUJD" * 8, "whsec_" + "REVG" * 8
BODY = orjson.dumps({"eventId": "evt_1", "data": {"amount": 0.05, "name": "Gräce"}})
ID = "evt_1"


def signed(*secrets: str, moment: datetime = MOMENT, body: bytes = BODY) -> dict[str, str]:
    return signatures.headers(ID, moment, body, secrets or (SECRET,))


def refused(headers: dict[str, str], body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> str:
    with pytest.raises(NotGenuine) as error:
        signatures.verify(headers, body, secrets, MOMENT)
    return str(error.value)


def test_what_was_signed_is_accepted() -> None:
    assert signatures.verify(signed(), BODY, [SECRET], MOMENT) == ID
    assert signatures.verify(signed(OTHER, SECRET), BODY, [SECRET], MOMENT) == ID, "one of several is enough"
    assert signatures.verify(signed(OTHER), BODY, [SECRET, OTHER], MOMENT) == ID, "while two are good either is"


def test_others_signatures_are_accepted_too() -> None:
    text = Webhook(SECRET).sign(ID, MOMENT, BODY.decode())
    headers = {"webhook-id": ID, "webhook-timestamp": str(int(MOMENT.timestamp())), "webhook-signature": text}
    assert signatures.verify(headers, BODY, [SECRET], MOMENT) == ID


def test_every_flipped_bit_of_a_body_is_refused() -> None:
    headers = signed()
    for place in range(len(BODY)):
        for bit in range(8):
            flipped = bytearray(BODY)
            flipped[place] ^= 1 << bit
            refused(headers, bytes(flipped))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_every_changed_character_of_a_header_is_refused(name: str) -> None:
    headers = signed()
    for place, character in enumerate(headers[name]):
        for other in ("0", "1", "A", " ", ""):
            if other != character:
                text = headers[name][:place] + other + headers[name][place + 1 :]
                refused({**headers, name: text})
    refused({key: value for key, value in headers.items() if key != name})


@pytest.mark.parametrize("minutes", [-6, 6])
def test_what_is_not_of_the_last_five_minutes_is_refused(minutes: int) -> None:
    assert "five minutes" in refused(signed(moment=MOMENT + timedelta(minutes=minutes)))
    late = MOMENT + timedelta(minutes=minutes * 4 / 6)
    assert signatures.verify(signed(moment=late), BODY, [SECRET], MOMENT) == ID


@pytest.mark.parametrize("stamp", ["", "soon", "1e9", "-1", "\u0661", "9" * 40, "1767323045.0"])
def test_a_time_that_is_none_is_refused(stamp: str) -> None:
    refused({**signed(), "webhook-timestamp": stamp})


def test_another_ones_secret_is_refused() -> None:
    refused(signed(OTHER))
    refused(signed(), secrets=(OTHER,))


def test_the_same_json_written_anew_is_refused() -> None:
    again = orjson.dumps(orjson.loads(BODY), option=orjson.OPT_INDENT_2)
    assert orjson.loads(again) == orjson.loads(BODY)
    refused(signed(), again)


def test_signatures_of_other_kinds_are_passed_over() -> None:
    headers = signed()
    ours = headers["webhook-signature"]
    mixed = {**headers, "webhook-signature": f"v1a,{ours[3:]} v2,x {ours}"}
    assert signatures.verify(mixed, BODY, [SECRET], MOMENT) == ID
    refused({**headers, "webhook-signature": f"v1a,{ours[3:]}"})
    refused({**headers, "webhook-signature": "v1,\u00e4"})


def test_the_documents_own_signature_is_of_the_text_of_the_secret() -> None:
    text, header = signatures.signed('{"a":1}', ["plain text", "older"], 0, inside=False)
    assert text == '{"a":1}'
    assert header == f"sha256={hmac.new(b'plain text', text.encode(), hashlib.sha256).hexdigest()}"


def test_while_two_secrets_are_good_the_attempts_take_turns() -> None:
    made = [signatures.signed('{"a":1}', ["new", "old"], tries, inside=False)[1] for tries in range(4)]
    assert made == [signatures.plain(b'{"a":1}', secret) for secret in ("new", "old", "new", "old")]
