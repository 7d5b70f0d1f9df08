"""Feeds that are told how far their channel goes read what they lack, once however often they are told, and no more."""

import asyncio
from typing import Any

import pytest

from config import limits
from hub.realtime.broker import RESYNC, Publication, user_channel
from models import wallets
from models.database import Database, DatabaseUnavailable, Document
from tests.factories import grant, tell
from tests.integration.realtime.site import Site, until


class _Reads:
    """Counts how often a wallet is read, and how many are at once; the database is away for the first `failing` times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failing: int = 0) -> None:
        self.count = self.most = self._running = 0
        self._failing = failing
        self._real = wallets.wallet
        monkeypatch.setattr(wallets, "wallet", self._read)

    async def _read(self, database: Database, user: str) -> Document | None:
        self.count += 1
        self._running += 1
        self.most = max(self.most, self._running)
        try:
            await asyncio.sleep(0.01)
            if self.count <= self._failing:
                raise DatabaseUnavailable("on purpose")
            return await self._real(database, user)
        finally:
            self._running -= 1


def _signal(site: Site, user: str, **extent: int) -> None:
    site.services.broker.publish(user_channel(user), Publication("signal", RESYNC, dict(extent)))


def test_only_what_is_not_known_is_read_and_once(hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(site: Site) -> None:
        login = await site.user()
        user = login.user["_id"]
        client, reply = await site.connect(login)
        version, offset = reply["balance"]["version"], reply["position"]["offset"]
        reads = _Reads(monkeypatch)
        _signal(site, user, version=version, offset=offset)
        _signal(site, user, version=version - 1, offset=0)
        await client.request("ping")
        assert reads.count == 0
        for _ in range(20):
            _signal(site, user, version=version + 1, offset=offset)
        await until(lambda: reads.count == 2)
        await asyncio.sleep(0.05)
        assert reads.count == 2, "one reading, and one for all that was said while it ran"
        _signal(site, user)
        await until(lambda: reads.count == 3)

    hub.run(scenario)


def test_while_the_database_is_away_a_feed_waits_for_it(hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(site: Site) -> None:
        login = await site.user()
        user = login.user["_id"]
        client, reply = await site.connect(login)
        reads = _Reads(monkeypatch, failing=2)
        _signal(site, user)
        await until(lambda: reads.count == 1)
        await grant(site.services.ledger, user, 1_000_000)
        await tell(site.services, user, "meanwhile", "text")
        assert (await client.event("notification.created"))["offset"] == reply["position"]["offset"] + 1
        assert (await client.push("balance"))["credits"] == reply["balance"]["credits"] + 1
        assert reads.count == 3
        offsets = [frame["offset"] for frame in client.frames if frame.get("type") == "event"]
        assert offsets == [reply["position"]["offset"] + 1], "what was held came once"

    hub.run(scenario)


def test_so_many_channels_are_read_at_once(hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = 2 * limits.RECOVERIES_AT_ONCE
    monkeypatch.setattr(limits, "CONNECTIONS_PENDING_PER_ADDRESS_MAX", crowd)

    async def scenario(site: Site) -> None:
        logins = [await site.user() for _ in range(4)]
        reads = _Reads(monkeypatch)
        connected: list[Any] = await asyncio.gather(*(site.connect(logins[number % 4]) for number in range(crowd)))
        assert reads.count == crowd and reads.most <= limits.RECOVERIES_AT_ONCE
        for login in logins:
            _signal(site, login.user["_id"])
        await until(lambda: reads.count == 2 * crowd)
        assert reads.most == limits.RECOVERIES_AT_ONCE
        for client, _ in connected:
            await client.request("ping")

    hub.run(scenario)
