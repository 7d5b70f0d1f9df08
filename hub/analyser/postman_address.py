"""Addresses of Postman's requests: a text, or an object of its parts; `{{variables}}` in either, `:name` in a path."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from hub.analyser.description import Json

# The server, be it a variable that has its scheme in it, then the path, and the query.
_ADDRESS: Final = re.compile(
    r"(?P<server>(?:[A-Za-z][A-Za-z0-9+.-]*://)?[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?"
)
_VARIABLE: Final = re.compile(r"\{\{\s*([^{}]{1,100}?)\s*\}\}")
_PATH_VARIABLE: Final = re.compile(r"(?<=/):([A-Za-z_][\w-]*)")
_TEMPLATE: Final = re.compile(r"\{([^{}]{1,100})\}")


@dataclass(slots=True)
class Address:
    """Where a request goes. `variables` and `query` have what is said of each of their names."""

    server: str = ""
    path: str = "/"
    variables: dict[str, Json] = field(default_factory=dict)
    query: dict[str, Json] = field(default_factory=dict)


def address_of(url: Any, variables: dict[str, str]) -> Address:
    """The parts of a request's `url`, with the collection's variables put in where they name the server."""
    about: Json = url if isinstance(url, dict) else {"raw": url}
    raw = about.get("raw")
    text = raw if isinstance(raw, str) and raw else _composed(about)
    matched = _ADDRESS.match(text.strip())
    assert matched is not None, "each part may be empty"
    found = Address(_server(matched["server"], variables), _path(matched["path"]))
    described = entries(about.get("variable"))
    found.variables = {name: described.get(name, {}) for name in _TEMPLATE.findall(found.path)}
    written = (part.partition("=") for part in (matched["query"] or "").split("&"))
    found.query = {name: {"value": value} for name, _, value in written if name}
    found.query |= {
        name: each for name, each in entries(about.get("query")).items() if each.get("disabled") is not True
    }
    return found


def _server(server: str, variables: dict[str, str]) -> str:
    put_in = _VARIABLE.sub(lambda found: variables.get(found[1], found[0])[:500], server)
    if not put_in or "://" in put_in or put_in.startswith("{"):
        return put_in
    return f"http://{put_in}"  # as Postman takes an address without a scheme


def _path(path: str) -> str:
    return _PATH_VARIABLE.sub(r"{\1}", _VARIABLE.sub(r"{\1}", path)) or "/"


def _composed(about: Json) -> str:
    """The text of an address that only has parts."""
    protocol, host, path = about.get("protocol"), _joined(about.get("host"), "."), _joined(about.get("path"), "/")
    port = about.get("port")
    start = f"{protocol}://" if isinstance(protocol, str) and protocol else ""
    end = f":{port}" if isinstance(port, str) and port else ""
    return f"{start}{host}{end}/{path.removeprefix('/')}"


def _joined(value: Any, joint: str) -> str:
    if isinstance(value, str):
        return value
    parts = value if isinstance(value, list) else []
    texts = [part.get("value") if isinstance(part, dict) else part for part in parts]
    return joint.join(text for text in texts if isinstance(text, str))


def entries(given: Any) -> dict[str, Json]:
    """What stands in a list of keys and values, by its key."""
    objects = [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []
    return {each["key"]: each for each in objects if isinstance(each.get("key"), str) and each["key"]}


def pairs(given: Any) -> Iterator[tuple[str, str]]:
    """Names and values: a list of objects in v2.1, one object in v2.0. What is switched off, or no text, is left out."""
    if isinstance(given, dict):
        yield from ((name, value) for name, value in given.items() if isinstance(value, str))
    for each in given if isinstance(given, list) else ():
        if isinstance(each, dict) and each.get("disabled") is not True:
            name, value = each.get("key", each.get("id")), each.get("value")
            if isinstance(name, str) and isinstance(value, str):
                yield name, value


def text_in(description: Any) -> Any:
    """A description is a text, or an object with one."""
    return description.get("content") if isinstance(description, dict) else description
