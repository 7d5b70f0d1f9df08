"""What comes next: branches, joins, failures, items, bounds; and random graphs beside a simple reference."""

import random
from typing import Any

import pytest

from config import workflows as limits
from hub.errors import HubError
from hub.workflows.definitions.definition import load
from hub.workflows.running import answers, steps
from hub.workflows.running.plan import TOO_MANY_STEPS, Plan, Stop, plan
from hub.workflows.running.steps import Step
from tests.executions import NOW, Execution, Fails, Json, definition, for_each, soon

CONDITION: Json = {"type": "condition", "config": {"left": 1, "operator": "exists"}}
CALL: Json = {"type": "http_request", "config": {"method": "GET", "url": "https://example.com/"}}
RETRY: Json = {**CALL, "retry": {"attempts": 3, "backoff_seconds": 10}}
CONTINUES: Json = {"on_error": "continue"}
FAILS = Fails()


def begun(given: Json, outcomes: Json | None = None, seed: int = 0) -> Execution:
    """An outcome is an output, or a failure; by default each step gives its key."""

    def outcome(step: Step) -> Any:
        found = (outcomes or {}).get(step.key, step.key)
        if isinstance(found, Fails):
            raise found
        return found

    load(given, ())
    return Execution(given, outcome, seed)


def ended(given: Json, outcomes: Json | None = None) -> tuple[Plan, dict[str, str]]:
    """How it ends, and every step. Crashes on the way and the order of what runs at once change nothing of it."""
    execution = begun(given, outcomes)
    last = execution.run()
    for seed in range(1, 4):
        other = begun(given, outcomes, seed)
        assert (other.run(crashes=0.3).status, other.statuses) == (last.status, execution.statuses)
    return last, execution.statuses


def words(statuses: dict[str, str]) -> str:
    return " ".join(f"{name}:{status}" for name, status in sorted(statuses.items()))


@pytest.mark.parametrize(
    ("drawn", "nodes", "outcomes", "status", "found"),
    [
        ("t>a a>b", {}, {}, "completed", "a:completed b:completed"),
        ("t>a t>b a>c b>c", {}, {}, "completed", "a:completed b:completed c:completed"),
        # a condition's branches, and what joins them again
        (
            "t>a a>b:true a>c:false b>d c>d",
            {"a": CONDITION},
            {"a": True},
            "completed",
            "a:completed b:completed c:skipped d:completed",
        ),
        (
            "t>a a>b:true a>c:false b>d c>d",
            {"a": CONDITION},
            {"a": False},
            "completed",
            "a:completed b:skipped c:completed d:completed",
        ),
        (
            "t>a a>b:true b>c c>d",
            {"a": CONDITION},
            {"a": False},
            "completed",
            "a:completed b:skipped c:skipped d:skipped",
        ),
        ("t>a a>b", {"a": CONDITION}, {"a": False}, "completed", "a:completed b:completed"),
        ("t>a a>b:true a>b:false", {"a": CONDITION}, {"a": False}, "completed", "a:completed b:completed"),
        # failures that are taken up
        ("t>a a>b a>c:error", {}, {"a": FAILS}, "completed", "a:failed b:skipped c:completed"),
        ("t>a a>b a>c:error", {}, {}, "completed", "a:completed b:completed c:skipped"),
        ("t>a a>b b>d a>c:error c>d", {}, {"a": FAILS}, "completed", "a:failed b:skipped c:completed d:completed"),
        ("t>a a>b a>b:error", {}, {"a": FAILS}, "completed", "a:failed b:completed"),
        ("t>a a>b", {"a": CONTINUES}, {"a": FAILS}, "completed", "a:failed b:completed"),
        ("t>a a>b a>c:error", {"a": CONTINUES}, {"a": FAILS}, "completed", "a:failed b:completed c:completed"),
        ("t>a a>b:true a>c", {"a": CONDITION | CONTINUES}, {"a": FAILS}, "completed", "a:failed b:skipped c:completed"),
        # and that are not
        ("t>a a>b", {}, {"a": FAILS}, "failed", "a:failed b:skipped"),
        ("t>a a>b:true", {"a": CONDITION}, {"a": FAILS}, "failed", "a:failed b:skipped"),
        ("t>a a>c:error c>d", {}, {"a": FAILS, "c": FAILS}, "failed", "a:failed c:failed d:skipped"),
        # items
        (
            "t>a a>b",
            {"a": for_each("i")},
            {"a": [7, 8]},
            "completed",
            "a:completed a/0/i:completed a/1/i:completed b:completed",
        ),
        (
            "t>a a>b",
            {"a": for_each("i", "j")},
            {"a": [7]},
            "completed",
            "a:completed a/0/i:completed a/0/j:completed b:completed",
        ),
        ("t>a a>b", {"a": for_each("i")}, {"a": []}, "completed", "a:completed b:completed"),
        ("t>a a>b", {"a": for_each("i", "j")}, {"a": [7], "a/0/i": FAILS}, "failed", "a:failed a/0/i:failed b:skipped"),
        (
            "t>a a>b:error",
            {"a": for_each("i")},
            {"a": [7], "a/0/i": FAILS},
            "completed",
            "a:failed a/0/i:failed b:completed",
        ),
        (
            *("t>a", {"a": for_each("i", "j", i=CONTINUES)}, {"a": [7], "a/0/i": FAILS}, "completed"),
            "a:completed a/0/i:failed a/0/j:completed",
        ),
    ],
)
def test_each_node_ends_as_its_edges_say(drawn: str, nodes: Json, outcomes: Json, status: str, found: str) -> None:
    last, statuses = ended(definition(drawn, **nodes), outcomes)
    assert (last.status, words(statuses)) == (status, found)


