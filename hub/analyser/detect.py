"""Which format a document has, by what its own specification has it say."""

import re
from typing import Any, Final

from hub.analyser.description import Json
from hub.analyser.failures import Unreadable

_OPENAPI: Final = re.compile(r"3\.([0-2])(\.\d+)?(-.*)?")
_YAML: Final = re.compile(r"""^["']?(?:openapi|swagger)["']?\s*:""", re.MULTILINE)
_FRONT_CHARS: Final = 100_000  # that are searched for the word: it stands at the beginning


def looks_structured(text: str) -> bool:
    """Whether it is JSON, or YAML of one of the formats; prose is neither."""
    return text.lstrip().startswith("{") or _YAML.search(text[:_FRONT_CHARS]) is not None


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
