"""What the tests of identity share: one process's part of the hub that knows identities, and short names for its use."""

import dataclasses
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config import settings
from handlers.failures import as_hub_error
from hub.access_tokens import AccessTokens
from hub.counters import MemoryCounters
from hub.errors import Code, HubError
from hub.identity import Credential, Identities, LoginResult, Registration
from hub.ledger import Ledger
from hub.login_secrets import login_of
from hub.passwords import Passwords
from hub.realtime.broker import MemoryBroker, Publication
from hub.tasks import Tasks
from hub.throttle import Throttle
from models.database import Database, DatabaseError

PASSWORD = "securePassword123"
HERE = "203.0.113.7"
FAST = 4


class LostBroker(MemoryBroker):
    """A broker that loses every message."""

    def publish(self, channel: str, publication: Publication) -> None:
        pass


@dataclass
class Hub:
    """One process's part of the hub that knows identities."""

    database: Database
    broker: MemoryBroker
    passwords: Passwords
    identities: Identities
    tasks: Tasks
    settings: settings.Settings


@asynccontextmanager
async def open_hub(
    database: Database, folder: Path, broker: MemoryBroker | None = None, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Hub]:
    configured = settings.load({"HUB_DATA_DIR": str(folder), **(environ or {})})
    broker = broker or MemoryBroker()
    tasks = Tasks()
    ledger = Ledger(database, broker)
    ledger.open()
    ledger.start(tasks)
    passwords = Passwords(configured.jwt_secret, cost=FAST)
    tokens = AccessTokens(configured.jwt_secret)
    throttle = Throttle(configured.rate_limits, MemoryCounters())
    identities = Identities(configured, database, ledger, broker, tokens, passwords, throttle)
    try:
        yield Hub(database, broker, passwords, identities, tasks, configured)
    finally:
        identities.close()
        await ledger.close()
        await tasks.close(5)
        await passwords.close()


def registration(email: str = "user@example.com", **changes: Any) -> Registration:
    return dataclasses.replace(Registration(email, PASSWORD, address=HERE), **changes)


def bearer(result: LoginResult) -> Credential:
    return Credential("bearer", result.access_token)


def cookie(result: LoginResult) -> Credential:
    assert result.cookie is not None
    return Credential("cookie", result.cookie)


async def put_out(hub: Hub, result: LoginResult, reason: str = "suspended") -> None:
    """End a login from outside."""
    login = login_of(result.refresh_token)
    assert login is not None
    await hub.identities.revoke_login(login, result.user["_id"], reason)


async def code_of(awaitable: Any) -> Code | None:
    """How a call failed, as its caller would be told; None where it did not."""
    try:
        await awaitable
    except (HubError, DatabaseError) as error:
        return as_hub_error(error).code
    return None
