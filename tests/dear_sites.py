"""Two nodes of one hub whose answers are dear, for tests of what may be spent.

The conftests that name these fixtures make them known to their folders.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.catalogue import DEFAULT_PATH
from tests.http_streams import SECRET
from tests.site import Site

_PRICE = 'output_price = "0.00006"'  # gpt-4's


@pytest.fixture
def dear_models(tmp_path: Path) -> str:
    """A catalogue in which ten times fewer tokens cost as much, so that a crowd of answers does not take a minute."""
    models, dear = DEFAULT_PATH.read_text(), tmp_path / "models.toml"
    assert models.count(_PRICE) == 1
    dear.write_text(models.replace(_PRICE, 'output_price = "0.0006"'))
    return str(dear)


@pytest.fixture
def dear_sites(serve: Callable[..., Site], dear_models: str) -> list[Site]:
    """Two nodes of one hub with dear models, without a Redis between them."""
    environ = {"HUB_RATE_LIMITS": "off", "HUB_SANDBOX_TOKENS_PER_SECOND": "100000", "HUB_JWT_SECRET": SECRET}
    return [serve(**environ, HUB_MODELS_FILE=dear_models) for _ in range(2)]
