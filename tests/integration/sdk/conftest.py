"""The houses that official clients are tried in, for this folder."""

from collections.abc import Iterator

import pytest

from tests.houses import (
    House,
    companies,
    company_house,
    house,
    limited_house,
    sandbox_house,
    shared_company_house,
    start_house,
)
from tests.line import Line

__all__ = [
    "companies",
    "company_house",
    "house",
    "limited_house",
    "sandbox_house",
    "shared_company_house",
    "start_house",
]


@pytest.fixture
def line(company_house: House) -> Iterator[Line]:
    """The network between a client and the hub that asks companies."""
    line = Line("127.0.0.1", company_house.hub.port)
    yield line
    line.close()
