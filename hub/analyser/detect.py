"""Which format a document has, by what its own specification has it say."""

import re
from typing import Any, Final

from hub.analyser.description import Json
from hub.analyser.failures import Unreadable

_OPENAPI: Final = re.compile(r"3\.([0-2])(\.\d+)?(-.*)?")
_FLOW: Final = re.compile(
    r"""\s*(?:\{\s*(?:["'\w}$]|\Z)|\[\s*(?:[{\["'\d\]]|\Z))"""
)  # not what Markdown may begin with
_AT_LEFT: Final = re.compile(r"^[^\s#].*", re.MULTILINE)
_KEY: Final = re.compile(r"""(["']?)([\w.$/{}-][\w.$/{} -]{0,99}?)\1[ \t]*:(?:\s|$)""")
_NO_PROSE: Final = frozenset("-?&!<%.}],\"'")  # what else a line of YAML may have at its left
_FRONT_MATTER: Final = re.compile(r"\s*^---[ \t]*\r?\n.*?^---[ \t]*\r?$(.*)", re.MULTILINE | re.DOTALL)
_NAMES: Final = ({"openapi"}, {"swagger"}, {"asyncapi"}, {"info", "item"}, {"collection"})
_RAML: Final = "#%RAML"


def looks_structured(text: str) -> bool:
    """Whether it is JSON, or YAML of a known kind. Of prose neither a word of theirs nor an example in it makes one."""
    if _FLOW.match(text):
        return True
    keys = set() if _has_front_matter(text) else _top_keys(text)
    return any(names <= keys for names in _NAMES)


def check_kind(text: str) -> None:
    """Raises `Unreadable` for a kind that says what it is where YAML has a comment."""
    if text.startswith(_RAML):
        raise Unreadable("This is a RAML document: convert it to OpenAPI to have it analysed")


def _has_front_matter(text: str) -> bool:
    """A page of Markdown may begin with settings in YAML, between two lines of hyphens."""
    found = _FRONT_MATTER.match(text)
    if found is None or not found[1].strip():
        return False
    first = _AT_LEFT.search(found[1])
    return first is None or not _KEY.match(first[0])


def _top_keys(text: str) -> set[str]:
    """The keys at the left of YAML; none where a line stands there that can only be prose, a table or a fence."""
    keys = set()
    for line in _AT_LEFT.finditer(text):
        if key := _KEY.match(line[0]):
            keys.add(key[2])
        elif line[0][0] not in _NO_PROSE:
            return set()
    return keys


def form_of(document: Json) -> str:
    """The format of a document in JSON or YAML. Raises `Unreadable`."""
    if "openapi" in document:
        return _openapi(document["openapi"])
    if "swagger" in document:
        if str(document["swagger"]) in ("2.0", "2"):
            return "swagger2"
        raise Unreadable(f"swagger is {_shown(document['swagger'])}: only version 2.0 can be analysed")
    collection = document["collection"] if isinstance(document.get("collection"), dict) else document
    if "item" in collection and "info" in collection:
        return "postman"
    if "asyncapi" in document:
        raise Unreadable("This is an AsyncAPI document: OpenAPI, Swagger and Postman collections can be analysed")
    if "requests" in collection and "order" in collection:
        raise Unreadable("This is a Postman collection of v1: export it as v2.1")
    raise Unreadable("The document has neither openapi, swagger, nor the info and item of a Postman collection")


def _openapi(version: Any) -> str:
    found = _OPENAPI.fullmatch(version) if isinstance(version, str) else None
    if found is None:
        raise Unreadable(f"openapi is {_shown(version)}: only versions 3.0 to 3.2 can be analysed")
    return "openapi3" if found[1] == "0" else "openapi31"


def _shown(value: Any) -> str:
    return repr(value)[:50]
