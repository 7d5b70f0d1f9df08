"""The commands: a name, a schema, and a coroutine that calls one function of the hub.

A coroutine returns the result of an `ok` reply, or None where it has sent a reply of its own form. What it raises as
`HubError` becomes the error reply. Ownership is checked where the object is found: others' ids do not exist.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from marshmallow import Schema

from config import limits
from hub import fields, notifications
from hub.chat_request import ChatRequest
from hub.errors import Code, HubError
from hub.history import delete as delete_conversation
from hub.idempotency import IdempotencyKey
from hub.identity import Identity
from hub.providers.base import Json
from hub.realtime import channels, frames, schemas, views
from hub.realtime.feed import Feed, Missed, Position, event_frame, history_view, missed_since
from hub.realtime.frames import CommandId
from hub.realtime.subscriptions import EventFilters
from models import conversations
from models.clock import now, timestamp

if TYPE_CHECKING:
    from hub.realtime.connection import Connection

Run = Callable[["Connection", CommandId | None, dict[str, Any]], Awaitable[Json | None]]


@dataclass(frozen=True, slots=True)
class Spec:
    """`permission` is what an API key must have been given; `needs_user`: refused before `connect`."""

    schema: Schema
    run: Run
    permission: str | None = None
    needs_user: bool = True

    def load(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return fields.load(self.schema, data)

    def check(self, identity: Identity) -> None:
        """Raises `HubError` FORBIDDEN."""
        if self.permission and not identity.may(self.permission):
            raise HubError(Code.FORBIDDEN, f"This API key lacks the permission {self.permission}")


def _identity(connection: "Connection") -> Identity:
    assert connection.identity is not None, "checked before the command runs"
    return connection.identity


def _user(connection: "Connection") -> str:
    return _identity(connection).user_id


# --- the connection itself ---


async def connect(connection: "Connection", command_id: CommandId | None, data: dict[str, Any]) -> None:
    """Say who one is, and get the events missed since `recover`; a key that may not hear them gets none."""
    if connection.is_connected:
        raise HubError(Code.CONFLICT, "This connection is connected already")
    if "token" in data:
        await connection.authenticate(data["token"])
    identity = await connection.check()
    if channels.may_hear_account(identity):
        await _connect_feed(connection, command_id, identity, data)
    else:
        untold = {"user": {"id": identity.user_id}, "balance": None, "position": None, "recovered": False}
        connection.outbox.push(frames.frame(frames.addressed(command_id, _connected(connection) | untold)))
    connection.connected()
    if not connection.is_closed:
        for channel in connection.entrance.channels:
            connection.subscriptions.add(channel)


async def _connect_feed(
    connection: "Connection", command_id: CommandId | None, identity: Identity, data: dict[str, Any]
) -> None:
    """Listen, read, answer, then what came meanwhile."""
    services = connection.services
    feed = Feed(
        identity.user_id,
        services.database,
        services.broker,
        connection.outbox,
        services.tasks,
        services.recoveries,
        connection.lost,
    )
    try:
        await feed.listening()
        async with services.recoveries:
            wallet = await services.ledger.wallet(identity.user_id)
            since = Position(**data["recover"]) if "recover" in data else None
            missed = await feed.start(wallet, since)
    except BaseException:
        feed.close()
        raise
    if connection.is_closed:
        feed.close()
        return
    connection.feed = feed
    account = _account_view(identity, missed) | {"balance": views.balance_view(wallet)}
    reply = frames.frame(frames.addressed(command_id, _connected(connection) | account))
    connection.outbox.push(b"".join([reply, *map(event_frame, missed.events)]))
    feed.live()


def _connected(connection: "Connection") -> Json:
    return {
        "type": "connected",
        "connection_id": connection.id,
        "server_time": timestamp(now()),
        "ping_seconds": limits.PING_INTERVAL_SECONDS,
    }


def _account_view(identity: Identity, missed: Missed) -> Json:
    return {
        "user": views.user_view(identity.user, identity.user_id),
        "position": {"epoch": missed.position.epoch, "offset": missed.position.offset},
        "recovered": missed.recovered,
    }


async def refresh(connection: "Connection", _: CommandId | None, data: dict[str, Any]) -> Json:
    """A new access token of the same user, before the old one ends the connection."""
    identity = await connection.authenticate(data["token"])
    return {"expires_at": identity.expires_at}


async def ping(connection: "Connection", _: CommandId | None, data: dict[str, Any]) -> Json:
    return {"server_time": timestamp(now())}


async def subscribe(connection: "Connection", command_id: CommandId | None, data: dict[str, Any]) -> None:
    """Answer, then send what the channel keeps; one's own channel is listened to already.

    Events come from all nodes, so that the answer waits until they are heard: from then on none is missed unnoticed.
    """
    channel, given = data["channel"], data.get("filters")
    channels.authorise(_identity(connection), channel)
    filters = None if given is None else EventFilters(**given)
    connection.subscriptions.check(channel, filters)
    if channel == channels.ADMIN_EVENTS or channels.is_told(channel):
        connection.subscriptions.add(channel, filters)
        await connection.services.broker.subscribed(channel)
    connection.outbox.push(frames.reply(command_id, {"channel": channel}))
    if channel == channels.ADMIN_METRICS:
        connection.subscriptions.add(channel)


async def unsubscribe(connection: "Connection", _: CommandId | None, data: dict[str, Any]) -> Json:
    connection.subscriptions.remove(data["channel"])
    return {"channel": data["channel"]}


async def history(connection: "Connection", _: CommandId | None, data: dict[str, Any]) -> Json:
    """A page of one's events beyond an offset. `recovered` says that nothing between is missing."""
    services, user = connection.services, _user(connection)
    async with services.recoveries:
        wallet = await services.ledger.wallet(user)
        since = Position(data.get("epoch", wallet.epoch), data["after"])
        missed = await missed_since(services.database, wallet, since)
    found = missed.events[: data["limit"]]
    return {
        "events": history_view(found),
        "position": {"epoch": wallet.epoch, "offset": wallet.offset},
        "recovered": missed.recovered,
    }


