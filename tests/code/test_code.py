"""Tests about the code itself: what may import what, who may write money, and what may stand nowhere.

Each rule is a function from a parsed file to its faults. It is run on every file of ours, and on a line that breaks it:
a rule that finds nothing there would find nothing anywhere.
"""

import ast
import configparser
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

from handlers.health import HUB_VERSION

ROOT = Path(__file__).parents[2]
DRIVER_PLACES = ("models/database.py", "models/heartbeat.py")
LAYERS = ("config", "models", "hub", "handlers", "run")  # each imports only itself and what stands to its left
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

MONEY_COLLECTIONS = {"wallets", "entries", "holds"}
MONEY_CONSTANTS = {"WALLETS", "ENTRIES", "HOLDS"}
WRITES = {
    *("insert", "update", "delete", "insert_one", "update_one", "update_many"),
    *("find_one_and_update", "delete_one", "delete_many"),
}

# Names of what a caller has to know. The hashes of the entries' chain are told to everybody, and so are not among them.
SECRET_NAMES = re.compile(r"(secret|token|signature|digest|nonce|verifier|browser|cookie_hash|(?<![a-z])_hash)$")

# Tasks that their starter awaits in every path, failures included, which the tracker would log as defects; and that of
# the embedded database, which lies below the tracker.
OWN_TASKS = {
    ("hub/tasks.py", "start"),
    ("hub/generation.py", "_stream"),
    ("hub/insight/last_day.py", "_all"),
    ("hub/lease.py", "_renew"),
    ("models/embedded.py", "start"),
}


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root with `/`, its text and its syntax tree, walked once for all rules."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def walked(self) -> Sequence[ast.AST]:
        return tuple(ast.walk(self.tree))

    @cached_property
    def called(self) -> Sequence[tuple[ast.Call, str]]:
        """Every call with the written name of what it calls."""
        return [(node, ast.unparse(node.func)) for node in self.walked if isinstance(node, ast.Call)]

    @property
    def layer(self) -> str:
        return self.path.split("/")[0].removesuffix(".py")

    def nodes(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        return (node for node in self.walked if isinstance(node, kinds))


Rule = Callable[[Source], Iterable[str]]


@cache
def _sources() -> list[Source]:
    folders = [ROOT / layer for layer in LAYERS if (ROOT / layer).is_dir()]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    files += [path for path in (ROOT / "run.py",) if path.exists()]
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text()) for path in files]


def _imported(source: Source) -> Iterator[tuple[int, str]]:
    """Every imported name in full: `from tornado import web` is `tornado.web`."""
    for node in source.nodes(ast.Import, ast.ImportFrom):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{prefix}.{alias.name}") for alias in node.names)


def imports_point_left(source: Source) -> Iterator[str]:
    allowed = LAYERS[: LAYERS.index(source.layer) + 1]
    for line, name in _imported(source):
        top = name.split(".")[0]
        if (top in LAYERS and top not in allowed) or top in ("", "tests", "bench"):
            yield f"{source.path}:{line} imports {name}"


def driver_stays_in_one_place(source: Source) -> Iterator[str]:
    for line, name in _imported(source):
        if name.split(".")[0] in ("pymongo", "bson", "gridfs", "motor") and source.path not in DRIVER_PLACES:
            yield f"{source.path}:{line} imports {name}"


def http_stays_in_handlers(source: Source) -> Iterator[str]:
    for line, name in _imported(source):
        if name.startswith(("tornado.web", "tornado.websocket")) and source.layer not in ("handlers", "run"):
            yield f"{source.path}:{line} imports {name}"


def definitions_know_no_executions(source: Source) -> Iterator[str]:
    """What a workflow may say is judged without a database, and without what becomes of it."""
    if source.path.startswith("hub/workflows/definitions/"):
        for line, name in _imported(source):
            ours = name.startswith("hub.workflows.") and not name.startswith("hub.workflows.definitions.")
            if ours or name.startswith("models."):
                yield f"{source.path}:{line} imports {name}"


