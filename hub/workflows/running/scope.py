"""What a step sees: the payload, the nodes before it, and its item. And what an execution comes to. Pure.

    {**payload, id: {output, error}, "nodes": {id: {output, error}}, "item", "index"}        the later one hides the earlier

A payload is an object; settings, secrets and the environment are never in it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hub.workflows.definitions import rendered, templates
from hub.workflows.definitions.graph import TRIGGER, Graph, Json, graph_of, inner_nodes
from hub.workflows.running.plan import is_live
from hub.workflows.running.said import Said
from hub.workflows.running.steps import Records, Step, has_ended, item_key, output_of

_NODES: Final = "nodes"  # of a path to nodes by their ids


def inputs(definition: Mapping[str, Any], payload: Json, records: Records, step: Step) -> Json:
    """The step's configuration with its templates replaced, and checked as far as that can be done without asking anybody.

    A mail without a body says what was handed on to it. What a `for_each` does is left out: it is rendered for each item.
    Raises `HubError` INVALID naming the field, `config.prompt`.
    """
    kind = step.node["type"]
    config = {name: value for name, value in step.node["config"].items() if name != "do"}
    scope = scope_of(definition, payload, records, step, config)
    how: Json = {"absent_is_null": kind == "condition", "writers": rendered.writers(kind)}
    values: Json = templates.rendered(config, scope, "config", **how)
    if kind == "send_email" and "body" not in values:
        values["body"] = handed_on(definition, payload, records, step)
    return rendered.check(kind, values)


def scope_of(definition: Mapping[str, Any], payload: Json, records: Records, step: Step, config: Json) -> Json:
    """What paths start from, for this step, as far as those of its configuration lead: no other output is read."""
    graph, is_named = graph_of(definition), _naming(config)
    ended = {name: records[name] for name in graph.nodes if has_ended(records.get(name))}
    if step.owner is None or step.index is None:
        facts = _facts(ended, is_named)
        return {**payload, **facts, "nodes": facts}
    before = {node["id"]: records[item_key(step.owner, step.index, node["id"])] for node in _before(graph, step)}
    facts = _facts({**ended, **before}, is_named)
    return {**payload, **facts, "nodes": facts, "item": _item(records, step), "index": step.index}


def _naming(config: Json) -> Callable[[str], bool]:
    """Whether a path of this configuration leads to a node, by its id."""
    paths = [path.steps for _, template in templates.parsed(config, "config") for path in template.paths]
    named = {steps[1] if steps[0] == _NODES and len(steps) > 1 else steps[0] for steps in paths}
    return lambda name: name in named or _NODES in named


def _facts(ended: Records, is_named: Callable[[str], bool]) -> Json:
    """A node that was skipped, or failed and may continue, has a null output: texts have nothing in its place."""
    return {
        name: {"output": output_of(record).value, "error": record.get("error")}
        for name, record in ended.items()
        if is_named(name)
    }


def _before(graph: Graph, step: Step) -> list[Json]:
    """What was done before for the same item, in order."""
    nodes = inner_nodes(graph.nodes[step.owner or ""])
    return nodes[: next(at for at, node in enumerate(nodes) if node["id"] == step.node["id"])]


def _item(records: Records, step: Step) -> Any:
    return records[step.owner or ""]["items"].value[step.index]


def handed_on(definition: Mapping[str, Any], payload: Json, records: Records, step: Step) -> str:
    """What a mail without a body says: the outputs of the nodes directly before it, those that led here, as text.

    The trigger hands on its payload, a `for_each` the item.
    """
    return "\n\n".join(
        text for value in _handed(definition, payload, records, step) if (text := templates.as_text(value))
    )


def _handed(definition: Mapping[str, Any], payload: Json, records: Records, step: Step) -> Sequence[Any]:
    graph = graph_of(definition)
    if step.owner is not None and step.index is not None:
        before = _before(graph, step)
        last = before and records[item_key(step.owner, step.index, before[-1]["id"])]
        return [output_of(last).value if last else _item(records, step)]
    sources = dict.fromkeys(edge.source for edge in graph.into[step.key] if is_live(edge, graph, records))
    return [payload if source == TRIGGER else output_of(records[source]).value for source in sources]


def result(definition: Mapping[str, Any], records: Records) -> Said:
    """What a completed execution gives: the output of the node that led to no other; of several, theirs by id."""
    graph = graph_of(definition)
    outputs = {
        name: output_of(records[name])
        for name, edges in graph.out_of.items()
        if name != TRIGGER
        and records[name]["status"] == "completed"
        and not any(is_live(edge, graph, records) for edge in edges)
    }
    return next(iter(outputs.values())) if len(outputs) == 1 else Said.named(outputs)


def told(said: Said) -> Json:
    """What an execution gives, to be written as JSON: `output` as a text would have it, and as `value` itself."""
    return {"output": said.words, "value": said.fragment}
