"""The houses and the clients that are tried in them, for this folder."""

from collections.abc import Iterator

import pytest

from tests.clients.programs import NAMES, Program, start
from tests.houses import (
    companies,
    company_house,
    house,
    limited_house,
    sandbox_house,
    shared_company_house,
    start_house,
)

__all__ = [
    "companies",
    "company_house",
    "house",
    "limited_house",
    "sandbox_house",
    "shared_company_house",
    "start_house",
]


@pytest.fixture(scope="session", params=NAMES)
def client(request: pytest.FixtureRequest) -> Iterator[Program]:
    program = start(request.param)
    yield program
    program.close()
    assert program.addresses, "where it connects to was not seen at all"