def nothing_prints(source: Source) -> Iterator[str]:
    for node, name in source.called:
        if name == "print" and source.path != "run.py":
            yield f"{source.path}:{node.lineno} prints"


def times_have_a_zone(source: Source) -> Iterator[str]:
    for node, name in source.called:
        last = name.rsplit(".", 1)[-1]
        naive = last in ("utcnow", "utcfromtimestamp") or name.endswith("datetime.today")
        bare_now = name.endswith("datetime.now") and not node.args and not node.keywords
        bare_stamp = name.endswith("datetime.fromtimestamp") and len(node.args) + len(node.keywords) < 2
        if naive or bare_now or bare_stamp:
            yield f"{source.path}:{node.lineno} calls {name} without a time zone"


def no_failure_is_swallowed(source: Source) -> Iterator[str]:
    for node in source.nodes(ast.ExceptHandler):
        assert isinstance(node, ast.ExceptHandler)
        caught = ast.unparse(node.type) if node.type else ""
        silent = all(isinstance(statement, ast.Pass | ast.Continue) for statement in node.body)
        if not caught or (silent and caught in ("Exception", "BaseException")):
            yield f"{source.path}:{node.lineno} swallows {caught or 'everything'}"


def tasks_are_tracked(source: Source) -> Iterator[str]:
    for line, function in _task_starts(source):
        if (source.path, function) not in OWN_TASKS:
            yield f"{source.path}:{line} {function} starts a task beside hub/tasks.py"