def test_a_join_waits_for_all_that_are_live() -> None:
    execution = begun(definition("t>a t>b b>c a>d c>d"))
    assert [step.key for step in execution.look().start] == ["a", "b"]
    execution.end_one("a")
    assert execution.look().start == ()
    execution.end_one("b")
    assert [step.key for step in execution.look().start] == ["c"]
    execution.end_one("c")
    assert [step.key for step in execution.look().start] == ["d"]
    execution.end_one("d")
    assert execution.look() == Plan("completed")


def test_what_runs_beside_a_failure_is_let_end_and_nothing_else_starts() -> None:
    execution = begun(definition("t>a t>b b>c"), {"a": FAILS})
    execution.look()
    execution.end_one("a")
    assert execution.look() == Plan("running", error={"node": "a", "message": "no"})
    execution.end_one("b")
    assert execution.look() == Plan("failed", error={"node": "a", "message": "no"})
    assert "c" not in execution.records


def test_the_first_failure_of_the_definition_is_told() -> None:
    execution = begun(definition("t>b t>a"), {"a": FAILS, "b": FAILS})
    execution.look()
    execution.end_one("a")
    execution.end_one("b")
    assert execution.look().error == {"node": "b", "message": "no"}


def test_what_somebody_left_is_begun_again_with_the_same_attempt() -> None:
    execution = begun(definition("t>a t>b"))
    first = execution.look().start
    execution.end_one("b")
    execution.crash()
    (again,) = execution.look().start
    assert (again.key, again.attempt, again.begun, again.let_go) == ("a", 1, True, False)
    assert not any(step.begun for step in first)
    assert execution.look().start == ()  # it is under way here


def test_a_temporary_failure_is_tried_again_after_pauses_that_double() -> None:
    execution = begun(definition("t>a a>b", a=RETRY), {"a": Fails(temporary=True)})
    pauses = []
    for attempt in (1, 2, 3):
        (step,) = execution.look().start
        assert (step.attempt, step.begun) == (attempt, False)
        execution.end_one()
        pause = execution.look()
        if pause.wake_at is not None:
            assert pause.status == "waiting" and execution.look().start == ()
            pauses.append((pause.wake_at - execution.at).total_seconds())
            execution.at = pause.wake_at
    assert pauses == [10, 20]
    assert pause.status == "failed" and execution.records["a"]["attempt"] == 3