# --- chat ---


async def chat_start(connection: "Connection", command_id: CommandId | None, data: dict[str, Any]) -> None:
    """Start a generation, or find the one that the same idempotency key started, and follow it from its beginning."""
    identity = _identity(connection)
    connection.check_room()
    await connection.count(identity)
    request = _chat_request(connection, identity, data)
    stream = (await connection.services.chat.start(identity, request)).stream
    started = {
        "type": "chat.started",
        "stream_id": stream.id,
        "epoch": stream.epoch,
        "conversation_id": stream.conversation,
        "message_id": stream.message,
    }
    connection.outbox.push(frames.frame(frames.addressed(command_id, started)))
    connection.follow(stream, 0)


def _chat_request(connection: "Connection", identity: Identity, data: dict[str, Any]) -> ChatRequest:
    key = data.get("idempotency_key")
    body = {name: value for name, value in data.items() if name != "idempotency_key"}
    return ChatRequest(
        model=data.get("model"),
        api=connection.entrance.api,
        endpoint=connection.entrance.path,
        messages=data.get("messages"),
        message=data.get("message"),
        max_tokens=data.get("max_tokens"),
        parameters={name: data[name] for name in ("temperature", "top_p", "stop") if name in data},
        conversation=data.get("conversation_id"),
        project=data.get("project_id"),
        keep_conversation="message" in data,
        on_disconnect=data["on_disconnect"],
        idempotency=None if key is None else IdempotencyKey.of(identity.user_id, key, "WS", "chat.start", body),
    )


async def chat_stop(connection: "Connection", _: CommandId | None, data: dict[str, Any]) -> Json:
    await connection.services.chat.stop(_identity(connection), data["stream_id"])
    return {"stream_id": data["stream_id"]}


async def chat_resume(connection: "Connection", command_id: CommandId | None, data: dict[str, Any]) -> None:
    """Go on after `after`; a cursor of another epoch or beyond the log starts from the beginning."""
    stream = await connection.services.chat.find(_identity(connection), data["stream_id"], data["after"])
    connection.check_room(stream.id)
    recovered = data["epoch"] == stream.epoch and data["after"] <= stream.offset
    start = data["after"] if recovered else 0
    resumed = {
        "type": "chat.resumed",
        "stream_id": stream.id,
        "epoch": stream.epoch,
        "offset": start,
        "recovered": recovered,
    }
    connection.outbox.push(frames.frame(frames.addressed(command_id, resumed)))
    connection.follow(stream, start)


