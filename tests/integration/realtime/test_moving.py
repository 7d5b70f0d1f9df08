"""A node that ends tells its sockets to move; alone in its file, because the hub takes nobody back in afterwards."""

import asyncio

from config import limits
from hub.identity import LoginResult
from hub.providers.base import Delta, Usage
from hub.realtime import close_codes
from hub.streams import Outcome, Stream
from tests.integration.realtime.site import Site
from tests.patience import within
from tests.ws_client import Client

IDLE = 60


async def following(site: Site, login: LoginResult, number: int, task: "asyncio.Task[None] | None") -> Client:
    """A socket that follows an answer which is generated here, or, without a task, elsewhere."""
    client, reply = await site.connect(login)
    stream = Stream(id=f"stream_{number}", user=reply["user"]["id"], model="gpt-4", conversation=None, message="msg_1")
    stream.task = task
    stream.append([Delta("half")], 1)
    site.services.streams.add(stream)
    await client.request("chat.resume", stream_id=stream.id, epoch=stream.epoch, after=0)
    await client.push("chat.delta")
    return client


async def moved(client: Client) -> int:
    """It is told to move, and then closed; after which pause it is to come back."""
    told = await client.push("moving")
    assert await client.close_code() == close_codes.SHUTTING_DOWN
    return int(told["reconnect_ms"])


def test_each_is_told_and_leaves_with_its_last_answer(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        logins = [await site.user() for _ in range(4)]
        idle = [await Client.open(site.port)]  # one that has not said yet who it is
        idle += [(await site.connect(logins[number % 4]))[0] for number in range(IDLE)]
        end = asyncio.Event()
        task = site.services.tasks.start(_until(end), "an answer")
        here = await following(site, logins[0], 1, task)
        elsewhere = await following(site, logins[1], 2, None)
        moving = site.services.tasks.start(site.services.connections.move_all(), "moving")
        async with within(1.0):
            pauses = [await moved(client) for client in (*idle, elsewhere)]
            assert (await here.push("moving"))["reconnect_ms"] <= limits.MOVE_RECONNECT_MS_MAX
        assert 0 <= min(pauses) < max(pauses) <= limits.MOVE_RECONNECT_MS_MAX
        assert len(set(pauses)) > IDLE / 2, "they would come back as one"
        await moving
        late = await Client.open(site.port)
        await moved(late)
        assert len(site.services.connections) == 1, "the one that still has an answer to get"
        _finish(site, 1)
        _, outcome, _ = await here.answer_of("stream_1")
        assert outcome["type"] == "chat.completed"
        assert await here.close_code() == close_codes.SHUTTING_DOWN
        end.set()
        await task
        _finish(site, 2)

    hub.run(scenario)


async def _until(end: asyncio.Event) -> None:
    await end.wait()


def _finish(site: Site, number: int) -> None:
    stream = site.services.streams.get(f"stream_{number}")
    assert stream is not None
    stream.finish(Outcome("stop", Usage(1, 1), "counted", None))
    site.services.streams.discard(stream)