def test_what_would_fail_again_is_not_tried_again() -> None:
    last, statuses = ended(definition("t>a", a=RETRY), {"a": FAILS})
    assert (last.status, words(statuses)) == ("failed", "a:failed")
    assert steps.pause_seconds(300, 5) == limits.RETRY_PAUSE_SECONDS_MAX
    assert steps.pause_seconds(0, 5) == 0
    assert [steps.pause_seconds(10, 1, asked) for asked in (None, 7, 25)] == [10, 10, 25]
    assert steps.pause_seconds(10, 1, 86_400) == limits.RETRY_PAUSE_SECONDS_MAX


def test_a_delay_waits_beside_what_runs_and_is_taken_up_when_it_is_due() -> None:
    execution = begun(definition("t>a t>b", a={"type": "delay", "config": {"seconds": 60}}))
    delay = execution.look().start[0]
    execution.under_way.pop("a")
    execution.records["a"] = steps.waiting(delay, soon(60))
    assert execution.look() == Plan("running", wake_at=soon(60))
    execution.end_one("b")
    assert execution.look() == Plan("waiting", wake_at=soon(60))
    execution.at = soon(60)
    (again,) = execution.look().start
    assert (again.key, again.attempt, again.begun, again.let_go) == ("a", 1, True, True)


def test_a_stop_lets_end_what_runs_and_leaves_what_waits() -> None:
    execution = begun(definition("t>a t>b b>c"))
    execution.look()
    execution.records["a"] = steps.waiting(execution.under_way.pop("a"), soon(60))
    execution.stop = Stop("cancelled")
    assert execution.look() == Plan("running")
    execution.end_one("b")
    assert execution.look() == Plan("cancelled", settle={"a": {"status": "skipped", "attempt": 1, "begun": True}})
    assert words(execution.statuses) == "a:skipped b:completed"
    spent = Stop("failed", {"code": "spend_cap", "message": "It may not spend more"})
    assert plan(execution.definition, {}, NOW, stop=spent) == Plan("failed", error=spent.error)


def test_one_item_that_fails_ends_those_that_have_not_begun() -> None:
    execution = begun(definition("t>a", a=for_each("i", "j")), {"a": [1, 2, 3], "a/1/i": FAILS})
    execution.look()
    execution.end_one("a")
    execution.look()
    execution.end_one("a/1/i")
    execution.end_one("a/0/i")
    assert execution.look() == Plan("running")
    execution.end_one("a/2/i")
    last = execution.look()
    assert last.status == "failed" and last.error == {"node": "a", "item": 1, "message": "no"}
    assert "j" not in {key[-1] for key in execution.records}


def test_of_an_item_that_is_left_an_answer_may_still_be_made() -> None:
    ask: Json = {"type": "ai_call", "config": {"model": "gpt-4", "prompt": "{{item}}"}}
    given = definition("t>a a>b:error", a=for_each("i", i=ask))
    retried = {"status": "waiting", "attempt": 1, "due_at": NOW, "error": {"message": "no"}}
    records: Json = {
        "a": steps.opened(Step("a", {}), [1, 2, 3]),
        "a/0/i": {"status": "failed", "attempt": 1, "error": {"message": "no"}},
        "a/1/i": {"status": "running", "attempt": 2, "turn": 3},
        "a/2/i": retried,
    }
    asked = plan(given, records, NOW)
    assert (asked.settle["a"]["status"], asked.settle["a/2/i"]) == ("failed", {"status": "skipped", "attempt": 1})
    stream = answers.stream_of("exec_1", "a/1/i", 2, 3)
    assert answers.begun("exec_1", given, {**records, **asked.settle}) == {"a/1/i": stream}


def test_items_are_a_list_and_so_many() -> None:
    step = Step("a", for_each("i"))
    assert steps.opened(step, [1] * limits.ITEMS_MAX)["items"]
    for items in ([1] * (limits.ITEMS_MAX + 1), "ab", {"a": 1}, None):
        with pytest.raises(HubError):
            steps.opened(step, items)


def test_so_many_run_side_by_side() -> None:
    drawn = " ".join(f"t>n{number} n{number}>m{number}" for number in range(18))
    execution = begun(definition(f"{drawn} t>e", e=for_each("i")), {"e": list(range(12))})
    assert execution.run().status == "completed"
    assert execution.most == limits.STEPS_AT_ONCE


