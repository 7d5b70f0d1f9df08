"""Many connections at once: readers who never read, and lines that are cut again and again."""

import asyncio
import os
import random
import sys
import time
from typing import Any

from config import limits
from hub.identity import LoginResult
from hub.realtime.broker import Publication, user_channel
from tests.factories import tell
from tests.integration.realtime.site import Site, until
from tests.ws_client import Client

DEAF = 48  # of three users, who may have so many connections
RESUMERS = 20
CUTS = 6
EVENTS = 60
SEED = int(os.environ.get("HUB_SEED", "7"))


def _resident_bytes() -> int:
    with open("/proc/self/statm") as figures:
        return int(figures.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_fifty_who_never_read_are_cut_and_cost_no_memory(hub: Site) -> None:
    """Each is bounded and dropped; who reads goes on hearing at once."""

    async def scenario(site: Site) -> None:
        logins = [await site.user() for _ in range(3)]
        deaf = [await site.connect(logins[number % 3], receive_buffer=4_096) for number in range(DEAF)]
        healthy, _ = await site.connect(logins[0])
        before, queued, delays = _resident_bytes(), 0, []
        positions = [reply["position"] for _, reply in deaf[:3]]
        for number in range(1, 250):
            for login, position in zip(logins, positions, strict=True):
                event = Publication(
                    "event", "big", {"fill": "x" * 10_000}, position["epoch"], position["offset"] + number
                )
                site.services.broker.publish(user_channel(login.user["_id"]), event)
            queued = max(queued, site.services.connections.queued_bytes)
            asked = time.monotonic()
            await healthy.push("event")
            delays.append(time.monotonic() - asked)
        assert 0 < queued <= DEAF * (limits.QUEUE_BYTES_MAX + 20_000)
        await until(lambda: len(site.services.connections) == 1)
        grown = _resident_bytes() - before
        assert grown < DEAF * limits.QUEUE_BYTES_MAX + (20 << 20), grown
        assert max(delays) < limits.WRITE_SECONDS_MAX / 3  # nobody waits for the deaf to be given up
        await healthy.close()

    hub.run(scenario)


class _Resumer:
    """A client whose line is cut at random, and who resumes with the last offset that it saw."""

    def __init__(self, site: Site, login: LoginResult, chance: random.Random) -> None:
        self._site = site
        self._login = login
        self._chance = chance
        self._position: dict[str, Any] = {}
        self.cuts = 0
        self.seen: list[int] = []

    async def run(self, last: int) -> None:
        while not self.seen or self.seen[-1] < last:
            client = await Client.open(self._site.port)
            fields = {"recover": self._position} if self._position else {}
            reply = await client.request("connect", token=self._login.access_token, **fields)
            assert not self._position or reply["recovered"] is True
            if not self._position:
                self._position = reply["position"]
                self.seen.append(reply["position"]["offset"])
            await self._listen(client, last)
            client.abort()

    async def _listen(self, client: Client, last: int) -> None:
        until_cut = self._chance.randrange(1, 12) if self.cuts < CUTS else last
        for _ in range(until_cut):
            if self.seen[-1] >= last:
                return
            event = await client.push("event")
            self.seen.append(event["offset"])
            self._position["offset"] = event["offset"]
        self.cuts += 1


def test_lines_cut_again_and_again_lose_and_double_nothing(hub: Site) -> None:
    """Every event once and in order, whenever the line was cut."""
    sys.stdout.write(f"SEED={SEED}\n")

    async def scenario(site: Site) -> None:
        chance = random.Random(SEED)
        login_of = [await site.user() for _ in range(2)]
        resumers = [_Resumer(site, login_of[number % 2], chance) for number in range(RESUMERS)]
        first = [(await site.services.ledger.wallet(login.user["_id"])).offset for login in login_of]
        async with asyncio.TaskGroup() as group:
            for number, resumer in enumerate(resumers):
                group.create_task(resumer.run(first[number % 2] + EVENTS))
            await until(lambda: all(resumer.seen for resumer in resumers))
            for number in range(EVENTS):
                for login in login_of:
                    await tell(site.services, login.user["_id"], f"n{number}", "text")
        for number, resumer in enumerate(resumers):
            start = first[number % 2]
            assert resumer.seen == list(range(start, start + EVENTS + 1))
        assert sum(resumer.cuts for resumer in resumers) >= RESUMERS

    hub.run(scenario)
