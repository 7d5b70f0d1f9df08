"""Announcements reach every open connection, and every page that is opened later, until they end."""

from datetime import timedelta
from typing import Any

import pytest

from config import limits
from handlers.websocket import SocketWire
from hub.realtime import broker
from hub.realtime.broker import Publication
from models import audit_log
from models.announcements import ANNOUNCEMENTS
from models.clock import now, timestamp
from tests.integration.admin.people import Person, administrator, hang_up, person
from tests.site import Site
from tests.ws_client import Client

TEXT = {"title": "Maintenance", "message": "The hub rests <b>tonight</b>.", "level": "warning"}


async def _connect(site: Site, who: Person) -> Client:
    socket = await Client.open(site.port)
    await socket.request("connect", token=who.token)
    return socket


async def _announce(who: Person, status: int = 201, **fields: Any) -> Any:
    return await who.client.post("/api/admin/announcements", {**TEXT, **fields}, status=status)


@pytest.mark.gen_test
async def test_an_announcement_reaches_everybody(site: Site) -> None:
    admin, user = await administrator(site), await person(site)
    sockets = [await _connect(site, who) for who in (admin, user, user)]
    stranger = await Client.open(site.port)
    data = (await _announce(admin)).data
    for socket in sockets:
        pushed = (await socket.push("announcement"))["announcement"]
        assert pushed["id"] == data["id"] and {name: pushed[name] for name in TEXT} == TEXT
    assert stranger.frames == []
    assert [one["id"] for one in (await user.client.get("/api/announcements")).data] == [data["id"]]
    await site.client().get("/api/announcements", status=401)
    path = f"/api/admin/announcements/{data['id']}"
    await admin.client.request("DELETE", path, status=200)
    await sockets[1].push("announcement.ended", announcement_id=data["id"])
    assert (await user.client.get("/api/announcements")).data == []
    await admin.client.request("DELETE", path, status=404)
    listed = (await admin.client.get("/api/admin/announcements")).body
    assert listed["data"][0]["endedAt"] is not None and listed["pagination"]["total"] == 1
    rows, _ = await audit_log.page(site.services.database, {}, skip=0, limit=10)
    assert [row["action"] for row in rows] == ["announcement.end", "announcement.create"]
    await hang_up(site)


@pytest.mark.gen_test
async def test_an_announcement_ends_by_itself(site: Site) -> None:
    admin = await administrator(site)
    await _announce(admin, expiresAt=timestamp(now() + timedelta(hours=1)))
    assert len((await admin.client.get("/api/announcements")).data) == 1
    past = {"$set": {"expires_at": now() - timedelta(seconds=1)}}
    await site.services.database[ANNOUNCEMENTS].update_one({}, past)
    assert (await admin.client.get("/api/announcements")).data == []


@pytest.mark.gen_test
async def test_only_administrators_announce_and_only_what_is_whole(site: Site) -> None:
    admin, user = await administrator(site), await person(site)
    await _announce(user, 403)
    await user.client.get("/api/admin/announcements", status=403)
    await user.client.request("DELETE", "/api/admin/announcements/ann_1", status=403)
    for fields in (
        *({"title": ""}, {"title": "x" * 101}, {"message": "x" * 2_001}, {"level": "loud"}, {"author": "me"}),
        *({"message": 5}, {"expiresAt": "soon"}, {"expiresAt": "2020-01-01T00:00:00Z"}, {"_id": "x"}),
    ):
        answer = await _announce(admin, 422, **fields)
        assert [detail["field"] for detail in answer.body["error"]["details"]] == list(fields)
    assert (await admin.client.get("/api/announcements")).data == []


@pytest.mark.gen_test
async def test_many_connections_are_told_in_portions(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.limits.ANNOUNCED_AT_ONCE", 2)
    admin = await administrator(site)
    sockets = [await _connect(site, admin) for _ in range(5)]
    data = (await _announce(admin, level="critical")).data
    for socket in sockets:
        assert (await socket.push("announcement"))["announcement"]["id"] == data["id"]
    await hang_up(site)


def _long_announcement(name: str) -> dict[str, Any]:
    text = {"id": name, "title": "News", "message": "x" * 1_000, "level": "info"}
    return text | {"createdAt": timestamp(now()), "expiresAt": None}


def _noted_writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What every socket is handed from now on."""
    written: list[bytes] = []
    write = SocketWire.write

    def noted(wire: SocketWire, data: bytes) -> Any:
        written.append(data)
        return write(wire, data)

    monkeypatch.setattr(SocketWire, "write", noted)
    return written


@pytest.mark.gen_test
async def test_announcements_of_one_turn_leave_together(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One write for each socket, as long as they fit one: forty take three, and none is lost or out of order."""
    admin = await administrator(site)
    sockets = [await _connect(site, admin) for _ in range(2)]
    written = _noted_writes(monkeypatch)
    told = [_long_announcement(f"ann_{number}") for number in range(40)]
    for announcement in told:
        publication = Publication("notice", "announcement", {"announcement": announcement})
        site.services.broker.publish(broker.ANNOUNCEMENTS, publication)
    for socket in sockets:
        assert [(await socket.push("announcement"))["announcement"] for _ in told] == told
    assert len(written) == 3 * len(sockets)
    assert all(len(data) <= limits.WRITE_BYTES for data in written)
    await hang_up(site)


@pytest.mark.gen_test
async def test_an_announcement_is_encoded_once_for_all(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every socket is handed the very same bytes."""
    monkeypatch.setattr("config.limits.ANNOUNCED_AT_ONCE", 2)
    admin = await administrator(site)
    sockets = [await _connect(site, admin) for _ in range(5)]
    written = _noted_writes(monkeypatch)
    await _announce(admin)
    for socket in sockets:
        await socket.push("announcement")
    frames = [data for data in written if b'"type":"announcement"' in data]
    assert len(frames) == 5 and all(frame is frames[0] for frame in frames)
    await hang_up(site)
