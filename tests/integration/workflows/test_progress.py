"""Executions as sockets see them: told of while they run, and their approvals answered there."""

from typing import Any

import pytest

from hub.api_keys import NewKey
from hub.realtime.channels import workflows_channel
from tests.integration.workflows.author import Author, approval, chain, note
from tests.site import Site
from tests.site_sockets import sockets_end
from tests.ws_client import Client

__all__ = ["sockets_end"]


async def watching(site: Site, token: str, channel: str) -> Client:
    client = await Client.open(site.port)
    await client.request("connect", token=token)
    assert await client.request("subscribe", channel=channel) == {"channel": channel}
    return client


def progress(client: Client) -> list[dict[str, Any]]:
    return [frame for frame in client.frames if frame.get("type") == "workflow.progress"]


@pytest.mark.gen_test(timeout=60)
async def test_progress_is_told_as_it_happens_and_is_what_the_logs_have(site: Site) -> None:
    who, other = await Author.of(site), await Author.of(site)
    watcher = await watching(site, who.token, workflows_channel(who.user))
    stranger = await watching(site, other.token, workflows_channel(other.user))
    made = await who.make(chain(note("first", a="x"), approval(), note("last", b="y")))
    execution = await who.begin(made)
    waiting = await watcher.push("workflow.progress", step="waiting")
    assert (waiting["workflow_id"], waiting["execution_id"], waiting["node"]) == (made["id"], execution, "ask")
    answered = await watcher.request("workflow.approve", execution_id=execution, node="ask", approved=True)
    assert answered["approved"] is True
    event = await watcher.event("workflow.executed")
    assert event["event"]["data"]["execution_id"] == execution
    ended = await who.ended(made, execution)
    while len(progress(watcher)) < len(ended["logs"]):
        await watcher.receive()
    assert [frame["log"] for frame in progress(watcher)] == ended["logs"]
    assert progress(watcher)[-1]["status"] == "completed"
    assert progress(stranger) == []
    again = await watcher.request("workflow.approve", execution_id=execution, node="ask", approved=False)
    assert again["error"]["code"] == "RESOURCE_CONFLICT"


@pytest.mark.gen_test
async def test_others_neither_hear_nor_answer(site: Site) -> None:
    who, other = await Author.of(site), await Author.of(site)
    made = await who.make(chain(approval()))
    execution = await who.begin(made)
    await who.waits(made, execution)
    client = await watching(site, other.token, workflows_channel(other.user))
    heard = await client.request("subscribe", channel=workflows_channel(who.user))
    assert heard["error"]["code"] == "RESOURCE_NOT_FOUND"
    for asked in ({"execution_id": execution, "node": "ask"}, {"execution_id": "exec_none", "node": "ask"}):
        answered = await client.request("workflow.approve", **asked, approved=True)
        assert answered["error"]["code"] == "RESOURCE_NOT_FOUND"
    assert (await who.execution(made, execution))["approvals"] != []


@pytest.mark.gen_test
async def test_a_key_needs_the_permissions(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(approval()))
    execution = await who.begin(made)
    await who.waits(made, execution)
    permissions = {"account:read", "credits:read"}
    for granted, hears, answers_ in (((), False, False), (("ai:read",), True, False), (("ai:write",), False, True)):
        _, key = await site.services.api_keys.create(
            who.user, NewKey("sk_live_", "K", sorted(permissions | set(granted)))
        )
        client = await Client.open(site.port)
        await client.request("connect", token=key)
        heard = await client.request("subscribe", channel=workflows_channel(who.user))
        assert ("error" not in heard) is hears
        answered = await client.request("workflow.approve", execution_id=execution, node="ask", approved=True)
        assert ("error" not in answered) is answers_


@pytest.mark.gen_test
async def test_what_is_wrong_in_a_command_is_named(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(approval()))
    execution = await who.begin(made)
    await who.waits(made, execution)
    client = await watching(site, who.token, workflows_channel(who.user))
    good = {"execution_id": execution, "node": "ask", "approved": True}
    for name, values in {
        "execution_id": (None, 5, "", [], {"$gt": ""}, "x" * 129),
        "node": (None, 5, "", [], {}, "x" * 65),
        "approved": (None, 0, "true", []),
        "comment": (None, 5, [], "x" * 2_001),
        "by": ("me",),
    }.items():
        for value in values:
            refused = await client.reply(client.send_unchecked("workflow.approve", **{**good, name: value}))
            assert name in repr(refused["error"]), (name, value)
    for node in ("ask.status", "$where", "other"):
        refused = await client.request("workflow.approve", **{**good, "node": node})
        assert refused["error"]["code"] == "RESOURCE_NOT_FOUND"
