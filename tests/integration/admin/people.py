"""An administrator and a user of a served hub."""

import asyncio
from dataclasses import dataclass
from typing import Any

from tests.api_client import ApiClient
from tests.site import Site
from tests.ws_client import PATIENCE_SECONDS, Client


@dataclass(frozen=True)
class Person:
    id: str
    email: str
    token: str
    client: ApiClient


async def person(site: Site, **fields: Any) -> Person:
    registered = await site.register(**fields)
    user, token = registered["data"]["user"], registered["access_token"]
    return Person(user["id"], user["email"], token, site.client(token=token))


async def administrator(site: Site, **fields: Any) -> Person:
    made = await person(site, **fields)
    await site.services.identities.change_user(made.id, {"role": "admin"})
    return made


async def put(who: Person, path: str, body: Any, status: int = 200) -> Any:
    return await who.client.request("PUT", path, body, status=status)


async def change(who: Person, user: str, answered: int = 200, /, **fields: Any) -> Any:
    return await put(who, f"/api/admin/users/{user}", fields, answered)


async def adjust(who: Person, user: str, answered: int = 200, /, **fields: Any) -> Any:
    body = {"amount": 5, "reason": "A test", "type": "bonus", **fields}
    return await who.client.post(f"/api/admin/users/{user}/credits/adjust", body, status=answered)


async def hang_up(site: Site) -> None:
    """End all sockets of a test, and wait until the hub knows."""
    Client.abort_all()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(site.services.connections):
            await asyncio.sleep(0.005)
