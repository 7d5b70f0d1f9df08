"""`docs/asyncapi.yaml` says neither less nor more than what crosses the sockets: each of its messages is met here."""

from typing import Any

from hub.audit_trail import Actor
from hub.errors import Code, HubError
from hub.operations import Receipt
from hub.prices import MICRO_PER_CREDIT
from hub.providers.base import Delta, Usage
from hub.realtime import close_codes
from hub.realtime.broker import ANNOUNCEMENTS, RESYNC, Publication
from hub.realtime.commands import COMMANDS
from hub.realtime.frames import ERROR_CODES
from hub.streams import Outcome, Stream
from hub.webhooks.receiver import PATH as RECEIVER
from hub.workflows.workflows import NewWorkflow
from tests.factories import tell
from tests.integration.realtime.site import Site
from tests.ws_client import DOCUMENT, MESSAGES, REPLIES, SEEN, Client

RECEIPT = Receipt(2 * MICRO_PER_CREDIT, 1, 1, 1, 1)
FAILED = Outcome(None, Usage(3, 2), "counted", RECEIPT, None, HubError(Code.PROVIDER_FAILED, "gone", (), 1.5))


def test_every_message_is_met(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        SEEN.clear()
        login = await site.user("admin")
        client = await Client.open(site.port)
        connected = await client.request("connect", token=login.access_token)
        await _the_connection(site, client, login.access_token)
        await _chat(site, client, connected["user"]["id"])
        await _lists(site, client, connected["user"]["id"])
        await _announcements(site, client, connected["user"]["id"])
        await _webhooks(site, client)
        await _workflows(site, client, connected["user"]["id"])
        await _monitoring(site, client, connected["user"]["id"])
        await _moving(site, client, connected["user"]["id"])
        nobody = await Client.open(site.port, "/v1/ai/stream")
        nobody.send_json("bareChat", {"model": "gpt-4", "messages": [{"role": "user", "content": "hi"}]})
        await nobody.push("error")

    hub.run(scenario)
    assert set(MESSAGES) - SEEN == set()


async def _the_connection(site: Site, client: Client, token: str) -> None:
    for name, fields in {
        "ping": {},
        "refresh": {"token": token},
        "subscribe": {"channel": "admin:metrics"},
        "unsubscribe": {"channel": "admin:metrics"},
        "history": {"after": 0},
    }.items():
        assert "error" not in await client.request(name, **fields), name
    assert "error" in await client.request("subscribe", channel="nowhere")


async def _chat(site: Site, client: Client, user: str) -> None:
    started = await client.request("chat.start", model="gpt-4", message="hello", max_tokens=10)
    await client.request("chat.stop", stream_id=started["stream_id"])
    await client.answer_of(started["stream_id"])
    await client.push("balance")
    await client.event("chat.completed")
    rated = await client.request("chat.rate", stream_id=started["stream_id"], rating="up")
    assert (await client.event("chat.rated"))["event"]["data"] == rated
    stream = Stream(id="stream_failed", user=user, model="gpt-4", conversation=None, message="msg_f")
    stream.append([Delta("half")], 1)
    stream.finish(FAILED)
    site.services.streams.add(stream)
    await client.request("chat.resume", stream_id=stream.id, epoch=stream.epoch, after=0)
    _, end, _ = await client.answer_of(stream.id)
    site.services.streams.discard(stream)
    assert end["error"] == {
        "code": "SERVICE_UNAVAILABLE",
        "message": "gone",
        "temporary": True,
        "retry_after_seconds": 1.5,
    }


async def _lists(site: Site, client: Client, user: str) -> None:
    (conversation,) = (await client.request("conversations.list"))["conversations"]
    await client.request("conversations.messages", conversation_id=conversation["id"])
    await client.request("conversations.delete", conversation_id=conversation["id"])
    note = await tell(site.services, user, "T", "M")
    assert (await client.request("notifications.list"))["notifications"]
    await client.request("notifications.read", ids=[note])
    await client.request("notifications.read_all")


async def _announcements(site: Site, client: Client, user: str) -> None:
    actor = Actor(user, "127.0.0.1", "req_1")
    made = await site.services.announcements.announce(actor, "T", "M", "info", None)
    await client.push("announcement")
    await site.services.announcements.end(actor, made["_id"])
    await client.push("announcement.ended", announcement_id=made["_id"])
    site.services.broker.publish(ANNOUNCEMENTS, Publication("signal", RESYNC, {}))
    await client.push("announcements.changed")


async def _webhooks(site: Site, client: Client) -> None:
    """The hub's own, to its own receiver."""
    webhooks, url = site.services.webhooks, f"http://127.0.0.1:{site.port}{RECEIVER}"
    await client.request("subscribe", channel="admin:webhooks")
    made = await webhooks.endpoints.create(
        None, None, "smart_ai_hub", url, ["user.created"], "a-secret-of-webhooks", True
    )
    await webhooks.deliveries.test(None, "smart_ai_hub", made["_id"], None)
    await client.push("webhook.attempt")
    await client.push("webhook.received")
    await webhooks.endpoints.remove(None, None, "smart_ai_hub", made["_id"])


async def _workflows(site: Site, client: Client, user: str) -> None:
    """One that waits for its owner's answer, and has ended by it."""
    node = {"id": "ask", "type": "approval", "config": {"message": "Go on?"}}
    edges = [{"from": "trigger", "to": "ask"}]
    definition = {"trigger": {"type": "manual", "config": {}}, "nodes": [node], "edges": edges}
    await client.request("subscribe", channel=f"workflows:{user}")
    made = await site.services.automation.workflows.create(user, NewWorkflow("W", definition))
    begun = await site.services.automation.executions.begin(made, {}, "manual")
    await client.push("workflow.progress", step="waiting")
    asked = {"execution_id": begun["_id"], "node": "ask", "approved": True}
    assert (await client.request("workflow.approve", **asked))["status"] in ("running", "completed")
    assert (await client.event("workflow.executed"))["event"]["data"]["status"] == "completed"


async def _monitoring(site: Site, client: Client, user: str) -> None:
    """As the last one: it makes the administrator a user."""
    await client.request("subscribe", channel="admin:metrics")
    await client.push("admin.metrics.history", last=True)
    await client.push("admin.metrics")
    await client.request("subscribe", channel="admin:events", filters={"types": ["notification.*"], "users": [user]})
    await tell(site.services, user, "T", "M")
    await client.push("admin.events")
    await site.services.identities.change_user(user, {"role": "user"})
    await client.push("subscription.lost", channel="admin:events")


async def _moving(site: Site, client: Client, user: str) -> None:
    """As the very last: it ends the connection."""
    (connection,) = site.services.connections.of_user(user)
    connection.move(250)
    assert await client.push("moving") == {"type": "moving", "reconnect_ms": 250}
    assert await client.close_code() == close_codes.SHUTTING_DOWN


def test_the_document_names_every_command_error_and_close_code() -> None:
    commands = {message["payload"]["properties"]["type"]["const"] for message in _received()}
    assert commands == set(COMMANDS) == set(REPLIES)
    assert set(DOCUMENT["components"]["schemas"]["Error"]["properties"]["code"]["enum"]) == set(ERROR_CODES.values())
    assert set(ERROR_CODES) == set(Code)
    for code, reason in close_codes.REASONS.items():
        assert str(code) in DOCUMENT["info"]["description"]
        assert len(reason.encode()) <= 123
    for channel in DOCUMENT["channels"].values():
        assert set(channel["messages"]) <= set(MESSAGES)


def _received() -> list[dict[str, Any]]:
    references = DOCUMENT["operations"]["receiveCommands"]["messages"]
    return [MESSAGES[reference["$ref"].rsplit("/", 1)[1]] for reference in references]
