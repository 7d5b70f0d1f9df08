"""Projects by `/api/projects`: made, listed, changed, deleted and restored, each for its owner alone."""

import asyncio
from typing import Any

import pytest

from config import assistant
from models import integrations
from models.clock import now
from tests.api_client import Answer, ApiClient
from tests.site import Site

PROJECTS = "/api/projects"
DOCUMENTED = {
    "name": "New Project",
    "description": "Project description",
    "settings": {"default_model": "gpt-4", "budget_limit": 1000},
}


async def a_client(site: Site) -> ApiClient:
    return site.client("ai_assistant", token=await site.token())


async def made(client: ApiClient, **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = (await client.post(PROJECTS, {"name": "A project", **fields}, status=201)).body
    return body


async def listed(client: ApiClient, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(PROJECTS + query)).body["projects"]
    return found


def fields_of(answer: Answer) -> set[str]:
    assert answer.code == "INVALID_INPUT"
    return {failure["field"] for failure in answer.body["error"]["details"]["errors"]}


@pytest.mark.gen_test
async def test_a_project_is_made_shown_changed_deleted_and_restored(site: Site) -> None:
    client = await a_client(site)
    project = await made(client, **DOCUMENTED)
    assert {name: project[name] for name in DOCUMENTED} == DOCUMENTED
    path = f"{PROJECTS}/{project['id']}"
    shown = (await client.get(path)).body
    assert (shown["workflows"], shown["integrations"]) == ([], [])
    assert shown["stats"] == {"total_workflows": 0, "total_executions": 0, "credits_used": 0, "credits_held": 0}
    changed = (await client.request("PUT", path, {"name": "Updated Name", "description": ""}, status=200)).body
    assert (changed["name"], changed["description"], changed["settings"]) == ("Updated Name", "", project["settings"])
    assert changed["updated_at"] > project["updated_at"] and changed["created_at"] == project["created_at"]
    (only,) = await listed(client)
    assert only["name"] == "Updated Name" and (only["workflow_count"], only["integration_count"]) == (0, 0)
    gone = (await client.request("DELETE", path, status=200)).body
    assert gone == {"message": "Project deleted successfully", "id": project["id"]}
    for method, body in (("GET", None), ("PUT", {"name": "x"}), ("DELETE", None)):
        assert (await client.request(method, path, body, status=404)).code == "RESOURCE_NOT_FOUND"
    assert await listed(client) == []
    (deleted,) = await listed(client, "?deleted=true")
    assert deleted["id"] == project["id"] and deleted["deleted_at"] is not None
    for _ in range(2):  # the second changes nothing
        restored = (await client.post(f"{path}/restore")).body
        assert restored == {**changed, "updated_at": restored["updated_at"]}
    assert await listed(client, "?deleted=true") == []
    assert [project["id"] for project in await listed(client)] == [project["id"]]


@pytest.mark.gen_test
async def test_settings_are_changed_one_by_one(site: Site) -> None:
    client = await a_client(site)
    project = await made(client)
    assert project["settings"] == {"default_model": None, "budget_limit": None}
    path = f"{PROJECTS}/{project['id']}"
    for given, settings in (
        ({"budget_limit": 0.000001}, {"default_model": None, "budget_limit": 0.000001}),
        ({"default_model": "claude-3"}, {"default_model": "claude-3", "budget_limit": 0.000001}),
        ({"budget_limit": None}, {"default_model": "claude-3", "budget_limit": None}),
        ({"default_model": None, "budget_limit": 5}, {"default_model": None, "budget_limit": 5}),
    ):
        changed = (await client.request("PUT", path, {"settings": given}, status=200)).body
        assert changed["settings"] == settings
        assert (await client.get(path)).body["settings"] == settings


WRONG: list[tuple[Any, set[str]]] = [
    ({"name": ""}, {"name"}),
    ({"name": "two\nlines"}, {"name"}),
    ({"name": "  "}, {"name"}),
    ({"name": "x" * 101}, {"name"}),
    ({"name": 5}, {"name"}),
    ({"name": None}, {"name"}),
    ({"description": None}, {"description"}),
    ({"description": "x" * 2_001}, {"description"}),
    ({"settings": None}, {"settings"}),
    ({"settings": []}, {"settings"}),
    ({"settings": {"surplus": 1}}, {"settings.surplus"}),
    ({"settings": {"default_model": "gpt-5000"}}, {"settings.default_model"}),
    ({"settings": {"default_model": "text-embedding-3-small"}}, {"settings.default_model"}),
    ({"settings": {"default_model": ""}}, {"settings.default_model"}),
    ({"settings": {"default_model": ["gpt-4"]}}, {"settings.default_model"}),
    ({"settings": {"budget_limit": 0}}, {"settings.budget_limit"}),
    ({"settings": {"budget_limit": -1}}, {"settings.budget_limit"}),
    ({"settings": {"budget_limit": "1000"}}, {"settings.budget_limit"}),
    ({"settings": {"budget_limit": True}}, {"settings.budget_limit"}),
    ({"settings": {"budget_limit": 0.0000001}}, {"settings.budget_limit"}),
    ({"settings": {"budget_limit": 1e300}}, {"settings.budget_limit"}),
    ({"settings": {"default_model": "x", "budget_limit": 0}}, {"settings.default_model", "settings.budget_limit"}),
    ({"id": 7}, {"id"}),
]
EMBEDS = "text-embedding-3-small makes embeddings and no answers: use /v1/embeddings"


@pytest.mark.gen_test
async def test_what_is_wrong_is_named_and_changes_nothing(site: Site) -> None:
    client = await a_client(site)
    path = f"{PROJECTS}/{(await made(client))['id']}"
    before = (await client.get(path)).body
    for wrong, named in WRONG:
        assert fields_of(await client.post(PROJECTS, {"name": "A project", **wrong}, status=400)) == named, wrong
        assert fields_of(await client.request("PUT", path, wrong, status=400)) == named, wrong
    assert fields_of(await client.post(PROJECTS, {}, status=400)) == {"name"}
    for given, says in ((None, "must not be null"), ({"default_model": "text-embedding-3-small"}, EMBEDS)):
        refused = await client.post(PROJECTS, {"name": "A project", "settings": given}, status=400)
        assert refused.body["error"]["details"]["errors"][0]["message"] == says
    assert fields_of(await client.request("PUT", path, {}, status=400)) == {"body"}
    assert (await client.get(path)).body == before and len(await listed(client)) == 1
    for query, named in (("limit=0", "limit"), ("offset=-1", "offset"), ("deleted=yes", "deleted")):
        assert fields_of(await client.get(f"{PROJECTS}?{query}", status=400)) == {named}


@pytest.mark.gen_test
@pytest.mark.parametrize("number", ["0", "999", "x", "1x", "-1", "9" * 19, "9" * 64, "%C2%B2"])
async def test_a_number_of_nobodys_is_not_found(site: Site, number: str) -> None:
    client = await a_client(site)
    for method, path, body in (
        ("GET", f"{PROJECTS}/{number}", None),
        ("PUT", f"{PROJECTS}/{number}", {"name": "Mine"}),
        ("DELETE", f"{PROJECTS}/{number}", None),
        ("POST", f"{PROJECTS}/{number}/restore", None),
    ):
        assert (await client.request(method, path, body, status=404)).code == "RESOURCE_NOT_FOUND"


@pytest.mark.gen_test
async def test_others_projects_do_not_exist(site: Site) -> None:
    owner, other = await a_client(site), await a_client(site)
    kept, deleted = [f"{PROJECTS}/{(await made(owner))['id']}" for _ in range(2)]
    await owner.request("DELETE", deleted, status=200)
    before = (await owner.get(kept)).body
    for path in (kept, deleted):
        for method, body in (("GET", None), ("PUT", {"name": "Mine"}), ("DELETE", None)):
            assert (await other.request(method, path, body, status=404)).code == "RESOURCE_NOT_FOUND"
        await other.post(f"{path}/restore", status=404)
    assert await listed(other) == [] and await listed(other, "?deleted=true") == []
    assert (await owner.get(kept)).body == before and len(await listed(owner, "?deleted=true")) == 1


@pytest.mark.gen_test
async def test_a_project_shows_the_integrations_that_belong_to_it(site: Site) -> None:
    registered = await site.register()
    client = site.client("ai_assistant", token=registered["access_token"])
    number, other = (await made(client))["id"], (await made(client))["id"]
    connected = {"number": 7, "user": registered["data"]["user"]["id"], "type": "google", "name": "me@example.com"}
    connected |= {"status": "connected", "sealed": "", "connected_at": now(), "last_used": None, "project": number}
    await integrations.put(site.services.database, {"_id": "integ_1", **connected})
    counts = {project["id"]: project["integration_count"] for project in await listed(client)}
    assert counts == {number: 1, other: 0}
    (shown,) = (await client.get(f"{PROJECTS}/{number}")).body["integrations"]
    assert (shown["id"], shown["type"], shown["project_id"]) == (7, "google", number) and "sealed" not in shown
    assert (await client.get(f"{PROJECTS}/{other}")).body["integrations"] == []


@pytest.mark.gen_test
async def test_projects_come_in_pages_newest_first(site: Site) -> None:
    client = await a_client(site)
    numbers = [(await made(client, name=f"Project {number}"))["id"] for number in range(5)]
    page = (await client.get(f"{PROJECTS}?limit=2&offset=1")).body
    assert [project["id"] for project in page["projects"]] == numbers[::-1][1:3]
    assert (page["total"], page["limit"], page["offset"]) == (5, 2, 1)


@pytest.mark.gen_test
async def test_there_is_a_bound_and_the_one_deleted_longest_ago_goes(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistant, "PROJECTS_PER_USER_MAX", 3)
    monkeypatch.setattr(assistant, "PROJECTS_DELETED_MAX", 2)
    client = await a_client(site)
    first, *others = [(await made(client))["id"] for _ in range(3)]
    assert "3 projects" in (await client.post(PROJECTS, {"name": "One more"}, status=409)).body["error"]["message"]
    await client.request("DELETE", f"{PROJECTS}/{first}", status=200)
    others.append((await made(client))["id"])
    assert (await client.post(f"{PROJECTS}/{first}/restore", status=409)).code == "RESOURCE_CONFLICT"
    for number in others:
        await client.request("DELETE", f"{PROJECTS}/{number}", status=200)
    assert {project["id"] for project in await listed(client, "?deleted=true")} == set(others[1:])
    await client.post(f"{PROJECTS}/{first}/restore", status=404)
    await client.post(f"{PROJECTS}/{others[2]}/restore")
    (wallet,) = await site.services.database["wallets"].find({}, limit=2)
    closed = sorted(counters.get("closed", False) for counters in wallet["budgets"].values())
    assert closed == [False, True], "no more is counted than what can be had again"


@pytest.mark.gen_test
async def test_many_at_once_do_not_exceed_the_bound(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant, "PROJECTS_PER_USER_MAX", 3)
    client = await a_client(site)
    asked = (client.raw("POST", PROJECTS, {"name": "A project"}) for _ in range(6))
    found = await asyncio.gather(*asked)
    assert sorted(answer.code for answer in found) == [201] * 3 + [409] * 3
