"""A suspended user's answers end at once over HTTP too, with an error; what becomes of the sockets is in `test_users.py`."""

import pytest

from tests.http_streams import DONE, Face, ask, make_face
from tests.patience import within
from tests.stand_ins.base import Scenario

GO_ON = {"X-Hub-On-Disconnect": "continue"}
TOKENS = 600  # six seconds of them


@pytest.fixture
def slow(face: Face) -> Face:
    face.provider.default = Scenario(chunks=TOKENS, interval_seconds=0.01)
    return face


async def _administrator(face: Face) -> Face:
    admin = await make_face(face.services, face.provider, face.port)
    await face.services.identities.change_user(admin.user.user_id, {"role": "admin"})
    return admin


async def _suspend(admin: Face, whom: Face) -> None:
    path = f"/api/admin/users/{whom.user.user_id}"
    answer = await ask(admin.port, "PUT", path, token=admin.token, body={"status": "suspended"})
    assert (answer.status, (await answer.json())["data"]["status"]) == (200, "suspended")


@pytest.mark.gen_test
async def test_a_suspended_users_generation_ends_at_once(slow: Face) -> None:
    """Though it was to go on without a reader: nothing more is generated, and what came is paid for."""
    admin = await _administrator(slow)
    begun = await slow.complete(headers=GO_ON, stream=True)
    stream = begun.headers["x-hub-stream-id"]
    assert await begun.event() is not None
    async with within(1):
        await _suspend(admin, slow)
        *_, failure, done = await begun.events()
        await slow.at_rest()
    assert (failure.data["error"]["code"], done.data) == ("UNAUTHORIZED", DONE)
    message = await slow.message(stream)
    assert message["status"] == "interrupted" and len(message["lengths"]) < TOKENS
    assert await slow.charged() == message["receipt"]["charged"] > 0


@pytest.mark.gen_test
async def test_a_suspended_users_reader_is_refused_at_once(slow: Face) -> None:
    """By its own withdrawal, not by the end of what it reads: that one would tell what was paid."""
    admin = await _administrator(slow)
    begun = await slow.complete(headers=GO_ON, stream=True)
    path = f"/api/streams/{begun.headers['x-hub-stream-id']}/events"
    reading = await slow.get(path)
    assert await reading.event() is not None
    async with within(1):
        await _suspend(admin, slow)
        *_, last = await reading.events()
    assert (last.data["type"], last.data["error"]["code"]) == ("chat.failed", "AUTHENTICATION_FAILED")
    assert last.data["receipt"] is None
    assert (await slow.get(path)).status == 401
    await begun.events()
    await slow.at_rest()
    assert len(slow.services.readers) == 0
