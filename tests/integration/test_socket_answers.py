"""What the sockets' addresses answer while they are none: in the form of their API, as every other address does."""

import base64
import json
from typing import Any, Final

import pytest

from config import limits
from tests.api_client import ApiClient, check
from tests.ledger_parts import fail_point
from tests.site import Site

PATHS: Final = {"/ws": "smart_ai_hub", "/ws/admin": "smart_ai_hub", "/v1/ai/stream": "ai_playground"}
CODES: Final = {  # of a malformed request, a missing credential, something forbidden
    "smart_ai_hub": ("VALIDATION_ERROR", "AUTHENTICATION_FAILED", "AUTHORIZATION_FAILED"),
    "ai_playground": ("VALIDATION_ERROR", "AUTHENTICATION_ERROR", "AUTHORIZATION_ERROR"),
}
UPGRADE: Final = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": base64.b64encode(b"x" * 16).decode(),
    "Sec-WebSocket-Version": "13",
    "X-Request-ID": "req-of-mine",
}


async def refused(client: ApiClient, path: str, status: int, code: str, **headers: str) -> Any:
    """An upgrade that is answered otherwise, in the API's envelope and with its headers."""
    response = await client.raw("GET", path, None, {**UPGRADE, **headers})
    assert response.code == status, response.body
    check(response, PATHS[path])
    assert response.headers["X-Request-ID"] == "req-of-mine"
    assert json.loads(response.body)["error"]["code"] == code
    return response


@pytest.mark.gen_test
@pytest.mark.parametrize("path", PATHS)
async def test_what_is_no_upgrade_is_answered_in_the_dialect(site: Site, path: str) -> None:
    malformed, _, _ = CODES[PATHS[path]]
    client = site.client(PATHS[path])
    assert (await client.get(path, status=400)).code == malformed
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await client.request(method, path, {}, status=405)
        assert answer.code == "METHOD_NOT_ALLOWED" and "GET" in answer.headers["Allow"]
    await client.post(path, b" " * (limits.BODY_BYTES_MAX + 1), status=413)
    await refused(client, path, 400, malformed, Connection="close")
    await refused(client, path, 400, malformed, **{"Sec-WebSocket-Key": ""})
    old = await refused(client, path, 400, malformed, **{"Sec-WebSocket-Version": "8"})
    assert old.headers["Sec-WebSocket-Version"] == "13"


@pytest.mark.gen_test
@pytest.mark.parametrize("path", PATHS)
async def test_who_is_turned_away_is_told_so_in_the_dialect(site: Site, path: str) -> None:
    _, unknown, forbidden = CODES[PATHS[path]]
    client = site.client(PATHS[path])
    await refused(client, path, 401, unknown, Authorization="Bearer wrong")
    await refused(
        client, path, 403, forbidden, Cookie=f"auth_token={await site.cookie()}", Origin="https://evil.example"
    )
    service = str(site.services.settings.service_token)
    await refused(client, path, 403, forbidden, Authorization=f"Bearer {service}")
    if path == "/ws/admin":
        await refused(client, path, 403, forbidden, Authorization=f"Bearer {await site.token()}")


@pytest.mark.gen_test
async def test_a_database_that_is_away_is_503_with_every_header(site: Site, mongod_uri: str) -> None:
    """On the sockets as on the rest; a token that was not seen before has to be looked up."""
    paths = {**PATHS, "/api/users/me": "smart_ai_hub"}
    tokens = [await site.token() for _ in paths]
    async with fail_point(mongod_uri, "alwaysOn", ["find"], closeConnection=True):
        for (path, dialect), token in zip(paths.items(), tokens, strict=True):
            response = await site.client().raw("GET", path, None, {**UPGRADE, "Authorization": f"Bearer {token}"})
            assert response.code == 503, path
            check(response, dialect)