def _task_starts(source: Source) -> Iterator[tuple[int, str]]:
    """Each line that starts a task, with the name of the innermost function around it."""
    functions = [node for node in source.walked if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for node, name in source.called:
        if name.rsplit(".", 1)[-1] in ("create_task", "ensure_future"):
            inside_out = reversed(functions)  # outer ones are walked before inner ones
            yield node.lineno, next((each.name for each in inside_out if node in ast.walk(each)), "")


def modules_say_what_they_own(source: Source) -> Iterator[str]:
    if not ast.get_docstring(source.tree):
        yield f"{source.path} has no docstring"


def files_and_functions_are_short(source: Source) -> Iterator[str]:
    if (lines := len(source.text.splitlines())) >= FILE_LINES_MAX:
        yield f"{source.path} has {lines} lines"
    for node in source.nodes(ast.FunctionDef, ast.AsyncFunctionDef):
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines >= FUNCTION_LINES_MAX:
            yield f"{source.path}:{node.lineno} {node.name} has {lines} lines"


def money_has_one_writer(source: Source) -> Iterator[str]:
    """Outside the ledger nothing names its collections; `models/wallets.py` names them to read."""
    if source.path == "models/wallets.py":
        yield from (f"{source.path}:{node.lineno} calls {name}" for node, name in source.called if _writes(name))
    elif not _is_ledger(source.path):
        yield from (f"{source.path}:{line} names {what}" for line, what in _money_named(source))


def _writes(name: str) -> bool:
    return "." in name and name.rsplit(".", 1)[1] in WRITES


def _is_ledger(path: str) -> bool:
    """The ledger's front, its committer, and the pure part in which the committer works out a batch."""
    return path in ("hub/committer.py", "hub/batch.py") or path.startswith("hub/ledger")


def _money_named(source: Source) -> Iterator[tuple[int, str]]:
    """`database["wallets"]`, `tx.update("wallets", …)`, `wallets.WALLETS`, `database[HOLDS]`, `from … import HOLDS`."""
    yield from ((getattr(node, "lineno", 0), ast.unparse(node)) for node in source.walked if _names_money(node))
    yield from (found for found in _imported(source) if found[1].rsplit(".", 1)[-1] in MONEY_CONSTANTS)


def _names_money(node: ast.AST) -> bool:
    match node:
        case ast.Subscript(value=value, slice=key):
            return _is_money(key) and ast.unparse(value).lower().endswith(("database", "db"))
        case ast.Call(func=function, args=arguments):
            return _writes(ast.unparse(function)) and any(map(_is_money, arguments))
        case ast.Attribute(attr=name):
            return name in MONEY_CONSTANTS
    return False


def _is_money(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in MONEY_COLLECTIONS


def secrets_are_compared_in_constant_time(source: Source) -> Iterator[str]:
    """`==` takes the longer, the more of a guess is right. The service token is for `hmac.compare_digest` alone."""
    for node in source.nodes(ast.Compare):
        assert isinstance(node, ast.Compare)
        is_equality = any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
        if is_equality and any(map(_is_secret, (node.left, *node.comparators))):
            yield f"{source.path}:{node.lineno} compares {ast.unparse(node)}"
    compared = {part for node, name in source.called if name == "hmac.compare_digest" for part in ast.walk(node)}
    for node in source.nodes(ast.Attribute):
        assert isinstance(node, ast.Attribute)
        if node.attr == "service_token" and node not in compared:
            yield f"{source.path}:{node.lineno} uses {ast.unparse(node)}"


def _is_secret(node: ast.expr) -> bool:
    """By its last name: `settings.service_token.encode()`, `record["nonce"]`, `digest(value)`."""
    written = ast.unparse(node).removesuffix(".encode()")
    return SECRET_NAMES.search(re.sub(r"(\(.*\)|'\])$", "", written)) is not None


def the_audit_log_is_only_added_to(source: Source) -> Iterator[str]:
    """A row comes by the operation that it tells of, as an `Insert`; `models/audit_log.py` reads them."""
    if source.path == "models/audit_log.py":
        yield from (f"{source.path}:{node.lineno} calls {name}" for node, name in source.called if _changes(name))
        return
    inserted = {part for node, name in source.called if name == "Insert" for part in ast.walk(node)}
    for node in source.walked:
        if _names_audit_log(node) and node not in inserted:
            yield f"{source.path}:{getattr(node, 'lineno', 0)} names {ast.unparse(node)}"


def _changes(name: str) -> bool:
    return _writes(name) or name in ("Update", "Delete")


def _names_audit_log(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value="audit_log"):
            return True
        case ast.Name(id="AUDIT_LOG") | ast.Attribute(attr="AUDIT_LOG") | ast.alias(name="AUDIT_LOG"):
            return True
    return False


# Each rule with the path of a file that does not exist and a text that breaks the rule there.
BROKEN: dict[Rule, tuple[str, str]] = {
    imports_point_left: ("models/x.py", "from hub import errors"),
    driver_stays_in_one_place: ("hub/x.py", "from bson import Int64"),
    http_stays_in_handlers: ("hub/x.py", "from tornado import web"),
    definitions_know_no_executions: ("hub/workflows/definitions/x.py", "from hub.workflows.running import plan"),
    nothing_prints: ("hub/x.py", "print('here')"),
    times_have_a_zone: ("hub/x.py", "import datetime\nnow = datetime.datetime.now()"),
    no_failure_is_swallowed: ("hub/x.py", "try:\n    x()\nexcept Exception:\n    pass"),
    tasks_are_tracked: ("hub/x.py", "asyncio.create_task(x())"),
    modules_say_what_they_own: ("hub/x.py", "x = 1"),
    files_and_functions_are_short: ("hub/x.py", "def x():\n" + "    y()\n" * FUNCTION_LINES_MAX),
    money_has_one_writer: ("hub/x.py", "await tx.update('wallets', changes)"),
    secrets_are_compared_in_constant_time: ("hub/x.py", "credential.value == self._settings.service_token"),
    the_audit_log_is_only_added_to: ("hub/x.py", "Update(audit_log.AUDIT_LOG, {'_id': row}, change)"),
}
RULES = sorted(BROKEN, key=lambda rule: rule.__name__)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_code_keeps_the_rule(rule: Rule) -> None:
    faults = [fault for source in _sources() for fault in rule(source)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_finds_what_breaks_it(rule: Rule) -> None:
    assert list(rule(Source(*BROKEN[rule])))


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (imports_point_left, "config/x.py", "import models.database"),
        (imports_point_left, "hub/x.py", "from . import errors"),
        (http_stays_in_handlers, "models/x.py", "import tornado.websocket"),
        (times_have_a_zone, "hub/x.py", "datetime.utcnow()"),
        (times_have_a_zone, "hub/x.py", "datetime.fromtimestamp(0)"),
        (tasks_are_tracked, "hub/lease.py", "def other():\n    asyncio.ensure_future(x())"),
        (no_failure_is_swallowed, "hub/x.py", "try:\n    x()\nexcept:\n    raise"),
        (files_and_functions_are_short, "hub/x.py", "\n" * FILE_LINES_MAX),
        (money_has_one_writer, "handlers/x.py", "await services.database['entries'].insert_one({})"),
        (money_has_one_writer, "models/x.py", "from models.wallets import HOLDS"),
        (money_has_one_writer, "hub/x.py", "database[wallets.WALLETS]"),
        (money_has_one_writer, "models/wallets.py", "await database[WALLETS].update_one({}, {})"),
        (secrets_are_compared_in_constant_time, "hub/x.py", "a.encode() != settings.service_token.encode()"),
        (secrets_are_compared_in_constant_time, "hub/x.py", "credential.value in (settings.service_token,)"),
        (secrets_are_compared_in_constant_time, "hub/x.py", "digest(value) == stored"),
        (secrets_are_compared_in_constant_time, "hub/x.py", "claims['nonce'] != given"),
        (the_audit_log_is_only_added_to, "hub/x.py", "Delete('audit_log', {'_id': row})"),
        (the_audit_log_is_only_added_to, "handlers/x.py", "await services.database['audit_log'].delete_many({})"),
        (the_audit_log_is_only_added_to, "models/x.py", "from models.audit_log import AUDIT_LOG"),
        (the_audit_log_is_only_added_to, "models/audit_log.py", "await database[AUDIT_LOG].update_one({}, {})"),
        (the_audit_log_is_only_added_to, "models/audit_log.py", "Delete(AUDIT_LOG, {'_id': row})"),
    ],
)
def test_the_rule_finds_other_forms(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text)))


