"""Strict JSON from outside: what Python's parser accepts too gladly is refused here, once for HTTP bodies and frames.

    bytes --length, encoding--> text --depth--> parser (numbers, constants, twin keys) --> characters --> plain data

It knows no field: schemas check what the data means.
"""

import json
import math
import re
from typing import Any, Final

import orjson

from config import limits
from hub.errors import Code, HubError, invalid

_BOM: Final = b"\xef\xbb\xbf"
_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
# A string to its end, or to the end of the data. Possessive, so that no near-miss makes it go back and try again.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.?+)*+(?:"|\Z)', re.DOTALL)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_TOO_DEEP: Final = b"[" * (limits.JSON_DEPTH_MAX + 1)
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def loads(data: bytes, bytes_max: int) -> Any:
    """Parse one JSON value.

    Raises `HubError`: TOO_LARGE beyond `bytes_max`, MALFORMED for everything that is not plain JSON: another encoding, a
    byte order mark, nesting beyond 32, twin keys, NaN and infinities, integers beyond 64 bits, NUL and lone surrogates.
    """
    if len(data) > bytes_max:
        raise HubError(Code.TOO_LARGE, f"At most {bytes_max} bytes of JSON are accepted")
    if data.startswith(_BOM):
        raise _malformed("it starts with a byte order mark")
    if data.count(b"[") + data.count(b"{") > limits.JSON_DEPTH_MAX:
        _check_depth(data)
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8") from None
    except _Refused as error:
        raise _malformed(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise _malformed(_reason(error)) from None
    if b"\\u" in data:  # the only way in for what UTF-8 itself cannot hold
        _check_characters(value)
    return value


def refuse_stored_keys(value: Any, field: str) -> None:
    """For data of the caller's own shape that becomes part of a document: no key that a database would read as an operator
    or a path. `value` is what `loads` gave, so its depth is bounded. Raises `HubError` INVALID.
    """
    if isinstance(value, list):
        for index, item in enumerate(value):
            refuse_stored_keys(item, f"{field}.{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            if key.startswith("$") or "." in key:
                raise invalid(field, "has a key that starts with $ or contains a dot", key[:100])
            refuse_stored_keys(item, f"{field}.{key}")


class _Refused(Exception):
    """Our own reason to refuse, thrown out of the parser."""


def _malformed(reason: str) -> HubError:
    return HubError(Code.MALFORMED, f"The JSON cannot be accepted: {reason}")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    return "it cannot be parsed"


def _check_depth(data: bytes) -> None:
    """Look at the brackets outside strings alone and take away the innermost pairs, level by level.

    Whether a bracket is closed by its own kind is the parser's matter.
    """
    brackets = _STRING.sub(b"", data).translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(limits.JSON_DEPTH_MAX):
        if _TOO_DEEP in brackets or not brackets:
            break
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise _malformed(f"its brackets do not match or nest deeper than {limits.JSON_DEPTH_MAX}")


def _check_characters(value: Any) -> None:
    try:
        written = orjson.dumps(value)
    except TypeError:
        raise _malformed("it has a lone surrogate") from None
    if b"\\u0000" in written and _NUL.search(written):
        raise _malformed("it has a NUL character")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Refused("a key stands twice in one object")
    return made


def _integer(text: str) -> int:
    if len(text) > limits.JSON_INTEGER_DIGITS_MAX + text.startswith("-") or text == "-0":
        raise _Refused("a whole number is out of range")
    value = int(text)
    if not _INT64_MIN <= value <= _INT64_MAX:
        raise _Refused("a whole number is out of range")
    return value


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Refused("a number is out of range")
    return value


def _constant(name: str) -> Any:
    raise _Refused(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant
)
