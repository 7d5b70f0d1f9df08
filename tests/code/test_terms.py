"""What a method says that it takes is what it loads its body by: one without the other would make the API's document lie."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

HANDLERS: Final = Path(__file__).parents[2] / "handlers"
LOADS: Final = frozenset({"self.load_body", "self.loaded", "question"})
BESIDE_THE_MARK: Final = frozenset({"load", "fields.load", "self.load"})
BESIDE_QUERY: Final = frozenset(
    {"get_argument", "get_arguments", "get_query_argument", "get_query_arguments", "get_body_argument"}
)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def called(tree: ast.AST) -> Iterator[str]:
    return (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))


def takes(function: Function) -> bool:
    return any(ast.unparse(each).startswith("takes(") for each in function.decorator_list)


def faults(name: str, text: str) -> Iterator[str]:
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
    for function in functions:
        if takes(function) != bool(LOADS & set(called(function))):
            yield f"{name} {function.name}: what it takes is not what it loads"
    for call in called(tree):
        if call in BESIDE_THE_MARK or call.rpartition(".")[2] in BESIDE_QUERY:
            yield f"{name}: {call} goes beside the mark"


def test_every_body_is_loaded_by_what_its_method_says() -> None:
    files = [path for path in HANDLERS.rglob("*.py") if path.name != "base.py"]
    assert [fault for path in files for fault in faults(path.name, path.read_text())] == []
    assert sum(path.read_text().count("@takes(") for path in files) > 25


@pytest.mark.parametrize(
    "text",
    [
        "class A:\n @public\n @takes(Input())\n def post(self): self.answer()",
        "class A:\n @public\n async def post(self): self.load_body()",
        "class A:\n @public\n def post(self): self.loaded(self.json_body())",
        "class A:\n def post(self): fields.load(_INPUT, self.json_body())",
        "class A:\n def get(self): self.get_argument('name')",
    ],
)
def test_the_rule_finds_what_breaks_it(text: str) -> None:
    assert list(faults("a.py", text))


def test_the_rule_leaves_alone_what_keeps_it() -> None:
    good = "class A:\n @takes(Input())\n def post(self): self.load_body(self.check)\n def get(self): self.query('name')"
    assert list(faults("a.py", good)) == []