def test_each_task_that_is_not_tracked_is_one_that_was_thought_of() -> None:
    """No exception outlives what it was made for, or covers a second one."""
    starts = [(source.path, function) for source in _sources() for _, function in _task_starts(source)]
    assert sorted(starts) == sorted(OWN_TASKS)


def test_every_layer_is_looked_at() -> None:
    """Only a folder without code may be absent here."""
    seen = {source.layer for source in _sources()}
    assert seen >= {layer for layer in LAYERS if list((ROOT / layer).glob("**/*.py"))}
    assert "hub" in seen


def test_the_version_that_is_answered_is_the_packages() -> None:
    package = configparser.ConfigParser()
    package.read(ROOT / "setup.cfg")
    assert package["metadata"]["version"] == HUB_VERSION


def test_all_that_must_hold_is_tried_before_a_change_is_taken() -> None:
    """Each by its own line, so that one that fails ends the whole."""
    script = ROOT / ".ci/run"
    lines = script.read_text().splitlines()
    assert os.access(script, os.X_OK) and "set -euo pipefail" in lines
    faults = "make test-faults ARGS=\"-k 'killed or seeded_runs or steps_down'\""
    assert {"make check", "make test", "make test-clients", faults} <= set(lines)


@pytest.mark.parametrize("folder", ["static", "bench/peers", "tests/clients/node", "tests/documents"])
def test_the_lock_file_names_no_download_address(folder: str) -> None:
    """Each machine takes the libraries from where it is set to take them; the hashes tell that they are the same."""
    packages = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
    installed = {name: package for name, package in packages.items() if name}
    assert installed
    assert not [name for name, package in installed.items() if "resolved" in package]
    assert not [name for name, package in installed.items() if "integrity" not in package]
