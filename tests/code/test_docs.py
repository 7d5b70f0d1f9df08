"""What the hub adds to the documented APIs stands in `docs/api.md`, and what stands in `docs/` is so."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import orjson

from config.catalogue import load_catalogue
from hub.errors import Code
from hub.operations import Kind
from hub.workflows.definitions.definition import load
from hub.workflows.definitions.graph import RESERVED_IDS
from hub.workflows.definitions.node_types import NODES, TRIGGERS
from models.notification_settings import CATEGORIES
from tests.contract.rows import BESIDE_THE_DOCUMENTS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
API = (DOCS / "api.md").read_text()
FENCED = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REASON = re.compile(r'(?:Failed\(|"code":)\s*"([a-z_]+)"')


def _named(pattern: str) -> bool:
    """Whether the page has this path, by whatever names of its parts, and not only a longer one."""
    parts = re.split(r"\([^)]*\)", pattern)
    return re.search(r"\{\w+\}".join(map(re.escape, parts)) + r"(?![\w/{])", API) is not None


def _fenced() -> Iterator[Any]:
    """The JSON of all pages."""
    for page in sorted(DOCS.glob("*.md")):
        yield from map(orjson.loads, FENCED.findall(page.read_text()))


def test_every_path_beside_the_documents_is_described() -> None:
    paths = {pattern.rpartition(" ")[2] for _, pattern in BESIDE_THE_DOCUMENTS}
    assert sorted(path for path in paths if not _named(path)) == []


def test_words_that_requests_may_use_are_all_there() -> None:
    page = " ".join(API.split())
    categories = [f"`{category}`" for category in CATEGORIES]
    for word in (
        ", ".join(get_args(Kind)),
        *categories,
        "proof=true",
        "autoTopup",
        "Idempotency-Key",
        "from=",
        "nextDayAt",
    ):
        assert word in page, word


def test_each_definition_of_a_workflow_could_be_saved() -> None:
    definitions = [each for each in _fenced() if "nodes" in each]
    assert definitions
    for definition in definitions:
        assert load(definition, load_catalogue().keys()) == definition


def test_all_that_a_definition_may_have_is_named() -> None:
    assert [kind for kind in (*TRIGGERS, *NODES) if f"\n| `{kind}` |" not in API] == []
    assert [name for name in sorted(RESERVED_IDS) if f"`{name}`" not in API] == []


def test_each_reason_of_a_failure_is_in_the_table() -> None:
    """Those that workflows have beside the hub's codes, as they are written in the code."""
    own = {reason for path in (ROOT / "hub" / "workflows").rglob("*.py") for reason in REASON.findall(path.read_text())}
    assert {"letters", "http_status"} <= own
    codes = {Code.INVALID, Code.PROVIDER_FAILED, Code.PROVIDER_REFUSED, Code.CONFLICT, Code.UNAVAILABLE}
    assert sorted(reason for reason in {*own, *codes, "spend_cap"} if f"\n| `{reason}` |" not in API) == []
