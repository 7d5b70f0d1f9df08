"""What OpenAPI and Swagger have in common: paths, their operations, and what is said of an operation but its bodies."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from config import assistant as bounds
from hub.analyser.description import METHODS, Described, Endpoint, Json, Response
from hub.analyser.failures import Unreadable
from hub.analyser.references import References
from hub.analyser.schemas import Schemas
from hub.analyser.taking import Taking

STATUS: Final = re.compile(r"[1-5](\d\d|XX)|default")


class Source:
    """A document that is being read, with what reading it takes."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.taking = Taking()
        self.references = References(document)
        self.schemas = Schemas(self.references, self.taking)

    def object(self, value: Any, where: str) -> Json:
        """An object, its references followed; an empty one where it is none."""
        return self.taking.object(self.references.resolve(value), where)

    def array(self, value: Any, where: str) -> list[Any]:
        return self.taking.array(value, where)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation where it stands; `shared` are the parameters of its path."""

    path: str
    method: str
    about: Json
    shared: list[Any]

    @property
    def where(self) -> str:
        return f"{self.method.upper()} {self.path}"


def describe_info(source: Source, described: Described) -> None:
    """The title and the version. Raises `Unreadable` where there can be no API in the document at all."""
    info = source.object(source.document.get("info"), "info")
    described.title = source.taking.summary(info.get("title"))
    described.version = source.taking.name(info.get("version"))


def operations(source: Source) -> Iterator[Operation]:
    """The operations of all paths in their order. Raises `Unreadable`."""
    paths = source.document.get("paths")
    if not isinstance(paths, dict | None):
        raise Unreadable("paths is not an object")
    for path, given in (paths or {}).items():
        if path.startswith("/"):
            yield from _of_path(source, path, source.object(given, f"paths.{path}"))
        elif not path.startswith("x-"):
            source.taking.malformed(f"the path {path[:100]!r} does not begin with /")


def _of_path(source: Source, path: str, item: Json) -> Iterator[Operation]:
    shared = source.array(item.get("parameters"), f"{path} parameters")
    for method in METHODS:
        if method in item:
            yield Operation(path, method, source.object(item[method], f"{method.upper()} {path}"), shared)


def kept(source: Source, described: Described) -> Iterator[Operation]:
    """The operations that the results have room for; all of them are counted."""
    for operation in operations(source):
        described.endpoints_total += 1
        if described.endpoints_total <= bounds.ANALYSIS_ENDPOINTS_MAX:
            yield operation
        else:
            source.taking.left_out("endpoints", bounds.ANALYSIS_ENDPOINTS_MAX)


def endpoint_of(source: Source, operation: Operation) -> Endpoint:
    """An endpoint without its parameters and bodies."""
    taking, about = source.taking, operation.about
    tags = [taking.name(tag) for tag in source.array(about.get("tags"), f"{operation.where} tags")]
    return Endpoint(
        path=taking.name(operation.path),
        method=operation.method.upper(),
        summary=taking.summary(about.get("summary")),
        description=taking.description(about.get("description")),
        tags=taking.first(filter(None, tags), bounds.ANALYSIS_NAMES_MAX, "tags of endpoints"),
        deprecated=about.get("deprecated") is True,
        security=_security(source, operation),
    )


def _security(source: Source, operation: Operation) -> list[list[str]]:
    """What the operation asks for, or else the whole document; nothing where neither says."""
    given = operation.about.get("security", source.document.get("security"))
    alternatives = source.array(given, f"{operation.where} security")
    named = [source.taking.object(each, f"{operation.where} security") for each in alternatives]
    first = source.taking.first(named, bounds.ANALYSIS_NAMES_MAX, "ways to sign in")
    return [[source.taking.name(name) for name in list(each)[: bounds.ANALYSIS_NAMES_MAX]] for each in first]


def parameters_of(source: Source, operation: Operation) -> list[Json]:
    """The parameters of the path and of the operation, which has the last word on each."""
    own = source.array(operation.about.get("parameters"), f"{operation.where} parameters")
    found: dict[tuple[str, str], Json] = {}
    for given in (*operation.shared, *own):
        about = source.object(given, f"{operation.where} parameters")
        name, place = about.get("name"), about.get("in")
        if isinstance(name, str) and isinstance(place, str):
            found[name, place] = about
    return source.taking.rows(found.values(), bounds.ANALYSIS_PARAMETERS_MAX, "parameters")


def answers_of(source: Source, operation: Operation) -> Iterator[tuple[str, Json, Response]]:
    """Each status that is described, what is said of it, and the response yet without its content."""
    given = source.object(operation.about.get("responses"), f"{operation.where} responses")
    statuses = [status for status in given if not status.startswith("x-")]
    for status in source.taking.rows(statuses, bounds.ANALYSIS_RESPONSES_MAX, "responses"):
        if STATUS.fullmatch(status.upper() if status != "default" else status):
            about = source.object(given[status], f"{operation.where} {status}")
            yield status, about, Response(source.taking.description(about.get("description")))
        else:
            source.taking.malformed(f"{operation.where}: {status[:50]!r} is no status")


def add_schemas(source: Source, described: Described, given: Any, where: str) -> None:
    """The schemas of the document's own list."""
    schemas = source.taking.object(given, where)
    described.schemas_total = len(schemas)
    for name in source.taking.first(schemas, bounds.ANALYSIS_SCHEMAS_MAX, "schemas"):
        described.schemas.append(source.schemas.named(name, schemas[name]))


def close(source: Source, described: Described) -> None:
    """What is known only when all has been read."""
    source.references.follow_all()
    described.remote_references = [source.taking.name(each) for each in source.references.remote]
    described.missing_references = [source.taking.name(each) for each in source.references.missing]
