"""Another username or address of a user: what is looked at, and what must stand with it. `hub/accounts.py` commits it."""

from collections.abc import Mapping, Sequence
from typing import Final

from hub import identity_input, mail_jobs, notifications
from hub.errors import Code, FieldError, HubError
from hub.operations import Delete, Insert, NewEvent, Operation, Update
from hub.user_events import updated
from models import one_time, revocations, users
from models.clock import now
from models.database import Document, Transaction
from models.ids import new_id

_FIELDS: Final[Mapping[str, str]] = {"email_key": "email", "username_key": "username"}
_MAILED: Final = ("reset", "verify")  # the kinds of links that an address gets


def wanted(username: str | None, email: str | None) -> Document:
    """Fields of the user's document. Raises `HubError` INVALID."""
    made: Document = {}
    if username is not None:
        name = identity_input.profile_username(username)
        made |= {"username": name, "username_key": identity_input.key(name)}
    if email is not None:
        address = identity_input.email(email)
        made |= {"email": address, "email_key": identity_input.key(address)}
    return made


async def compose(transaction: Transaction, before: Document, fields: Document) -> tuple[Operation, Document]:
    """The operation with its revocation. Raises `HubError` CONFLICT, naming every field that is another's."""
    await _check_free(transaction, before["_id"], fields)
    if fields.get("email_key", before["email_key"]) != before["email_key"]:
        return await _moved(transaction, before, {**fields, "email_verified": False})
    return _renamed(before, fields)


def _renamed(
    before: Document,
    fields: Document,
    inserts: Sequence[Insert] = (),
    deletes: Sequence[Delete] = (),
    events: Sequence[NewEvent] = (),
) -> tuple[Operation, Document]:
    """The change itself, and what else stands with it."""
    user, moment = before["_id"], now()
    changed = revocations.new_revocation(user, revocations.CHANGED, moment, None, None)
    names = [name for name in fields if name not in _FIELDS]
    operation = Operation(
        new_id("profile"),
        updates=[Update(users.USERS, {"_id": user}, {"$set": {**fields, "updated_at": moment}})],
        inserts=[Insert(revocations.REVOCATIONS, changed), *inserts],
        deletes=deletes,
        events=[updated(user, names, moment), *events],
    )
    return operation, changed


async def _moved(transaction: Transaction, before: Document, fields: Document) -> tuple[Operation, Document]:
    """To another address: whoever reads the mail of the old one can do nothing any more, but hears of it."""
    user = before["_id"]
    notice, told = notifications.notice(
        *(user, "warning", "security", "Your e-mail address was changed"),
        "Please confirm the new one. If it was not you, change your password at once.",
    )
    letters = [mail_jobs.promised("verify", user), mail_jobs.promised("email_changed", user, to=before["email"])]
    mailed = [secret for kind in _MAILED for secret in await one_time.ids_of(transaction, user, kind)]
    deletes = [Delete(one_time.ONE_TIME, {"_id": secret}) for secret in mailed]
    return _renamed(before, fields, [notice, *letters], deletes, [told])


async def _check_free(transaction: Transaction, user: str, fields: Document) -> None:
    taken = [
        name
        for key, name in _FIELDS.items()
        if key in fields and await users.has_within(transaction, key, fields[key], user)
    ]
    if taken:
        message = f"A user with this {' and '.join(taken)} already exists"
        raise HubError(Code.CONFLICT, message, [FieldError(name, "is taken") for name in taken])
