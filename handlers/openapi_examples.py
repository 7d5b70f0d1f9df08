"""Examples of bodies, made from their JSON Schema: what must be there, by the schema's own examples or its bounds."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from handlers.dialects import Json
from handlers.terms import JSON

_SCHEMAS: Final = "#/components/schemas/"
_TEXT: Final = "text"


def with_examples(document: Json) -> Json:
    """The document, in which each body has an example that its operation would take."""
    for operation in operations_of(document):
        if body := operation.get("requestBody"):
            content = body["content"][JSON]
            content["example"] = example_of(content["schema"], document["components"]["schemas"])
    return document


def operations_of(document: Json) -> Iterator[Json]:
    for path in document["paths"].values():
        yield from (operation for method, operation in path.items() if method != "parameters")


def example_of(form: Json, schemas: Mapping[str, Json]) -> Any:
    """A value that a schema describes."""
    if "$ref" in form:
        return example_of(schemas[form["$ref"].removeprefix(_SCHEMAS)], schemas)
    if "anyOf" in form:
        return example_of(form["anyOf"][0], schemas)
    given = form.get("examples") or form.get("enum")
    return given[0] if given else _made(form, schemas)


def _made(form: Json, schemas: Mapping[str, Json]) -> Any:
    kind = form.get("type", "string")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            properties = form.get("properties", {})
            names = form.get("required") or list(properties)[:1]
            return {name: example_of(properties.get(name, {}), schemas) for name in names}
        case "array":
            return [example_of(form["items"], schemas)] * form.get("minItems", 0)
        case "boolean":
            return True
        case "integer" | "number":
            return min(max(1, form.get("minimum", 1)), form.get("maximum", 1))
        case _:
            return _TEXT.ljust(form.get("minLength", 0), "-")[: form.get("maxLength")]
