"""What the sandbox makes of a form that it is given: a call of a tool, or an answer that is JSON. Pure.

A value that fits a JSON Schema, the same each time: defaults, constants and first choices where the schema has any.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from hub.providers.base import Json, ProviderCall

_DEPTH_MAX: Final = 8
_ARGUMENT: Final = "sandbox"


def tool_call(call: ProviderCall) -> Json | None:
    """The call that answers this prompt, in the form of OpenAI's message: of the tool that is asked for, else of the first
    one, where the last word is the user's; None where no tool is to be called.
    """
    tools = [tool["function"] for tool in _objects(call.parameters.get("tools")) if _is_function(tool)]
    choice = call.parameters.get("tool_choice") or "auto"
    if not tools or choice == "none" or (choice == "auto" and call.messages[-1].get("role") != "user"):
        return None
    wanted = _wanted(choice)
    function = next((tool for tool in tools if tool["name"] == wanted), tools[0])
    arguments = orjson.dumps(example(_schema(function.get("parameters")))).decode()
    return {
        "id": f"call_sandbox_{len(call.messages)}",
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


def json_answer(call: ProviderCall) -> str | None:
    """The answer in the `response_format` that is asked for; None where any text will do."""
    form = call.parameters.get("response_format")
    kind = form.get("type") if isinstance(form, dict) else None
    if kind == "json_schema" and isinstance(form, dict):
        described = form.get("json_schema")
        schema = described.get("schema") if isinstance(described, dict) else None
        return orjson.dumps(example(_schema(schema))).decode()
    return orjson.dumps({"answer": "This answer comes from the sandbox."}).decode() if kind == "json_object" else None


def example(schema: Mapping[str, Any], depth: int = 0) -> Any:
    """A value for a schema, as far as types, choices and required parts go."""
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if isinstance(choices := schema.get("enum"), list) and choices:
        return choices[0]
    for name in ("anyOf", "oneOf", "allOf"):
        if depth < _DEPTH_MAX and (options := _objects(schema.get(name))):
            return example(options[0], depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    first = kind[0] if isinstance(kind, list) and kind else kind
    make = _OF_TYPE.get(first) if isinstance(first, str) else None
    return make(schema, depth) if make is not None else _ARGUMENT


def _object(schema: Mapping[str, Any], depth: int) -> Json:
    properties = schema.get("properties")
    if not isinstance(properties, dict) or depth >= _DEPTH_MAX:
        return {}
    return {name: example(_schema(inner), depth + 1) for name, inner in properties.items()}


def _array(schema: Mapping[str, Any], depth: int) -> list[Any]:
    items = schema.get("items")
    return [example(items, depth + 1)] if isinstance(items, dict) and depth < _DEPTH_MAX else []


def _number(schema: Mapping[str, Any], depth: int) -> Any:
    return schema.get("minimum", 1)


_OF_TYPE: Final[Mapping[str, Callable[[Mapping[str, Any], int], Any]]] = {
    "object": _object,
    "array": _array,
    "integer": _number,
    "number": _number,
    "boolean": lambda schema, depth: True,
    "null": lambda schema, depth: None,
}


def _schema(value: object) -> Json:
    """Whatever stands where a schema belongs; what is none asks for nothing."""
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> Sequence[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _is_function(tool: Json) -> bool:
    function = tool.get("function")
    return isinstance(function, dict) and isinstance(function.get("name"), str)


def _wanted(choice: object) -> object:
    function = choice.get("function") if isinstance(choice, dict) else None
    return function.get("name") if isinstance(function, dict) else None
