"""How webhooks are signed and verified: Standard Webhooks 1.0.0, and the signature of our own documents. Pure.

    webhook-signature     v1,base64(HMAC-SHA256(key, "{webhook-id}.{webhook-timestamp}.{body}")), one a secret
    X-Webhook-Signature   sha256=hex(HMAC-SHA256(secret as text, body)), and the same at the end of two of the payloads

All are over the exact bytes that are sent. While two secrets are good, `webhook-signature` has both; of the others, which
have room for one, the attempts have the new and the old secret's in turn.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from models.database import Document

STANDARD: Final = "whsec_"
TOLERANCE_SECONDS: Final = 300
_SIGNATURES_MAX: Final = 10  # of one header that are looked at


class NotGenuine(Exception):
    """A delivery that is not what was signed, or not now; the message says what is wrong with it, and never why ours
    differs.
    """


def good_secrets(endpoint: Document, moment: datetime) -> list[str]:
    """An endpoint's secret, and those before it that are good too."""
    return [endpoint["secret"], *(old["secret"] for old in endpoint.get("previous", []) if old["until"] > moment)]


def signed(body: str, secrets: Sequence[str], tries: int, inside: bool) -> tuple[str, str]:
    """A payload with its own signature at its end where it has one `inside`, and the value of `X-Webhook-Signature`.

    `tries` says how often it was tried before.
    """
    secret = secrets[tries % len(secrets)]
    if inside:
        body = f'{body[:-1]},"signature":"{plain(body.encode(), secret)}"}}'
    return body, plain(body.encode(), secret)


def plain(body: bytes, secret: str) -> str:
    """The documents' own signature: keyed with the secret's text, whatever it looks like."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def headers(webhook_id: str, moment: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The three headers of Standard Webhooks for an attempt at `moment`."""
    seconds = str(int(moment.timestamp()))
    made = (standard(webhook_id, seconds, body, secret) for secret in secrets)
    return {"webhook-id": webhook_id, "webhook-timestamp": seconds, "webhook-signature": " ".join(made)}


def standard(webhook_id: str, seconds: str, body: bytes, secret: str) -> str:
    signed_text = f"{webhook_id}.{seconds}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key_of(secret), signed_text, hashlib.sha256).digest()).decode()


def key_of(secret: str) -> bytes:
    """A `whsec_` secret's key are the decoded bytes; any other secret's, its text."""
    return base64.b64decode(secret.removeprefix(STANDARD)) if is_standard(secret) else secret.encode()


def is_standard(secret: str) -> bool:
    """Whether a secret has the form of Standard Webhooks: `whsec_` and the base64 of 24 to 64 bytes."""
    try:
        key = base64.b64decode(secret.removeprefix(STANDARD), validate=True)
    except binascii.Error:
        return False
    return secret.startswith(STANDARD) and 24 <= len(key) <= 64


def verify(given: Mapping[str, str], body: bytes, secrets: Sequence[str], moment: datetime) -> str:
    """The `webhook-id` of a delivery that one of these secrets signed within the last five minutes.

    `given` are its headers. Raises `NotGenuine`. Whether the id has been seen before is its caller's question.
    """
    webhook_id, seconds = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not (webhook_id and seconds.isascii() and seconds.isdigit() and len(seconds) <= 12):
        raise NotGenuine("the headers webhook-id and webhook-timestamp are needed")
    if abs(moment.timestamp() - int(seconds)) > TOLERANCE_SECONDS:
        raise NotGenuine("its webhook-timestamp is not of the last five minutes")
    told = given.get("webhook-signature", "").split(" ")[:_SIGNATURES_MAX]
    expected = [standard(webhook_id, seconds, body, secret) for secret in secrets]
    if not any(hmac.compare_digest(one.encode(), ours.encode()) for one in told for ours in expected):
        raise NotGenuine("no signature of it is by this webhook's secret")
    return webhook_id
