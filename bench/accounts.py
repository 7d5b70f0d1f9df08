"""Users of a running hub, made by the hub's own sign-up operation but without hashing a password for each.

They are of the tier `enterprise`, which has the widest limits a minute: they are counted all the same.
"""

import asyncio

from bench.hub_process import DATABASE, SIGNUP_CREDITS, HubProcess
from config import limits
from hub import login_secrets, signup
from hub.access_tokens import AccessTokens
from hub.ledger import Ledger
from hub.realtime.broker import MemoryBroker
from hub.signup import Registration
from hub.tasks import Tasks
from models.database import Database
from models.shapes import ALL

SETTLE_SECONDS = limits.DRIFT_SECONDS + 2  # until the drift monitor has looked at the wallets that were just made
_NO_PASSWORD = "!"  # no bcrypt hash: nobody signs in with it
_AT_ONCE = 1_000  # far below what may wait for the ledger
_FIRST_NUMBERS = {"user": 1_000_000, "admin": 2_000_000}  # far from those that the hub gives


async def sign_up(hub: HubProcess, count: int, role: str = "user") -> list[str]:
    """Make so many users; the access token of each. Once a role: their addresses are numbered."""
    database, broker, tasks = Database(hub.mongodb_uri, DATABASE), MemoryBroker(), Tasks()
    await database.open(ALL)
    ledger = Ledger(database, broker)
    ledger.open()
    ledger.start(tasks)
    try:
        tokens = AccessTokens(hub.jwt_secret)
        made: list[str] = []
        for start in range(0, count, _AT_ONCE):
            numbers = range(start, min(start + _AT_ONCE, count))
            made += await asyncio.gather(*(_sign_up(ledger, tokens, number, role) for number in numbers))
        return made
    finally:
        await ledger.close()
        await tasks.close(1.0)
        await database.close()


async def _sign_up(ledger: Ledger, tokens: AccessTokens, number: int, role: str) -> str:
    registration = Registration(f"bench-{role}{number}@example.com", _NO_PASSWORD)
    user = signup.new_user(registration, _NO_PASSWORD, _FIRST_NUMBERS[role] + number, role) | {"tier": "enterprise"}
    login = login_secrets.start(user["_id"], user["created_at"])
    await ledger.commit(signup.operation(user, login.document, SIGNUP_CREDITS * 1_000_000))
    return tokens.issue(user["_id"], login.document["_id"], role)[0]
