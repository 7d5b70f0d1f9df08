"""The contract: each documented example works against the default configuration, and rows and routes are the same set."""

import re

import pytest

from handlers.access import methods_of
from handlers.application import ROUTES
from tests.contract.examples import (
    analysed,
    asked,
    filled,
    ids,
    mailed,
    may_give,
    notification_id,
    own_ids,
    unlike,
    with_ids,
    worked,
)
from tests.contract.rows import AT_GOOGLE, AT_TELEGRAM, BESIDE_THE_DOCUMENTS, HOSTS, ROWS, Row
from tests.factories import grant_points
from tests.site import PASSWORD, Site


@pytest.mark.gen_test
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.api} {row.name}")
async def test_the_documented_example_is_answered_as_documented(site: Site, row: Row) -> None:
    registered = await site.register(username="ada99", firstName="Ada", lastName="Lovelace")
    facts = {
        "email": registered["user"]["email"],
        "password": PASSWORD,
        "refresh_token": registered["data"]["tokens"]["refreshToken"],
    }
    facts["notif_123"] = await notification_id(site, registered["data"]["user"]["id"])
    facts |= await mailed(site, facts["email"]) if row.bare_path == "/api/auth/reset-password" else {}
    facts |= await ids(site) if row.credential == "admin" else {}
    user_id = registered["data"]["user"]["id"]
    facts |= await own_ids(site, user_id) if row.api == "ai_playground" else {}
    await grant_points(site.services.ledger, user_id, 5_000)
    credentials = {
        "none": {},
        "service": {},
        "token": {"token": registered["access_token"]},
        "cookie": {"cookie": await site.cookie()},
        "admin": {"token": await site.admin_token()} if row.credential == "admin" else {},
    }
    client = site.client(row.api, **credentials[row.credential])
    headers = {"Host": HOSTS[row.api]}
    if row.credential == "service":
        headers |= {"X-Service-Token": site.services.settings.service_token, "X-User-ID": user_id}
    if row.bare_path.endswith("/usage"):
        await client.post("/api/v1/ai/chat", {"messages": [{"role": "user", "content": "Hello"}]})
    if row.bare_path in ("/api/dashboard/stats", "/api/rankings"):
        said = [{"role": "user", "content": "Hello"}]
        await client.post("/api/v1/ai/chat", {"messages": said}, dialect="ai_playground")
    if row.bare_path in ("/api/ai/chat", "/api/history"):
        facts["conv_123"] = (await client.post("/api/ai/chat", {"message": "Hello"})).body["conversation_id"]
    facts |= await analysed(client) if row.bare_path.startswith("/api/doc-analyzer/analyses/") else {}
    if row.bare_path.startswith(("/api/workflows", "/api/projects", "/api/dashboard")):
        facts |= await worked(client)
    if row.bare_path.startswith("/webhooks/1/"):
        facts |= await worked(site.client("ai_assistant", token=registered["access_token"]))
    facts |= await may_give(site, client, headers) if row.bare_path == "/api/credits/gift" else {}
    body = filled(row.body, facts)
    assert await asked(client, row, with_ids(row.path, facts), body, headers) == []


def _methods(api: str, path: str) -> set[str]:
    return {
        method
        for route in ROUTES
        if api in route.apis and re.fullmatch(route.pattern, path)
        for method in methods_of(route.handler)
    } - {"OPTIONS"}


def test_each_row_has_its_route() -> None:
    assert [
        row for row in (*ROWS, *AT_GOOGLE, *AT_TELEGRAM) if row.method not in _methods(row.api, row.bare_path)
    ] == []


def test_each_route_has_its_row_or_a_reason() -> None:
    owed = {
        (api, method, route.pattern)
        for route in ROUTES
        for api in route.apis
        if (api, route.pattern) not in BESIDE_THE_DOCUMENTS
        for method in methods_of(route.handler)
        if method != "OPTIONS" and not _has_row(api, method, route.pattern)
    }
    assert owed == set()


def _has_row(api: str, method: str, pattern: str) -> bool:
    """A row, or a reason for this method alone."""
    if (api, f"{method} {pattern}") in BESIDE_THE_DOCUMENTS:
        return True
    rows = [row for row in (*ROWS, *AT_GOOGLE) if (row.api, row.method) == (api, method)]
    return any(re.fullmatch(pattern, row.bare_path) for row in rows)


def test_what_stands_beside_the_documents_exists() -> None:
    patterns = {(api, route.pattern) for route in ROUTES for api in route.apis}
    of_one_method = {
        (api, f"{method} {route.pattern}")
        for route in ROUTES
        for api in route.apis
        for method in methods_of(route.handler)
    }
    assert set(BESIDE_THE_DOCUMENTS) <= patterns | of_one_method


def test_the_comparison_sees_what_is_missing_or_of_another_type() -> None:
    example = {"a": 1, "b": [{"c": "x"}], "d": None}
    assert unlike(example, {"a": 1.5, "b": [{"c": "y", "more": 1}], "d": 7}) == []
    assert len(unlike(example, {"a": "1", "b": [{}]})) == 3
    assert unlike(example, {"a": True, "b": [], "d": 1}) != []
