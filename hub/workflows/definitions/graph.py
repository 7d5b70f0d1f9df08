"""A definition as a graph: which nodes come before which, and what is wrong with the way they are connected. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from config import workflows as limits
from hub.errors import FieldError

Json = dict[str, Any]

FIELD: Final = "definition"  # what paths of failures begin with
TRIGGER: Final = "trigger"
# They stand for something else: an edge's end, or in templates.
RESERVED_IDS: Final = frozenset({TRIGGER, "nodes", "item", "index"})


@dataclass(frozen=True, slots=True)
class Edge:
    """From the trigger or a node to a node. `when` is a condition's answer; `on_error` edges lead on from a failure."""

    source: str
    target: str
    when: bool | None = None
    on_error: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by id and their edges, all in the definition's order."""

    nodes: Mapping[str, Json]
    into: Mapping[str, Sequence[Edge]]
    out_of: Mapping[str, Sequence[Edge]]


def edges_of(definition: Mapping[str, Any]) -> list[Edge]:
    return [Edge(edge["from"], edge["to"], edge.get("when"), edge.get("on") == "error") for edge in definition["edges"]]


def graph_of(definition: Mapping[str, Any]) -> Graph:
    """Of a definition in which `failures` found nothing."""
    nodes = {node["id"]: node for node in definition["nodes"]}
    into: dict[str, list[Edge]] = {name: [] for name in nodes}
    out_of: dict[str, list[Edge]] = {name: [] for name in (TRIGGER, *nodes)}
    for edge in edges_of(definition):
        into[edge.target].append(edge)
        out_of[edge.source].append(edge)
    return Graph(nodes, into, out_of)


def ancestors(graph: Graph) -> dict[str, frozenset[str]]:
    """By node, all nodes that have ended, or were skipped, before it can start. In an order that the edges allow."""
    before: dict[str, frozenset[str]] = {}
    for name in _sorter(graph).static_order():
        sources = [edge.source for edge in graph.into[name] if edge.source != TRIGGER]
        before[name] = frozenset(sources).union(*(before[source] for source in sources))
    return before


def _sorter(graph: Graph) -> TopologicalSorter[str]:
    return TopologicalSorter(
        {name: [edge.source for edge in edges if edge.source != TRIGGER] for name, edges in graph.into.items()}
    )


def inner_nodes(node: Mapping[str, Any]) -> list[Json]:
    """What a `for_each` does for each item, in order; of another node nothing."""
    done: Any = node["config"]["do"] if node["type"] == "for_each" else []
    return [done] if isinstance(done, dict) else list(done)


def top_nodes(definition: Mapping[str, Any]) -> Iterator[tuple[str, Json]]:
    """Nodes with the paths of their fields, without those inside a `for_each`."""
    for number, node in enumerate(definition["nodes"]):
        yield f"{FIELD}.nodes[{number}]", node


def inner_fields(field: str, node: Mapping[str, Any]) -> Iterator[tuple[str, Json]]:
    """The same for those inside this node, whose own path is `field`."""
    is_list = node["type"] == "for_each" and isinstance(node["config"]["do"], list)
    for position, inner in enumerate(inner_nodes(node)):
        yield f"{field}.config.do[{position}]" if is_list else f"{field}.config.do", inner


def all_nodes(definition: Mapping[str, Any]) -> Iterator[tuple[str, Json]]:
    for field, node in top_nodes(definition):
        yield field, node
        yield from inner_fields(field, node)


# --- what is wrong with it --------------------------------------------------------------------------------------


def failures(definition: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with ids and edges, and only where nothing is, with the graph that they make."""
    broken = [*_broken_ids(definition), *_broken_edges(definition), *_too_many(definition)]
    if broken:
        return broken
    graph = graph_of(definition)
    return list(_circles(graph)) or list(_unreached(graph))


def _broken_ids(definition: Mapping[str, Any]) -> Iterator[FieldError]:
    seen: set[str] = set()
    for field, node in all_nodes(definition):
        name = node["id"]
        if name in RESERVED_IDS:
            yield FieldError(f"{field}.id", f"must be another than {', '.join(sorted(RESERVED_IDS))}", name)
        if name in seen:
            yield FieldError(f"{field}.id", "stands for another node already", name)
        seen.add(name)


def _too_many(definition: Mapping[str, Any]) -> Iterator[FieldError]:
    if sum(1 for _ in all_nodes(definition)) > limits.NODES_MAX:
        yield FieldError(f"{FIELD}.nodes", f"must be at most {limits.NODES_MAX}, those inside a for_each included")
    for name, count in Counter(edge.source for edge in edges_of(definition)).items():
        if count > limits.EDGES_OUT_MAX:
            yield FieldError(f"{FIELD}.edges", f"must be at most {limits.EDGES_OUT_MAX} that leave {name}", name)


def _broken_edges(definition: Mapping[str, Any]) -> Iterator[FieldError]:
    types = {TRIGGER: TRIGGER, **{node["id"]: node["type"] for node in definition["nodes"]}}
    seen: set[Edge] = set()
    for number, edge in enumerate(edges_of(definition)):
        field = f"{FIELD}.edges[{number}]"
        if edge in seen:
            yield FieldError(field, "stands there already")
        seen.add(edge)
        if edge.source not in types:
            yield FieldError(f"{field}.from", "must be trigger or the id of a node", edge.source)
        if edge.target not in types or edge.target == TRIGGER:
            yield FieldError(f"{field}.to", "must be the id of a node", edge.target)
        yield from _misplaced(edge, types.get(edge.source, ""), field)


def _misplaced(edge: Edge, source_type: str, field: str) -> Iterator[FieldError]:
    """Marks that nothing would ever follow."""
    if edge.when is not None and source_type != "condition":
        yield FieldError(f"{field}.when", "must not be there on an edge that leaves no condition", edge.when)
    if edge.on_error and source_type == TRIGGER:
        yield FieldError(f"{field}.on", "must not be there on an edge that leaves the trigger", "error")
    if edge.on_error and edge.when is not None:
        yield FieldError(field, "must have either when or on: a condition that fails has no answer")


def _circles(graph: Graph) -> Iterator[FieldError]:
    try:
        _sorter(graph).prepare()
    except CycleError as error:
        yield FieldError(f"{FIELD}.edges", f"must not lead back to where they were: {' -> '.join(error.args[1])}")


def _unreached(graph: Graph) -> Iterator[FieldError]:
    reached, found = {TRIGGER}, [TRIGGER]
    while found:
        targets = {edge.target for edge in graph.out_of[found.pop()]} - reached
        reached |= targets
        found += targets
    for number, name in enumerate(graph.nodes):
        if name not in reached:
            yield FieldError(f"{FIELD}.nodes[{number}]", "is never reached from the trigger", name)
