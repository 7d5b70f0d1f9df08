"""`/api/workflows` as its callers see it: made, listed, changed; what is wrong, and whose."""

from typing import Any

import pytest

from config import workflows as limits
from hub.api_keys import NewKey
from tests.contract.rows import SUMMARIZER
from tests.integration.workflows.author import WRONG, Author, approval, chain, note, refused
from tests.integration.workflows.owner import ALL
from tests.site import Site

# --- made, listed, changed, deleted ---------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_workflow_is_made_read_changed_and_deleted(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note()), name="First", description="Says it")
    path = f"{ALL}/{made['id']}"
    assert (await who.client.get(path)).body == made
    listed = (await who.client.get(ALL)).body
    assert (listed["total"], [each["id"] for each in listed["workflows"]]) == (1, [made["id"]])
    assert "definition" not in listed["workflows"][0] and "webhook_secret" not in listed["workflows"][0]
    change = {"name": "Second", "enabled": False, "definition": chain(note("other")), "spend_cap": 2.5}
    changed = (await who.client.request("PUT", path, change, status=200)).body
    assert (changed["name"], changed["enabled"], changed["spend_cap"], changed["version"]) == ("Second", False, 2.5, 2)
    assert changed["definition"]["nodes"][0]["id"] == "other" and changed["description"] == "Says it"
    assert changed["webhook_url"] == made["webhook_url"] and changed["updated_at"] >= made["updated_at"]
    gone = (await who.client.request("DELETE", path, status=200)).body
    assert gone == {"message": "Workflow deleted successfully", "id": made["id"]}
    for method in ("GET", "DELETE"):
        await who.client.request(method, path, status=404)
    assert (await who.client.get(ALL)).body["workflows"] == []


@pytest.mark.gen_test
async def test_lists_come_newest_first_by_page_and_by_project(site: Site) -> None:
    who = await Author.of(site)
    project = (await who.client.post("/api/projects", {"name": "P"}, status=201)).body["id"]
    inside = await who.make(chain(note()), project_id=project)
    outside = [await who.make(chain(note()), name=f"W{number}") for number in range(2)]
    newest = [outside[1]["id"], outside[0]["id"], inside["id"]]
    page = (await who.client.get(f"{ALL}?limit=2")).body
    assert ([each["id"] for each in page["workflows"]], page["total"]) == (newest[:2], 3)
    assert [each["id"] for each in (await who.client.get(f"{ALL}?limit=2&offset=2")).body["workflows"]] == newest[2:]
    of_project = (await who.client.get(f"{ALL}?project_id={project}")).body
    assert [each["id"] for each in of_project["workflows"]] == [inside["id"]]
    assert (await who.client.get(f"{ALL}?project_id={project + 1}")).body["workflows"] == []
    for wrong in ("0", "-1", "x", "1.5", "1e3", "%00"):
        await who.client.get(f"{ALL}?project_id={wrong}", status=400)


@pytest.mark.gen_test
async def test_projects_show_their_workflows(site: Site) -> None:
    who = await Author.of(site)
    project = (await who.client.post("/api/projects", {"name": "P"}, status=201)).body["id"]
    inside, outside = await who.make(chain(note()), project_id=project), await who.make(chain(note()))
    for workflow in (inside, inside, outside):
        await who.ended(workflow, await who.begin(workflow, data={"said": "x"}))
    assert (await who.client.get("/api/projects")).body["projects"][0]["workflow_count"] == 1
    shown = (await who.client.get(f"/api/projects/{project}")).body
    assert [each["id"] for each in shown["workflows"]] == [inside["id"]]
    assert (shown["stats"]["total_workflows"], shown["stats"]["total_executions"]) == (1, 2)
    await who.client.request("PUT", f"{ALL}/{inside['id']}", {"project_id": None}, status=200)
    assert (await who.client.get(f"/api/projects/{project}")).body["workflows"] == []


@pytest.mark.gen_test
async def test_another_secret_is_another_address(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note(), trigger="webhook"))
    other = (await who.client.post(f"{ALL}/{made['id']}/rotate-secret")).body
    assert other["webhook_url"] != made["webhook_url"] and other["signing_secret"] != made["signing_secret"]
    await who.posts(made, {"said": "x"}, 404)
    await who.posts(other, {"said": "x"})
    assert len(await who.begun(made)) == 1


