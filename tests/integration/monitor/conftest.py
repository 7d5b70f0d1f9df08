"""A served hub whose answers take long enough to be seen while they run."""

from collections.abc import Callable

import pytest

from tests.site import Site, serve

__all__ = ["serve"]


@pytest.fixture
def site(serve: Callable[..., Site]) -> Site:
    return serve(HUB_RATE_LIMITS="off", HUB_SANDBOX_TOKENS_PER_SECOND="100")
