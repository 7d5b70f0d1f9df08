"""What an administrator's client does to watch a hub."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson

from config import limits
from hub.monitor import COLUMNS
from tests.factories import tell
from tests.site import PASSWORD, Site
from tests.ws_client import Client

METRICS, EVENTS = "admin:metrics", "admin:events"

Sample = dict[str, Any]
Event = dict[str, Any]


async def administrator(site: Site, path: str = "/ws", at: Site | None = None) -> tuple[Client, str]:
    """A new administrator's connected client and id; made at one hub, and connected to another where `at` is given."""
    client = await Client.open((at or site).port, path)
    connected = await client.request("connect", token=await site.admin_token())
    return client, connected["user"]["id"]


async def history(client: Client) -> tuple[list[list[float]], int]:
    """All kept samples, and in how many frames they came."""
    samples: list[list[float]] = []
    count = 0
    while True:
        frame = await client.push("admin.metrics.history")
        assert tuple(frame["columns"]) == COLUMNS
        assert len(orjson.dumps(frame)) <= limits.FRAME_BYTES_MAX
        samples += frame["samples"]
        count += 1
        if frame["last"]:
            return samples, count


async def sample_with(client: Client, condition: Callable[[Sample], object]) -> Sample:
    """The next sample that fits."""
    while True:
        sample: Sample = (await client.push("admin.metrics"))["sample"]
        if condition(sample):
            return sample


def samples(client: Client) -> list[Sample]:
    """All that came so far."""
    return [frame["sample"] for frame in client.frames if frame.get("type") == "admin.metrics"]


def spent(client: Client) -> float:
    """What users were charged, by the rates of these samples, each times how long it took."""
    return sum(
        sample["credits_per_second"] * (sample["time"] - before["time"]) for before, sample in pairwise(samples(client))
    )


async def charged_for_answer(site: Site, token: str, **fields: Any) -> float:
    """Have a text written; what its receipt says was charged for it, in credits."""
    asker = await Client.open(site.port)
    await asker.request("connect", token=token)
    started = await asker.request("chat.start", model="gpt-4", message="hello", **fields)
    _, end, _ = await asker.answer_of(started["stream_id"])
    asker.abort()
    return float(end["receipt"]["charged"])


async def events(client: Client, enough: Callable[[Sequence[Event], int], object]) -> tuple[list[Event], int]:
    """Those that come until they are enough, and how many were left out."""
    came: list[Event] = []
    dropped = 0
    while not enough(came, dropped):
        frame = await client.push("admin.events")
        came += frame["events"]
        dropped += frame["dropped"]
    return came, dropped


@dataclass(frozen=True)
class Life:
    """What a user did, and which words of it nobody but the user may read."""

    user: str
    stream: str
    secrets: Sequence[str]

    def is_told(self, came: Sequence[Event], _: int = 0) -> bool:
        """Whether all of it is among these events."""
        types = {event["type"] for event in came if event["user"] == self.user}
        return types >= {"user.created", "conversation.created", "chat.completed", "notification.created"}


async def live(site: Site, email: str = "quill@example.com") -> Life:
    """A user signs up, signs in, chats and is told something."""
    registered = await site.register(firstName="Xerxes", lastName="Quillfeather", email=email)
    token = (await site.client().post("/api/auth/login", {"email": email, "password": PASSWORD})).body["access_token"]
    asker = await Client.open(site.port)
    await asker.request("connect", token=token)
    started = await asker.request("chat.start", model="gpt-4", message="marzipan-secret-prompt", max_tokens=20)
    text, _, _ = await asker.answer_of(started["stream_id"])
    user = registered["data"]["user"]["id"]
    await tell(site.services, user, "marzipan title", "marzipan text")
    refresh_token = registered["data"]["tokens"]["refreshToken"]
    secrets = ("marzipan", "@", "Xerxes", "Quillfeather", "127.0.0.1", token, refresh_token, text[:30])
    return Life(user, started["stream_id"], secrets)


def sample_now(site: Site) -> None:
    """As each second does by itself."""
    services = site.services
    services.monitor.tell(services.connections, services.streams)
    services.monitor.sample()
