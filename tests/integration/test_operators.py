"""A database's operators in paths, queries and cookies: names of nothing, and in no document. Bodies and frames have them in
`test_bad_input.py` and `test_bad_frames.py`.
"""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import pytest

from handlers.application import ROUTES
from models import shapes
from models.database import Database
from tests.site import PASSWORD, Site

OPERATORS: Final = (
    '{"$gt":""}',
    '{"$ne":null}',
    '{"$where":"1"}',
    "$gt",
    "$where",
    "a.b",
    "[$ne]",
    "[$gt]=",
    "true, $where: 1",
)
LISTS: Final = {
    "/api/credits/history": ("type", "from", "to", "proof", "page", "limit"),
    "/api/v1/points/history": ("type", "from", "to", "proof", "page", "limit"),
    "/api/notifications": ("unread", "page", "limit"),
    "/api/admin/users": ("role", "status", "sort", "order", "page", "limit"),
    "/api/admin/audit-log": ("page", "limit"),
}
SEARCHES: Final = {"/api/admin/users": ("search",), "/api/admin/audit-log": ("actor", "target", "action")}


def paths() -> Iterator[tuple[str, str]]:
    """A method and an address for each route with an id or a name, and each operator in its place."""
    for route in ROUTES:
        before, _, rest = route.pattern.partition("(")
        if rest and route.apis:
            after = rest.partition(")")[2]
            for operator in OPERATORS:
                yield from (
                    (method, f"{before}{quote(operator, safe='')}{after}") for method in ("GET", "PUT", "DELETE")
                )


@pytest.mark.gen_test
async def test_in_a_path_they_name_nothing(site: Site) -> None:
    client = site.client(token=await site.admin_token())
    answers = {(method, path): (await client.raw(method, path)).code for method, path in paths()}
    assert len(answers) > 100 and ("GET", "/v1/models/%24gt") in answers
    assert {key: status for key, status in answers.items() if status not in (404, 405)} == {}


@pytest.mark.gen_test
async def test_in_a_query_they_are_refused_or_found_nowhere(site: Site) -> None:
    """Where a filter has words of its own they are none of them; a search takes them as text, which nobody's name is."""
    client = site.client(token=await site.admin_token())
    await client.request("PUT", "/api/users/me", {"firstName": "Ada"}, status=200)
    await client.post("/api/admin/announcements", {"title": "A row of the log", "message": "x"}, status=201)
    for operator in OPERATORS:
        for path, names in LISTS.items():
            for name in names:
                refused = await client.get(f"{path}?{name}={quote(operator)}", status=422)
                assert refused.body["error"]["details"][0]["field"] == name
        for path, names in SEARCHES.items():
            for name in names:
                assert (await client.get(f"{path}?{name}={quote(operator)}")).data == [], (path, name, operator)
    for path in LISTS:  # a name with an operator is no name of ours
        whole = (await client.get(path)).data
        assert (await client.get(f"{path}?type[$ne]=x&role[$gt]=&$where=1")).data == whole


@pytest.mark.gen_test
async def test_in_a_cookie_they_are_no_login(site: Site) -> None:
    await site.cookie()
    for operator in OPERATORS:
        for cookie in (quote(operator), operator.replace('"', "'"), f"login_1.{quote(operator)}"):
            await site.client(cookie=cookie).get("/api/users/me", status=401)


@pytest.mark.gen_test
async def test_no_document_has_them_among_its_keys(site: Site) -> None:
    """After everything that takes data of the sender's own shape, and text in every field that is kept."""
    registered = await site.register(firstName="$gt", lastName="a.b")
    user, client = registered["data"]["user"]["id"], site.client(token=registered["access_token"])
    service = {"X-Service-Token": str(site.services.settings.service_token), "X-User-ID": user}
    deduction = {"amount": 1, "description": "$where", "metadata": {"$where": "1"}}
    await site.client().post("/api/v1/mcp/points/deduct", deduction, status=422, headers=service)
    part = {"type": "text", "text": "Hello", "$where": {"a.b": 1}}
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": [part], "$set": 1}], "max_tokens": 5, "$or": []}
    headers = {"Idempotency-Key": "$gt", "X-Client-Version": "$where"}
    answer = await client.raw("POST", "/v1/chat/completions", body, headers)
    assert answer.code == 200, answer.body
    await client.request("PUT", "/api/notifications/settings", {"categories": {"$set": {}}}, status=422)
    await client.request("PUT", "/api/users/me", {"autoTopup": {"enabled": True, "$inc": 1}}, status=422)
    await site.client().post("/api/auth/login", {"email": {"$gt": ""}, "password": PASSWORD}, status=422)
    assert await operators_stored(site.services.database) == []
    assert list(_keys({"a": [{"$gt": {"a.b": 1}}]})) == ["a", "$gt", "a.b"], "else none would be found"


async def operators_stored(database: Database) -> list[str]:
    """The keys of all documents that a database would read."""
    found = []
    for shape in shapes.ALL:
        documents = [document async for document in database[shape.name].scan({})]
        found += [f"{shape.name}: {key}" for document in documents for key in _keys(document) if _is_operator(key)]
    return found


def _is_operator(key: str) -> bool:
    return key.startswith("$") or "." in key


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _keys(inner)
