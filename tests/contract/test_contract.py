"""The contract: each documented example works against the default configuration, and rows and routes are the same set."""

import re
from typing import Any

import pytest

from handlers.access import methods_of
from handlers.application import ROUTES
from hub.audit_trail import Actor
from hub.letters import SUBJECTS
from tests.contract.rows import BESIDE_THE_DOCUMENTS, HOSTS, ROWS, Row
from tests.factories import grant_points
from tests.outbox import letter_to, token_in
from tests.site import PASSWORD, Site

_PLAIN = {("ai_aggregator", "/v1/chat/completions")}  # OpenAI's own form: no envelope


def unlike(example: Any, actual: Any, path: str = "answer") -> list[str]:
    """Where an answer lacks a documented field or has another type."""
    if example is None:
        return []
    if _json_type(example) != _json_type(actual):
        return [f"{path} is {actual!r}, documented as {example!r}"]
    if isinstance(example, dict):
        missing = [f"{path}.{name} is missing" for name in example if name not in actual]
        present = [name for name in example if name in actual]
        return missing + [fault for name in present for fault in unlike(example[name], actual[name], f"{path}.{name}")]
    if isinstance(example, list) and example:
        items = [fault for index, item in enumerate(actual) for fault in unlike(example[0], item, f"{path}[{index}]")]
        return items if actual else [f"{path} is empty, so that its items cannot be seen"]
    return []


def _json_type(value: Any) -> type:
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def _filled(body: Any, facts: dict[str, str]) -> Any:
    if isinstance(body, dict):
        return {name: _filled(value, facts) for name, value in body.items()}
    return facts.get(body[1:-1], body) if isinstance(body, str) and body.startswith("{") else body


async def _ids(site: Site) -> dict[str, str]:
    """What stands where the documents' examples have an id."""
    return {"user_123": (await site.register())["data"]["user"]["id"], "rate_123": await _inactive_rate(site)}


async def _inactive_rate(site: Site) -> str:
    actor = Actor("user_1", "127.0.0.1", "req_1")
    rate = await site.services.rate_administration.create(actor, "credits", "points", 10**9, active=False)
    return str(rate["_id"])


async def _notification_id(site: Site, user: str) -> str:
    (welcome,), _ = await site.services.notifications.page(user, 1, None)
    return str(welcome["_id"])


async def _mailed(site: Site, email: str) -> dict[str, str]:
    """What a mail brought."""
    await site.client().post("/api/auth/forgot-password", {"email": email})
    letter = await letter_to(site.services.settings.data_dir, email, SUBJECTS["reset"])
    return {"reset_token": token_in(letter)}


def _with_ids(path: str, facts: dict[str, str]) -> str:
    return "/".join(facts.get(part, part) if "_" in part else part for part in path.split("/"))


@pytest.mark.gen_test(timeout=15)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.api} {row.method} {row.path}")
async def test_the_documented_example_is_answered_as_documented(site: Site, row: Row) -> None:
    registered = await site.register(username="ada99", firstName="Ada", lastName="Lovelace")
    facts = {
        "email": registered["user"]["email"],
        "password": PASSWORD,
        "refresh_token": registered["data"]["tokens"]["refreshToken"],
    }
    facts["notif_123"] = await _notification_id(site, registered["data"]["user"]["id"])
    facts |= await _mailed(site, facts["email"]) if row.bare_path == "/api/auth/reset-password" else {}
    facts |= await _ids(site) if row.credential == "admin" else {}
    user_id = registered["data"]["user"]["id"]
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
    body = _filled(row.body, facts)
    plain = (row.api, row.bare_path) in _PLAIN
    path = _with_ids(row.path, facts)
    answer = await client.request(row.method, path, body, status=row.status, headers=headers, plain=plain)
    assert not unlike(row.answer, answer.body)


def _methods(api: str, path: str) -> set[str]:
    return {
        method
        for route in ROUTES
        if api in route.apis and re.fullmatch(route.pattern, path)
        for method in methods_of(route.handler)
    } - {"OPTIONS"}


def test_each_row_has_its_route() -> None:
    assert [row for row in ROWS if row.method not in _methods(row.api, row.bare_path)] == []


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
    return any((row.api, row.method) == (api, method) and re.fullmatch(pattern, row.bare_path) for row in ROWS)


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
