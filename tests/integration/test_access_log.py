"""The access log: one line a request, with what its client calls itself, and no more of that than a version has."""

import json
import secrets
from collections.abc import Callable
from typing import Final

import pytest

from tests.site import Site

# What a client sends as X-Client-Version, and what the log says of it.
VERSIONS: Final = {
    "web/1.2.3": "web/1.2.3",
    "Smart AI Hub iOS 7+2": "Smart AI Hub iOS 7+2",
    'x"} 1\tfake': "invalid",
    "<script>": "invalid",
    "x" * 65: "invalid",
    "": "invalid",
}


@pytest.fixture
def site(serve: Callable[..., Site]) -> Site:
    return serve(HUB_ENV="production", HUB_SERVICE_TOKEN=secrets.token_urlsafe(48))


@pytest.mark.gen_test
async def test_a_line_says_who_asked_for_what_by_which_client(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    registered = await site.register()
    client = site.client(token=registered["access_token"])
    capsys.readouterr()
    for version in VERSIONS:
        await client.get("/api/users/me?token=CANARY", headers={"X-Client-Version": version, "X-Request-ID": "req-7"})
    await client.get("/api/users/me")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["client_version"] for line in lines] == [*VERSIONS.values(), None]
    first = lines[0]
    assert (first["method"], first["path"], first["status"]) == ("GET", "/api/users/me", 200)
    assert (first["user"], first["request_id"]) == (registered["data"]["user"]["id"], "req-7")
    assert (first["api"], first["address"]) == ("smart_ai_hub", "127.0.0.1")
    assert "CANARY" not in str(lines)
