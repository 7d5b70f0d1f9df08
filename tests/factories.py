"""What tests need to exist first: users with wallets, requests of theirs."""

from typing import Any

from hub.chat_request import ChatRequest
from hub.identity import Credential, Identity, LoginResult, Registration
from hub.ledger import Ledger
from hub.notifications import notice
from hub.operations import Leg, Operation
from hub.services import Services
from models.ids import new_id

_numbers = iter(range(1, 10**9))


async def sign_up(services: Services) -> LoginResult:
    """A new user's first login; the welcome credits are what the services' settings say."""
    email = f"user{next(_numbers)}@example.org"
    registration = Registration(email, "correct horse battery", None, "Ada", "Lovelace", "127.0.0.1")
    return await services.identities.register(registration)


async def make_user(services: Services) -> Identity:
    """A registered user, logged in."""
    login = await sign_up(services)
    return await services.identities.resolve(Credential("bearer", login.access_token))


async def make_wallet(ledger: Ledger, micro: int = 0, points: int = 0) -> str:
    """The id of a user who is nothing but a wallet with so many micro-credits and points."""
    user = new_id("user")
    legs = [Leg(user, "credit", "adjustment", micro, "test")] if micro else []
    legs += [Leg(user, "point", "adjustment", points, "test")] if points else []
    await ledger.commit(Operation(id=new_id("grant"), new_wallets=[user], legs=legs))
    return user


async def grant(ledger: Ledger, user: str, micro: int) -> None:
    """Give (or, with a negative amount, take) credits."""
    leg = Leg(user, "credit", "adjustment", micro, "test")
    await ledger.commit(Operation(id=new_id("grant"), legs=[leg]))


async def grant_points(ledger: Ledger, user: str, points: int) -> None:
    """Give points."""
    leg = Leg(user, "point", "adjustment", points, "test")
    await ledger.commit(Operation(id=new_id("grant"), legs=[leg]))


async def tell(services: Services, user: str, title: str, text: str, category: str = "system") -> str:
    """Notify a user; the id of the notification."""
    insert, event = notice(user, "info", category, title, text)
    await services.ledger.commit(Operation(id=new_id("op"), inserts=[insert], events=[event]))
    assert isinstance(insert.document, dict)
    return str(insert.document["_id"])


def ask(content: str = "Tell me something", **fields: Any) -> ChatRequest:
    """A completion request with one message."""
    defaults: dict[str, Any] = {"model": "gpt-4", "api": "smart_ai_hub", "endpoint": "/ws"}
    return ChatRequest(**{**defaults, "messages": [{"role": "user", "content": content}], **fields})
