"""Executions of a workflow as its callers see them: begun by hand, listed, cancelled, and their approvals answered."""

import pytest

from tests.integration.workflows.author import Author, approval, chain, note, refused
from tests.integration.workflows.owner import ALL, statuses
from tests.site import Site

# --- executed -------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_what_is_given_by_hand_is_what_templates_see(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note(said="{{said}}", beside="{{beside}}", mode="{{mode.test}}")))
    given = {"data": {"said": "in data", "mode": {"test": 1}}, "said": "beside data", "beside": [1, {"a.b": "$x"}]}
    ended = await who.ended(made, await who.begin(made, **given))
    assert ended["result"]["value"] == {"said": "in data", "beside": [1, {"a.b": "$x"}], "mode": 1}
    assert (ended["trigger"], ended["test_mode"], ended["workflow_version"]) == ("manual", False, 1)


@pytest.mark.gen_test
async def test_a_workflow_is_executed_without_a_body_and_while_it_is_switched_off(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note(said="x")), enabled=False)
    begun = (await who.client.post(f"{ALL}/{made['id']}/execute")).body
    assert begun.keys() == {"execution_id", "status", "started_at"} and begun["status"] == "running"
    assert (await who.ended(made, begun["execution_id"]))["status"] == "completed"


@pytest.mark.gen_test
async def test_a_key_makes_a_repeated_request_the_same_one(site: Site) -> None:
    who = await Author.of(site)
    made, key = await who.make(chain(note())), {"Idempotency-Key": "once"}
    path, body = f"{ALL}/{made['id']}/execute", {"input": {"data": {"said": "x"}}}
    first, second = [(await who.client.post(path, body, headers=key)).body for _ in range(2)]
    assert first["execution_id"] == second["execution_id"] and len(await who.begun(made)) == 1
    await who.client.post(path, {"input": {"data": {"said": "y"}}}, headers=key, status=422)
    for wrong in ("", "x" * 256, "\u00e9"):
        await who.client.post(path, body, headers={"Idempotency-Key": wrong}, status=400)
    other = await Author.of(site)
    theirs = await other.make(chain(note()))
    await other.client.post(f"{ALL}/{theirs['id']}/execute", body, headers=key)
    assert len(await other.begun(theirs)) == 1


@pytest.mark.gen_test
async def test_what_is_wrong_in_an_input_is_named(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note()))
    path = f"{ALL}/{made['id']}/execute"
    for wrong in (None, True, 5, "x", [], {"test_mode": "yes"}, {"test_mode": None}, {"data": []}, {"data": None}):
        assert await refused(who.client, "POST", path, {"input": wrong}) == ["input"]
    assert await refused(who.client, "POST", path, {"inputs": {}}) == ["inputs"]
    for hops in ("x", "-1", "1.5", "1111"):
        assert "X-Hub-Hops" in repr((await who.client.post(path, {}, headers={"X-Hub-Hops": hops}, status=400)).body)
    await who.client.post(path, {"input": {"data": {"a": "x" * (300 << 10)}}}, status=413)
    await who.client.post(path, {}, headers={"X-Hub-Hops": "4"}, status=409)
    assert await who.begun(made) == []


@pytest.mark.gen_test
async def test_a_failure_is_told_with_its_node_and_the_documented_code(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note(said="{{nobody.said.this}}")))
    ended = await who.ended(made, await who.begin(made))
    assert ended["status"] == "failed" and ended["result"]["value"] is None
    assert (ended["result"]["error"]["code"], ended["result"]["error"]["node"]) == ("WORKFLOW_EXECUTION_FAILED", "note")
    assert "nobody.said.this" in ended["result"]["error"]["message"]
    assert ended["logs"][-1]["level"] == "error"