async def chat_rate(connection: "Connection", _: CommandId | None, data: dict[str, Any]) -> Json:
    ratings, user = connection.services.insight.ratings, _user(connection)
    if "stream_id" in data:
        return await ratings.rate_stream(user, data["stream_id"], data["rating"])
    return await ratings.rate_message(user, data["message_id"], data["rating"])


# --- what is stored ---


async def conversations_list(connection: "Connection", _: CommandId | None, data: dict[str, Any]) -> Json:
    found = await conversations.conversations(
        connection.services.database, _user(connection), limit=data["limit"], before=data.get("before")
    )
    return {"conversations": [views.conversation_view(conversation) for conversation in found]}


async def conversations_messages(connection: "Connection", _: CommandId | None, data: dict[str, Any]) -> Json:
    """The last messages, oldest first, as many as one reply carries."""
    database, streams = connection.services.database, connection.services.streams
    await _own_conversation(connection, data["conversation_id"])
    found = await conversations.messages(database, data["conversation_id"], limit=data["limit"])
    shown = []
    for message in found:
        running = streams.get(message.get("stream", ""))
        if message["status"] == "streaming" and running is None:  # it runs elsewhere: its cursor is in the document
            message = await conversations.message_of_stream(database, message["stream"]) or message
        shown.append(views.message_view(message, running))
    return {"messages": views.fitting(shown)}


async def conversations_delete(connection: "Connection", _: CommandId | None, data: dict[str, Any]) -> Json:
    services = connection.services
    await delete_conversation(services.database, services.chat, _identity(connection), data["conversation_id"])
    return {"conversation_id": data["conversation_id"]}


async def _own_conversation(connection: "Connection", conversation_id: str) -> None:
    if await conversations.conversation(connection.services.database, _user(connection), conversation_id) is None:
        raise _no_conversation()


def _no_conversation() -> HubError:
    return HubError(Code.NOT_FOUND, "No such conversation")


async def notifications_list(connection: "Connection", _: CommandId | None, data: dict[str, Any]) -> Json:
    found, unread = await connection.services.notifications.page(_user(connection), data["limit"], data.get("before"))
    return {"notifications": [notifications.view(document) for document in found], "unread": unread}


async def notifications_read(connection: "Connection", _: CommandId | None, data: dict[str, Any]) -> Json:
    return {"marked": await connection.services.notifications.mark_read(_user(connection), data["ids"])}


async def notifications_read_all(connection: "Connection", _: CommandId | None, data: dict[str, Any]) -> Json:
    return {"marked": await connection.services.notifications.mark_all_read(_user(connection))}


async def workflow_approve(connection: "Connection", _: CommandId | None, data: dict[str, Any]) -> Json:
    """Answer what an execution waits for."""
    asked, answer = (data["execution_id"], data["node"]), (data["approved"], data["comment"])
    found = await connection.services.automation.executions.answer_approval(_user(connection), *asked, *answer)
    return {**{name: data[name] for name in ("execution_id", "node", "approved")}, "status": found["status"]}


COMMANDS: Final[Mapping[str, Spec]] = {
    "connect": Spec(schemas.Connect(), connect, needs_user=False),
    "refresh": Spec(schemas.Refresh(), refresh),
    "ping": Spec(schemas.Nothing(), ping, needs_user=False),
    "subscribe": Spec(schemas.Subscribe(), subscribe),
    "unsubscribe": Spec(schemas.Channel(), unsubscribe),
    "history": Spec(schemas.History(), history, "account:read"),
    "chat.start": Spec(schemas.ChatStart(), chat_start, "ai:write"),
    "chat.stop": Spec(schemas.ChatStop(), chat_stop, "ai:write"),
    "chat.resume": Spec(schemas.ChatResume(), chat_resume, "ai:read"),
    "chat.rate": Spec(schemas.ChatRate(), chat_rate, "ai:write"),
    "conversations.list": Spec(schemas.Page(), conversations_list, "ai:read"),
    "conversations.messages": Spec(schemas.ConversationMessages(), conversations_messages, "ai:read"),
    "conversations.delete": Spec(schemas.Conversation(), conversations_delete, "ai:write"),
    "notifications.list": Spec(schemas.Page(), notifications_list, "account:read"),
    "notifications.read": Spec(schemas.Notifications(), notifications_read, "account:write"),
    "notifications.read_all": Spec(schemas.Nothing(), notifications_read_all, "account:write"),
    "workflow.approve": Spec(schemas.WorkflowApprove(), workflow_approve, "ai:write"),
}