@pytest.mark.gen_test
async def test_secrets_are_sealed_where_they_are_kept(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note()))
    (kept,) = await site.services.database["workflows"].find({}, limit=2)
    assert made["webhook_secret"] not in repr(kept)


@pytest.mark.gen_test
@pytest.mark.parametrize("bounds", [{"credit_micro": 1_000_000, "period": "month"}, {"models": ["gpt-4"]}])
async def test_a_key_with_limits_of_its_own_has_no_workflow_executed(site: Site, bounds: dict[str, Any]) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note()))
    path = f"{ALL}/{made['id']}"
    permissions = ["ai:read", "ai:write", "account:write"]
    new = NewKey("sk_live_", "It is limited", permissions, limits=bounds)
    _, key = await site.services.api_keys.create(who.user, new)
    limited = site.client("ai_assistant", token=key)
    calls: list[tuple[str, str, Any]] = [
        ("POST", f"{path}/execute", {}),
        ("POST", ALL, {"name": "x", "definition": chain(note())}),
        ("PUT", path, {"name": "x"}),
        ("POST", f"{path}/rotate-secret", None),
    ]
    for method, where, body in calls:
        refused_ = await limited.request(method, where, body, status=403)
        assert "list of AI models" in refused_.body["error"]["message"]
    assert "webhook_url" not in (await limited.get(path)).body and await who.begun(made) == []


@pytest.mark.gen_test
async def test_a_key_that_only_reads_is_told_no_address(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note()))
    _, key = await site.services.api_keys.create(who.user, NewKey("sk_live_", "It reads", ["ai:read"]))
    reader = site.client("ai_assistant", token=key)
    seen = (await reader.get(f"{ALL}/{made['id']}")).body
    assert seen["definition"] == made["definition"] and made["webhook_secret"] not in repr(seen)
    for method, path, body in (
        ("POST", ALL, SUMMARIZER),
        ("PUT", f"{ALL}/{made['id']}", {"name": "x"}),
        ("DELETE", f"{ALL}/{made['id']}", None),
        ("POST", f"{ALL}/{made['id']}/rotate-secret", None),
        ("POST", f"{ALL}/{made['id']}/execute", {}),
    ):
        assert (await reader.request(method, path, body, status=403)).code == "FORBIDDEN"


# --- what is wrong --------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_what_is_wrong_in_a_workflow_is_named(site: Site) -> None:
    who = await Author.of(site)
    good = {"name": "W", "definition": chain(note())}
    fields: dict[str, tuple[Any, ...]] = {
        "name": (*WRONG, "x" * 201, "a\nb", " "),
        "description": (None, True, 5, [], {}, "x" * 2_001),
        "enabled": (None, 0, 1, "true", [], {}),
        "definition": (*WRONG, chain(note("a b")), chain(), {"trigger": {"type": "manual"}, "nodes": []}),
        "project_id": (True, "1", 1.5, 0, -1, [], {}, 2**63),
        "notify_url": (True, 5, "", "x", "ftp://a.org/", "http://169.254.169.254/", "https://a:b@c.org/", [], {}),
        "spend_cap": (None, True, "5", 0, -1, 1e9, 0.0000001, [], {}),
        **dict.fromkeys(("id", "user", "user_id", "_id", "secret", "version", "execution_count", "number"), (1,)),
    }
    made = await who.make(good["definition"])
    for name, values in fields.items():
        for value in values:
            for method, path in (("POST", ALL), ("PUT", f"{ALL}/{made['id']}")):
                if method == "POST" and name in ("notify_url", "project_id") and value is None:
                    continue
                named = await refused(who.client, method, path, {**good, name: value})
                assert named[0].partition(".")[0].partition("[")[0] == name, (name, value, named)
    for body in ([], None, 5, "x"):
        await who.client.post(ALL, body if body is not None else b"null", status=400)
    assert "name" in await refused(who.client, "POST", ALL, {"definition": chain(note())})
    assert "definition" in await refused(who.client, "POST", ALL, {"name": "W"})
    assert await refused(who.client, "PUT", f"{ALL}/{made['id']}", {}) == ["body"]
    assert (await who.client.get(ALL)).body["total"] == 1