@pytest.mark.gen_test
async def test_executions_are_listed_by_their_state(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note()))
    good, bad = await who.begin(made, data={"said": 1}), await who.begin(made)
    await who.ended(made, good)
    await who.ended(made, bad)
    path = f"{ALL}/{made['id']}/executions"
    assert [each["id"] for each in (await who.client.get(path)).body["executions"]] == [bad, good]
    assert [each["id"] for each in (await who.client.get(f"{path}?status=failed")).body["executions"]] == [bad]
    assert [each["id"] for each in (await who.client.get(f"{path}?limit=1&offset=1")).body["executions"]] == [good]
    await who.client.get(f"{path}?status=done", status=400)


# --- cancelled, and answered ----------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_one_that_was_cancelled_takes_no_answer(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(approval()))
    execution = await who.begin(made)
    await who.waits(made, execution)
    path = f"{ALL}/{made['id']}/executions/{execution}"
    assert (await who.client.post(f"{path}/cancel")).body["cancel_asked"]
    assert (await who.ended(made, execution))["status"] == "cancelled"
    await who.client.post(f"{path}/approvals/ask", {"approved": True}, status=409)


@pytest.mark.parametrize(("approved", "status"), [(True, "completed"), (False, "failed")])
@pytest.mark.gen_test
async def test_an_approval_is_answered_once(site: Site, approved: bool, status: str) -> None:
    who = await Author.of(site)
    made = await who.make(chain(approval(), note(by="{{ask.output.by}}", why="{{ask.output.comment}}")))
    execution = await who.begin(made)
    (asked,) = (await who.waits(made, execution))["approvals"]
    assert (asked["node"], asked["message"], asked["to"]) == ("ask", "Go on?", None) and asked["expires_at"]
    path = f"{ALL}/{made['id']}/executions/{execution}/approvals"
    answered = (await who.client.post(f"{path}/ask", {"approved": approved, "comment": "Well"})).body
    assert (answered["execution_id"], answered["node"], answered["approved"]) == (execution, "ask", approved)
    ended = await who.ended(made, execution)
    assert ended["status"] == status
    if approved:
        assert ended["result"]["value"] == {"by": "user1@example.com", "why": "Well"}
    else:
        assert ended["result"]["error"]["reason"] == "refused" and statuses(ended)["note"] == "skipped"
    await who.client.post(f"{path}/ask", {"approved": not approved}, status=409)


@pytest.mark.gen_test
async def test_what_is_wrong_in_an_answer_is_named(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(approval()))
    execution = await who.begin(made)
    await who.waits(made, execution)
    path = f"{ALL}/{made['id']}/executions/{execution}/approvals/ask"
    for wrong in (None, 0, 1, "true", [], {}):
        assert await refused(who.client, "POST", path, {"approved": wrong}) == ["approved"]
    for wrong in (None, True, 5, [], {}, "x" * 2_001):
        assert await refused(who.client, "POST", path, {"approved": True, "comment": wrong}) == ["comment"]
    assert await refused(who.client, "POST", path, {}) == ["approved"]
    assert (await who.execution(made, execution))["approvals"] != []


@pytest.mark.gen_test
async def test_whoever_was_asked_by_their_address_may_answer_too(site: Site) -> None:
    who, asked, stranger = await Author.of(site), await Author.of(site), await Author.of(site)
    made = await who.make(chain(approval(to="user2@example.com")))
    execution = await who.begin(made)
    await who.waits(made, execution)
    path, answer = f"{ALL}/{made['id']}/executions/{execution}/approvals/ask", {"approved": True}
    await stranger.client.post(path, answer, status=404)
    await asked.client.post(path, answer, status=404)  # an address that nobody confirmed is anybody's
    await site.services.database["users"].update_one({"_id": asked.user}, {"$set": {"email_verified": True}})
    other = await who.make(chain(note()))
    await asked.client.post(path.replace(f"/{made['id']}/", f"/{other['id']}/"), answer, status=404)
    await asked.client.post(path, answer)
    assert (await who.ended(made, execution))["status"] == "completed"
