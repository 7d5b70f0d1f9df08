"""The houses that official clients are tried in, for this folder."""

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