@pytest.mark.parametrize(
    "cron",
    [
        *(
            "* * * * * *",
            "*/0 * * * *",
            "0 0 30 2 *",
            "60 * * * *",
            "@daily",
            "* * * *",
            "",
            "0 0 L * *",
            "9-9 * * * *",
        ),
        "0-59/1," * 1_500 + "0 * * * *",
    ],
)
@pytest.mark.gen_test
async def test_a_schedule_that_cannot_be_kept_is_refused(site: Site, cron: str) -> None:
    who = await Author.of(site)
    body = {"name": "W", "definition": chain(note(), trigger="schedule", cron=cron)}
    assert await refused(who.client, "POST", ALL, body) == ["definition.trigger.config.cron"]
    zone = {"name": "W", "definition": chain(note(), trigger="schedule", cron="0 9 * * *", timezone="Mars/Olympus")}
    assert await refused(who.client, "POST", ALL, zone) == ["definition.trigger.config.timezone"]
    assert await site.services.database["schedules"].count({}) == 0


@pytest.mark.gen_test
async def test_failures_in_a_definition_are_told_by_their_paths(site: Site) -> None:
    who = await Author.of(site)
    wrong = chain(note(), {"id": "ask", "type": "ai_call", "config": {"model": "gpt-9", "prompt": "x"}})
    assert await refused(who.client, "POST", ALL, {"name": "W", "definition": wrong}) == [
        "definition.nodes[1].config.model"
    ]
    secret = chain(note(said="{{env.HUB_JWT_SECRET}}"))
    assert "definition.nodes[0].config.set.said" in await refused(
        who.client, "POST", ALL, {"name": "W", "definition": secret}
    )


@pytest.mark.gen_test(timeout=60)
async def test_a_user_has_so_many_workflows_and_no_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WORKFLOWS_PER_USER_MAX", 2)
    who = await Author.of(site)
    for _ in range(2):
        await who.make(chain(note()))
    full = await who.client.post(ALL, {"name": "W", "definition": chain(note())}, status=409)
    assert full.code == "RESOURCE_CONFLICT"


# --- whose it is ----------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_others_have_no_part_in_it(site: Site) -> None:
    who, other = await Author.of(site), await Author.of(site)
    made = await who.make(chain(approval()))
    execution = await who.begin(made)
    await who.waits(made, execution)
    theirs = await other.make(chain(note()))
    project = (await other.client.post("/api/projects", {"name": "P"}, status=201)).body["id"]
    path = f"{ALL}/{made['id']}"
    for method, address, body in (
        ("GET", path, None),
        ("PUT", path, {"name": "x"}),
        ("DELETE", path, None),
        ("POST", f"{path}/execute", {}),
        ("POST", f"{path}/rotate-secret", None),
        ("GET", f"{path}/executions", None),
        ("GET", f"{path}/executions/{execution}", None),
        ("POST", f"{path}/executions/{execution}/cancel", None),
        ("POST", f"{path}/executions/{execution}/approvals/ask", {"approved": True}),
        ("GET", f"{ALL}/{theirs['id']}/executions/{execution}", None),
        ("POST", f"{ALL}/{theirs['id']}/executions/{execution}/cancel", None),
    ):
        refusal = await other.client.request(method, address, body, status=404)
        assert refusal.code == "RESOURCE_NOT_FOUND" and "Go on?" not in repr(refusal.body)
    assert (await other.client.get(ALL)).body["total"] == 1
    await who.client.post(ALL, {"name": "W", "definition": chain(note()), "project_id": project}, status=404)
    await who.client.request("PUT", path, {"project_id": project}, status=404)
    assert (await who.execution(made, execution))["status"] == "running"


@pytest.mark.gen_test
async def test_ids_that_are_none_are_nobodys(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note()))
    for wrong in ("0", "-1", "1e3", "x1", "99999999999999999999", "%24gt", made["webhook_secret"]):
        for rest in ("", "/executions", "/executions/exec_x"):
            await who.client.get(f"{ALL}/{wrong}{rest}", status=404)
    for wrong in ("exec_x", "a.b", "%24ne"):
        await who.client.get(f"{ALL}/{made['id']}/executions/{wrong}", status=404)
