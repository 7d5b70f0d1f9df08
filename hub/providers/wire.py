"""JSON as providers send and take it: every failure is a `ProviderError`, never an exception of the parser."""

import orjson

from hub.providers.base import Json, ProviderError


def load_object(payload: bytes, label: str) -> Json:
    """One JSON object; a broken line is worth another try, because it is nearly always a cut connection."""
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise ProviderError(f"{label} sent a line that is not JSON", temporary=True) from error
    if not isinstance(document, dict):
        raise ProviderError(f"{label} sent JSON that is not an object")
    return document


def dump_body(body: Json) -> bytes:
    """The body of a request; text without a UTF-8 form (half of a surrogate pair) is the caller's error."""
    try:
        return orjson.dumps(body)
    except TypeError as error:
        raise ProviderError("The request holds text or a number that cannot be sent", request_is_wrong=True) from error
