"""What the hub adds to the documented APIs stands in `docs/api.md`."""

import re
from pathlib import Path
from typing import get_args

from hub.operations import Kind
from models.notification_settings import CATEGORIES
from tests.contract.rows import BESIDE_THE_DOCUMENTS

API = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def _named(path: str) -> bool:
    """Whether the page has this path, and not only a longer one."""
    return re.search(re.escape(path) + r"(?![\w/{])", API) is not None


def test_every_path_beside_the_documents_is_described() -> None:
    paths = {re.sub(r"\([^)]*\)", "{id}", pattern.rpartition(" ")[2]) for _, pattern in BESIDE_THE_DOCUMENTS}
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
