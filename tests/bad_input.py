"""What should never be accepted, made from valid examples: tables for the tests of bad input,
and what is stored before and after. No test is in it."""

import asyncio
import copy
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from models import shapes
from models.database import Database
from models.mails import MAILS

WRONG: tuple[Any, ...] = (None, True, 1, 1.5, "x", [], {})
OPERATORS: tuple[Any, ...] = ({"$gt": ""}, {"$ne": None}, {"$where": "1"}, {"a.b": 1})
FOREIGN = ("role", "is_admin", "credits", "balance", "user_id", "_id", "email_verified", "plan")

WRITTEN_BY_THE_CLOCK = ("nodes", "notice_jobs", "request_stats", "entry_totals", "uptime")
MAIL_SECONDS_MAX = 10.0

Path = tuple[str | int, ...]


async def stored(database: Database) -> dict[str, tuple[int, str]]:
    """How many documents each collection has and a digest of all that is in them, once no mail is on its way; those
    that processes write unasked left out.
    """
    async with asyncio.timeout(MAIL_SECONDS_MAX):
        while await database[MAILS].count({}):
            await asyncio.sleep(0.02)
    names = [shape.name for shape in shapes.ALL if shape.name not in WRITTEN_BY_THE_CLOCK]
    return {name: await _digest(database, name) for name in names}


async def _digest(database: Database, name: str) -> tuple[int, str]:
    """A changed document shows as well as a new one."""
    count, digest = 0, hashlib.sha256()
    async for document in database[name].scan({}, sort=[("_id", 1)]):
        count += 1
        document.pop("untold", None)  # a notification loses it when its time to be mailed or pushed has come
        document.pop("pending", None)  # and an event, once it is queued for the webhooks that hear of it
        digest.update(repr(document).encode())
    return count, digest.hexdigest()


def wrong_types(example: Any, *, numbers: frozenset[str] = frozenset()) -> Iterator[tuple[str, Any, Any]]:
    """`(dotted path, wrong value, example with it)` for every field and every type that is not the field's own.

    Fields named in `numbers` take fractions as well as whole numbers.
    """
    for path in _paths(example):
        right = _at(example, path)
        for wrong in (*WRONG, *OPERATORS):
            if type(wrong) is type(right) or (path[-1] in numbers and type(wrong) in (int, float)):
                continue
            yield ".".join(map(str, path)), wrong, _changed(example, path, wrong)


def missing(example: dict[str, Any], required: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name in required:
        yield name, {key: value for key, value in example.items() if key != name}


def changed(example: Any, dotted: str, value: Any) -> Any:
    """The example with another value at a dotted path."""
    return _changed(example, tuple(int(step) if step.isdigit() else step for step in dotted.split(".")), value)


def _changed(example: Any, path: Path, value: Any) -> Any:
    made = copy.deepcopy(example)
    _at(made, path[:-1])[path[-1]] = value
    return made


def _paths(value: Any, before: Path = ()) -> Iterator[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*before, key)
        yield from _paths(inner, (*before, key))


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def with_text(example: dict[str, Any], field: str, text: str) -> bytes:
    """The example as JSON with `text` where a field's value stands."""
    return json.dumps({**example, field: "@"}).replace('"@"', text).encode()


# Numbers that are none: each with whether JSON allows it.
NUMBERS: dict[str, bool] = {
    **dict.fromkeys(("NaN", "Infinity", "-Infinity"), False),
    **dict.fromkeys(("1e400", str(2**63), str(-(2**63) - 1), "9" * 5_000, "-0"), True),
}


def malformed(example: dict[str, Any], field: str) -> dict[str, bytes]:
    """Texts that are not plain JSON, by what is wrong with them; `field` is one of the example's."""
    good = json.dumps(example)

    def with_field(text: str) -> bytes:
        return with_text(example, field, text)

    return {
        "empty": b"",
        "half": good[: len(good) // 2].encode(),
        "not JSON": b"model=gpt-4",
        "byte order mark": b"\xef\xbb\xbf" + good.encode(),
        "UTF-16": good.encode("utf-16"),
        "Latin-1": with_field('"\xe9"').decode().encode("latin-1"),
        "trailing data": good.encode() + b" {}",
        "twin keys": with_field("1")[:-1] + f',"{field}":2}}'.encode(),
        "33 deep": with_field("[" * 33 + "]" * 33),
        "50,000 deep": b"[" * 50_000,
        "lone surrogate": with_field('"\\ud800"'),
        "lone surrogate in a key": with_field('{"\\udfff":1}'),
        "NUL": with_field('"a\\u0000b"'),
        "NUL in a key": with_field('{"a\\u0000b":1}'),
    }
