"""The first administrator: made at start-up from `HUB_ADMIN_EMAIL` and `HUB_ADMIN_PASSWORD`, or by `run.py create-admin`."""

import structlog

from config.settings import Settings
from hub import identity_input
from hub.errors import Code, HubError
from hub.identity import Identities
from hub.passwords import Passwords
from hub.signup import Registration
from models import users
from models.database import Database, Document

log = structlog.get_logger(__name__)


async def seed(settings: Settings, database: Database, identities: Identities, passwords: Passwords) -> None:
    """Have the configured administrator, if one is configured. Raises `HubError` where the settings are unusable.

    A user who is there already is made one only if the configured password is theirs: a stranger may have registered
    the address before.
    """
    email, password = settings.admin_email, settings.admin_password
    if email is None or password is None:
        return
    user = await _by_email(database, email) or await _created(identities, email, password)
    user = user or await _by_email(database, email)  # another process was faster
    if user is None or user["role"] == "admin":
        return
    if await passwords.verify(password, user["password"]):
        await identities.change_user(user["_id"], {"role": "admin"})
    else:
        log.warning("HUB_ADMIN_EMAIL belongs to a user with another password, who stays a user", user=user["_id"])


async def create_admin(database: Database, identities: Identities, email: str, password: str) -> Document:
    """Make an administrator, or make one of the user who has the address and leave their password. Raises `HubError`."""
    user = await _created(identities, email, password) or await _by_email(database, email)
    if user is None:
        raise HubError(Code.CONFLICT, "The user vanished meanwhile; try again")
    return await identities.change_user(user["_id"], {"role": "admin"})


async def _created(identities: Identities, email: str, password: str) -> Document | None:
    """A new administrator, or None where the address is taken."""
    try:
        return (await identities.create(Registration(email, password), role="admin")).user
    except HubError as error:
        if error.code is Code.CONFLICT:
            return None
        raise


async def _by_email(database: Database, email: str) -> Document | None:
    return await users.by_email(database, identity_input.key(identity_input.email(email)))
