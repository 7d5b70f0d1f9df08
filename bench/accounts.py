"""Users of a running hub, made by the hub's own sign-up operation but without hashing a password for each.

They are of the tier `enterprise`, so that no limit a minute binds: limits are counted all the same.
"""

import asyncio

from bench.hub_process import DATABASE, SIGNUP_CREDITS, HubProcess
from hub import login_secrets, signup
from hub.access_tokens import AccessTokens
from hub.ledger import Ledger
from hub.realtime.broker import MemoryBroker
from hub.signup import Registration
from hub.tasks import Tasks
from models.database import Database
from models.shapes import ALL

_NO_PASSWORD = "!"  # no bcrypt hash: nobody signs in with it
_FIRST_NUMBER = 1_000_000  # far from those that the hub gives


async def sign_up(hub: HubProcess, count: int) -> list[str]:
    """Make so many users; the access token of each."""
    database, broker, tasks = Database(hub.mongodb_uri, DATABASE), MemoryBroker(), Tasks()
    await database.open(ALL)
    ledger = Ledger(database, broker)
    ledger.open()
    ledger.start(tasks)
    try:
        tokens = AccessTokens(hub.jwt_secret)
        return list(await asyncio.gather(*(_sign_up(ledger, tokens, number) for number in range(count))))
    finally:
        await ledger.close()
        await tasks.close(1.0)
        await database.close()


async def _sign_up(ledger: Ledger, tokens: AccessTokens, number: int) -> str:
    registration = Registration(f"bench{number}@example.com", _NO_PASSWORD)
    user = signup.new_user(registration, _NO_PASSWORD, _FIRST_NUMBER + number, "user") | {"tier": "enterprise"}
    login = login_secrets.start(user["_id"], user["created_at"])
    await ledger.commit(signup.operation(user, login.document, SIGNUP_CREDITS * 1_000_000))
    return tokens.issue(user["_id"], login.document["_id"], "user")[0]
