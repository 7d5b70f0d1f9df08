"""Strict JSON from outside: what Python's parser accepts too gladly is refused here, once for HTTP bodies and frames.

    bytes --length, encoding--> text --count, depth--> parser (numbers, constants, twin keys) --> characters --> plain data

Schemas check what the data means. A wrong number is refused here for all of them, where no field can forget it: by the path
of its field, whether a schema knows that or takes whatever comes.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import orjson

from config import limits
from hub.errors import Code, FieldError, HubError

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

    Raises `HubError`: TOO_LARGE beyond `bytes_max` and for too many values; MALFORMED for everything that is not plain
    JSON: another encoding, a byte order mark, nesting beyond 32, twin keys, NUL and lone surrogates. Where numbers are
    wrong their fields are named: MALFORMED for NaN and infinities, INVALID for what JSON allows and 64 bits cannot hold,
    -0 too.
    """
    if len(data) > bytes_max:
        raise HubError(Code.TOO_LARGE, f"At most {bytes_max} bytes of JSON are accepted")
    if data.startswith(_BOM):
        raise _malformed("it starts with a byte order mark")
    if _begun(data) > limits.JSON_VALUES_MAX:
        _check_count(data)
    if data.count(b"[") + data.count(b"{") > limits.JSON_DEPTH_MAX:
        _check_depth(data)
    try:
        return _parsed(_DECODER, data)
    except _WrongNumber:
        raise _wrong_numbers(_parsed(_MARKING_DECODER, data)) from None


def _parsed(decoder: json.JSONDecoder, data: bytes) -> Any:
    try:
        value = decoder.decode(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8") from None
    except _TwinKey:
        raise _malformed("a key stands twice in one object") from None
    except (ValueError, RecursionError) as error:
        raise _malformed(_reason(error)) from None
    if b"\\u" in data:  # the only way in for what UTF-8 itself cannot hold
        _check_characters(value)
    return value


class _TwinKey(Exception):
    """Two values for one field, of which readers may see either."""


class _WrongNumber(Exception):
    """A number that cannot be accepted is somewhere in it; a second pass finds out where."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """Stands where such a number is. `code` is MALFORMED for what is no JSON at all."""

    message: str
    code: Code


def _malformed(reason: str) -> HubError:
    return HubError(Code.MALFORMED, f"The JSON cannot be accepted: {reason}")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    return "it cannot be parsed"


def _begun(data: bytes) -> int:
    """How many values begin in it, where it has no strings: one after each comma and each opening bracket."""
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def _check_count(data: bytes) -> None:
    """Look outside strings alone, unless these are too many themselves: keys and values that are text."""
    most = limits.JSON_VALUES_MAX
    rest, strings = _STRING.subn(b"", data, count=most + 1)
    if strings > most or _begun(rest) > most:
        raise HubError(Code.TOO_LARGE, f"At most {most} values are accepted in one piece of JSON")


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
        raise _TwinKey
    return made


# --- numbers ----------------------------------------------------------------------------------------------------


def _integer(text: str) -> int | _Mark:
    if len(text) > limits.JSON_INTEGER_DIGITS_MAX + text.startswith("-") or text == "-0":
        return _OUT_OF_RANGE
    value = int(text)
    return value if _INT64_MIN <= value <= _INT64_MAX else _OUT_OF_RANGE


def _number(text: str) -> float | _Mark:
    value = float(text)
    return value if math.isfinite(value) else _OUT_OF_RANGE


def _constant(name: str) -> _Mark:
    return _Mark(f"must be a number, and {name} is not JSON", Code.MALFORMED)


def _refusing(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    def converted(text: str) -> Any:
        value = convert(text)
        if value.__class__ is _Mark:
            raise _WrongNumber
        return value

    return converted


_OUT_OF_RANGE: Final = _Mark("must be a number that 64 bits can hold", Code.INVALID)
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_refusing(_integer),
    parse_float=_refusing(_number),
    parse_constant=_refusing(_constant),
)
# Parses what was refused once more, and leaves marks: good input pays nothing for the naming of fields.
_MARKING_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant
)


def _wrong_numbers(marked: Any) -> HubError:
    """The first of them, by their fields; one that is not JSON at all decides the code."""
    found = list(islice(_marks(marked, ""), limits.FAILURES_TOLD_MAX))
    code = Code.MALFORMED if any(mark.code is Code.MALFORMED for _, mark in found) else Code.INVALID
    details = [FieldError(field or "body", mark.message) for field, mark in found]
    return HubError(code, f"{details[0].field}: {details[0].message}", details)


def _marks(value: Any, field: str) -> Iterator[tuple[str, _Mark]]:
    """A field's path is cut where it gets long: keys as long as a body would make the answer many times as long."""
    if isinstance(value, _Mark):
        yield field, value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _marks(inner, (f"{field}.{key}" if field else str(key))[: limits.FIELD_CHARS_MAX])
