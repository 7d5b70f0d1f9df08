"""Definitions of workflows, checked when they are saved: what passes here can be run, as far as can be known before.

    given --size--> --schemas (node_types)--> --ids, edges (graph)--> --models, templates' paths--> the same, unchanged

Failures are told by paths in the form that templates have: `definition.nodes[2].config.model`.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import orjson

from config import limits as hub_limits
from config import workflows as limits
from hub.errors import Code, FieldError, HubError, invalid
from hub.fields import Input, Nested
from hub.fields import load as load_input
from hub.workflows.definitions import graph, templates
from hub.workflows.definitions.graph import FIELD, Json
from hub.workflows.definitions.node_types import DefinitionInput

# What is to be known of a node by those after it.
_FACTS: Final = ("output", "error")
# It would find nothing there; whoever writes it means what no workflow is told, and hears so at once.
_ENVIRONMENT: Final = "env"
_POSITION: Final = re.compile(r"\.([0-9]+)(?=\.|$)")


class _Whole(Input):
    definition = Nested(DefinitionInput, required=True)


_WHOLE: Final = _Whole()


def load(definition: Any, models: Collection[str]) -> Json:
    """The definition, if it can be run. `models` are the ids of those that an `ai_call` may name.

    Raises `HubError` INVALID with a `FieldError` for each failure. Those of the graph are told once all fields are right,
    those of paths in templates once the graph is.
    """
    _check_size(definition)
    loaded = _fields_loaded(definition)
    _refuse([*graph.failures(loaded), *_unknown_models(loaded, models)])
    _refuse(list(_wrong_paths(loaded)))
    return loaded


def literal_addresses(definition: Json) -> Iterator[tuple[str, str]]:
    """Those that `http_request`s ask whatever their executions began with, by their fields."""
    for field, node in graph.all_nodes(definition):
        if node["type"] == "http_request" and templates.parse(node["config"]["url"]).is_literal:
            yield f"{field}.config.url", node["config"]["url"]


def in_its_form(error: HubError) -> HubError:
    """A failure of the JSON that a definition came in, told by a path in the form of all others."""
    details = [FieldError(_bracketed(each.field), each.message, each.value) for each in error.details]
    message = f"{details[0].field}: {details[0].message}" if details else error.message
    return HubError(error.code, message, details)


def _check_size(definition: Any) -> None:
    """First of all: with this all that follows is bounded, in depth too."""
    try:
        written = orjson.dumps(definition)
    except TypeError:
        raise invalid(FIELD, "must be plain JSON") from None
    if len(written) > limits.DEFINITION_BYTES_MAX:
        raise invalid(FIELD, f"must have at most {limits.DEFINITION_BYTES_MAX} bytes as JSON")
    if written.count(b"{{") > limits.DEFINITION_PATHS_MAX:  # which no JSON has outside its texts
        raise invalid(FIELD, f"must have at most {limits.DEFINITION_PATHS_MAX} paths in its templates")


def _fields_loaded(definition: Any) -> Json:
    try:
        loaded: Json = load_input(_WHOLE, {FIELD: definition})[FIELD]
    except HubError as error:
        raise _refusal(in_its_form(error).details) from None
    return loaded


def _bracketed(field: str) -> str:
    return _POSITION.sub(r"[\1]", field)


def _refuse(failures: Sequence[FieldError]) -> None:
    if failures:
        raise _refusal(failures)


def _refusal(failures: Sequence[FieldError]) -> HubError:
    """Of very many the first, by paths that are no longer than others."""
    told = [
        FieldError(each.field[: hub_limits.FIELD_CHARS_MAX], each.message, each.value)
        for each in failures[: hub_limits.FAILURES_TOLD_MAX]
    ]
    return HubError(Code.INVALID, f"{told[0].field}: {told[0].message}", told)


# --- what only the whole can tell -------------------------------------------------------------------------------


def _unknown_models(definition: Json, models: Collection[str]) -> Iterator[FieldError]:
    for field, node in graph.all_nodes(definition):
        if node["type"] == "ai_call" and node["config"]["model"] not in models:
            model = node["config"]["model"]
            yield FieldError(f"{field}.config.model", "is not the id of an AI model", model)


def _wrong_paths(definition: Json) -> Iterator[FieldError]:
    """A path into a node must lead into one that has ended whenever this one starts, so that it always means the same."""
    before = graph.ancestors(graph.graph_of(definition))
    known = {node["id"] for _, node in graph.all_nodes(definition)}
    for field, node in graph.top_nodes(definition):
        seen = set(before[node["id"]])
        config = {name: value for name, value in node["config"].items() if name != "do"}
        yield from _wrong_in(config, f"{field}.config", seen, known)
        for inner_field, inner in graph.inner_fields(field, node):
            yield from _wrong_in(inner["config"], f"{inner_field}.config", seen, known)
            seen.add(inner["id"])


def _wrong_in(config: Json, field: str, seen: Collection[str], known: Collection[str]) -> Iterator[FieldError]:
    paths = [(text_field, path) for text_field, text in templates.parsed(config, field) for path in text.paths]
    if len(paths) > limits.TEMPLATE_PATHS_MAX:
        yield FieldError(field, f"must have at most {limits.TEMPLATE_PATHS_MAX} paths in its templates")
    for text_field, path in paths[: limits.TEMPLATE_PATHS_MAX]:
        if wrong := _wrong_in_path(path, seen, known):
            yield FieldError(text_field, "has {{" + path.text + "}}, " + wrong)


def _wrong_in_path(path: templates.Path, seen: Collection[str], known: Collection[str]) -> str:
    if path.steps[0] == _ENVIRONMENT:
        return "but settings and the environment are not to be had"
    steps = path.steps[1:] if path.steps[0] == "nodes" else path.steps
    if steps is path.steps and steps[0] not in known:
        return ""  # it leads into the trigger's payload, or to the item that is at hand
    if not steps or steps[0] not in known:
        return "which names no node"
    if steps[0] not in seen:
        return f"but {steps[0]} need not have ended before"
    return "" if len(steps) > 1 and steps[1] in _FACTS else f"which must go on with .{' or .'.join(_FACTS)}"
