"""Every kind of bad access token, in every way in which one comes: 401, or cut off for its size, never a failure of ours."""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import quote

import jwt
import pytest
from tornado.simple_httpclient import HTTPStreamClosedError

from tests.bad_tokens import Forger
from tests.site import Site
from tests.ws_client import Client, Closed, Refused

SECRET: Final = "a secret of the tests that is long enough to be one"
PATH: Final = "/v1/models"
HUGE: Final = ("one megabyte", "one megabyte, signed")
LONG: Final = ("just too long", "a deep header", "a header with a huge number")  # above 4,096 characters
Way = Callable[[Site, str], Awaitable[int]]


@pytest.fixture
def site(serve: Callable[..., Site]) -> Site:
    return serve(HUB_RATE_LIMITS="off", HUB_JWT_SECRET=SECRET)


async def forger(site: Site) -> Forger:
    """Knows all that a good token holds."""
    claims = jwt.decode(await site.token(), SECRET, algorithms=["HS256"], audience="hub:api")
    return Forger(SECRET, claims["sub"], claims["sid"])


async def by_bearer(site: Site, token: str) -> int:
    return (await site.client().raw("GET", PATH, None, {"Authorization": f"Bearer {_sendable(token)}"})).code


async def by_key_header(site: Site, token: str) -> int:
    return (await site.client().raw("GET", PATH, None, {"X-API-Key": _sendable(token)})).code


async def by_query(site: Site, token: str) -> int:
    return (await site.client().raw("GET", f"{PATH}?token={quote(token, errors='surrogatepass')}")).code


async def by_upgrade(site: Site, token: str) -> int:
    """200 for a socket that is open, and still has to say who it is if the credential was none."""
    try:
        client = await Client.open(site.port, f"/ws?token={quote(token, errors='surrogatepass')}")
    except Refused as refused:
        return refused.status
    client.abort()
    return 200


async def by_command(site: Site, token: str) -> int:
    """`connect` on an open socket; its error codes as the statuses that stand for them."""
    client = await Client.open(site.port)
    client.send_unchecked("connect", token=token)
    try:
        reply = await client.receive()
    except Closed as closed:
        return closed.code or 0
    client.abort()
    return _STATUSES[reply["error"]["code"]] if "error" in reply else 200


_STATUSES: Final = {"AUTHENTICATION_FAILED": 401, "VALIDATION_ERROR": 422}


def _sendable(token: str) -> str:
    """As the client can write it: other characters as the bytes of their UTF-8."""
    return token.encode("utf-8", "surrogatepass").decode("latin-1")


async def _answered(answer: Awaitable[int]) -> int:
    """0 where the connection was cut instead."""
    try:
        return await answer
    except (ConnectionError, EOFError, HTTPStreamClosedError):
        return 0


# What is answered otherwise than by 401. A request's head beyond its bound is cut off, and so is a frame; a query that holds
# nothing, or more than is read of one, brings no credential; what is longer than a token can be is no field of a frame.
EXCEPTIONS: Final[dict[Way, dict[str, int]]] = {
    by_bearer: dict.fromkeys(HUGE, 0),
    by_key_header: dict.fromkeys(HUGE, 0),
    by_query: dict.fromkeys(HUGE, 0),
    by_upgrade: {**dict.fromkeys(HUGE, 0), **dict.fromkeys(("empty", *LONG), 200)},
    by_command: {**dict.fromkeys(HUGE, 1009), **dict.fromkeys(("empty", "surrogate", *LONG), 422)},
}


@pytest.mark.gen_test
@pytest.mark.parametrize("way", EXCEPTIONS)
async def test_a_bad_token_opens_nothing(site: Site, way: Way) -> None:
    forged = await forger(site)
    assert await way(site, forged.signed()) == 200, "else the refusals below would prove nothing"
    bad = forged.bad()
    answers = {name: await _answered(way(site, token)) for name, token in bad.items()}
    assert answers == dict.fromkeys(bad, 401) | EXCEPTIONS[way]
    Client.abort_all()