def test_so_many_steps_are_done_at_most() -> None:
    execution = begun(definition("t>a a>b b>c", a=for_each("i", "j"), b=for_each("k")), {"a": [0] * 20, "b": [0] * 20})
    last = execution.run()
    assert (last.status, last.error) == ("failed", TOO_MANY_STEPS)
    assert len(set(execution.begun)) == limits.STEPS_MAX
    within = begun(definition("t>a", a=for_each("i", "j")), {"a": [0] * 20})
    assert within.run(crashes=0.1).status == "completed"


# --- random graphs ----------------------------------------------------------------------------------------------


def some_definition(chance: random.Random) -> tuple[Json, Json]:
    """A graph in which every node can be reached, and what each step would give."""
    names = [f"n{number}" for number in range(chance.randint(1, 12))]
    nodes = {name: chance.choice([CONDITION, CALL, {}, CONTINUES, CONDITION | CONTINUES]) for name in names}
    drawn: dict[str, None] = {}
    for number, name in enumerate(names):
        for source in chance.sample(["t", *names[:number]], chance.randint(1, min(3, number + 1))):
            kinds = [""] if source == "t" else ["", "", ":error"]
            kinds += [":true", ":false"] if nodes.get(source, {}).get("type") == "condition" else []
            drawn[f"{source}>{name}{chance.choice(kinds)}"] = None
    chance_of_failure = chance.choice([0, 0.1, 0.3])
    outcomes = {name: FAILS if chance.random() < chance_of_failure else chance.random() < 0.5 for name in names}
    return definition(" ".join(drawn), **nodes), outcomes


def reference(given: Json, outcomes: Json) -> dict[str, str]:
    """How each node ends, where no failure ends the whole: straight from the rules, by recursion."""
    nodes = {node["id"]: node for node in given["nodes"]}

    def status(name: str) -> str:
        into = [edge for edge in given["edges"] if edge["to"] == name]
        if not any(leads_on(edge) for edge in into):
            return "skipped"
        return "failed" if outcomes[name] is FAILS else "completed"

    def leads_on(edge: Json) -> bool:
        if edge["from"] == "trigger":
            return True
        of_source = status(edge["from"])
        if of_source == "failed":
            return "on" in edge or ("when" not in edge and nodes[edge["from"]].get("on_error") == "continue")
        return (
            of_source == "completed"
            and "on" not in edge
            and edge.get("when", outcomes[edge["from"]]) is outcomes[edge["from"]]
        )

    return {name: status(name) for name in nodes}


def is_taken_up(given: Json, name: str) -> bool:
    node = next(node for node in given["nodes"] if node["id"] == name)
    return "on_error" in node or any(edge["from"] == name and "on" in edge for edge in given["edges"])


@pytest.mark.parametrize("seed", range(150))
def test_random_graphs_end_as_the_rules_say(seed: int) -> None:
    chance = random.Random(seed)
    given, outcomes = some_definition(chance)
    expected = reference(given, outcomes)
    execution = begun(given, outcomes, seed)
    last = execution.run(crashes=chance.choice([0, 0.2]))
    ends = {name for name, status in expected.items() if status == "failed" and not is_taken_up(given, name)}
    if ends:
        assert last.status == "failed" and last.error is not None and last.error["node"] in ends
        running = {"status": "running", "attempt": 1}
        left = {name for name, record in execution.records.items() if record == steps.left(running)}
        assert all(expected[name] == status for name, status in execution.statuses.items() if name not in left)
    else:
        assert last.status == "completed"
        assert execution.statuses == expected
    started = [name for name in expected if name in execution.begun]
    assert all(expected[name] != "skipped" for name in started)


@pytest.mark.parametrize("seed", range(20))
def test_in_random_graphs_nothing_starts_before_what_leads_to_it_has_ended(seed: int) -> None:
    given, outcomes = some_definition(random.Random(seed))
    execution = begun(given, outcomes, seed)
    while (asked := execution.look()).status == "running":
        for step in asked.start:
            sources = {edge["from"] for edge in given["edges"] if edge["to"] == step.key} - {"trigger"}
            assert all(steps.has_ended(execution.records.get(source)) for source in sources)
        execution.end_one()
