"""Sign-up: what a person signs up with, and what stands together or not at all when a user comes to be.

User, wallet, welcome credits, welcome notification, its events and the first login are one operation of the ledger. Pure:
it checks and makes, and `hub/identity.py` commits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hub import identity_input, notifications
from hub.errors import Code, FieldError, HubError
from hub.operations import Insert, Leg, NewEvent, Operation
from hub.passwords import check_composition, check_form
from models import users
from models.clock import now, timestamp
from models.database import Document
from models.ids import new_id
from models.logins import LOGINS

_FIELDS = {"email_key": "email", "username_key": "username", "google_subject": "Google account"}


@dataclass(frozen=True, slots=True)
class Registration:
    """What a person signs up with; `address` is where from. The password's further rule comes with a username."""

    email: str
    password: str = field(repr=False)
    username: str | None = None
    first_name: str = ""
    last_name: str = ""
    address: str = ""


def check(registration: Registration) -> None:
    """Raises `HubError` INVALID."""
    _fields(registration)
    check_form(registration.password)
    if registration.username is not None:
        check_composition(registration.password)


def new_user(registration: Registration, password: str, number: int, role: str) -> Document:
    """The user's document; `password` is the hash. Raises `HubError` INVALID."""
    fields = _fields(registration)
    email = fields.pop("email")
    user = users.new_user(new_id("user"), number, email, identity_input.key(email), password, now())
    return user | fields | {"role": role}


def _fields(registration: Registration) -> dict[str, str]:
    """What a registration gives a user's document."""
    fields = {
        "email": identity_input.email(registration.email),
        "first_name": identity_input.name(registration.first_name, "firstName"),
        "last_name": identity_input.name(registration.last_name, "lastName"),
    }
    if registration.username is not None:
        fields["username"] = identity_input.username(registration.username)
        fields["username_key"] = identity_input.key(fields["username"])
    return fields


def new_google_user(email: str, subject: str, first_name: str, last_name: str, number: int) -> Document:
    """The document of who signs up by Google, with an address that Google has confirmed. Raises `HubError` INVALID."""
    shown = identity_input.email(email)
    user = users.new_user(new_id("user"), number, shown, identity_input.key(shown), None, now())
    names = {"first_name": _usable_name(first_name), "last_name": _usable_name(last_name)}
    return user | names | {"email_verified": True, "google_subject": subject}


def _usable_name(name: str) -> str:
    """What another company calls somebody, or nothing: it must keep nobody out."""
    try:
        return identity_input.name(name, "name")
    except HubError:
        return ""


def operation_id(user: str) -> str:
    """Of the operation by which a user came to be; the entry of the welcome credits has it."""
    return f"signup:{user}"


def operation(user: Document, login: Document, welcome_micro: int, also: Sequence[Insert] = ()) -> Operation:
    """All of a sign-up, and what else stands with it.

    A taken address or username fails it with `HubError` CONFLICT naming the field.
    """
    user_id, moment = user["_id"], user["created_at"]
    welcome = Leg(user_id, "credit", "bonus", welcome_micro, "Welcome credits")
    welcome_notice, told = notifications.notice(
        user_id, "info", "account", "Welcome to Smart AI Hub", "Your account has been created successfully."
    )
    unique = [name for name in _FIELDS if name in user]
    return Operation(
        id=operation_id(user_id),
        new_wallets=[user_id],
        legs=[welcome] if welcome_micro else [],
        inserts=[
            Insert(users.USERS, user, unique=unique, taken=_taken),
            Insert(LOGINS, login),
            welcome_notice,
            *also,
        ],
        events=[
            NewEvent(user_id, "user.created", _user_event(user)),
            told,
        ],
        created_at=moment,
    )


def _taken(name: str) -> HubError:
    field = _FIELDS[name]
    message = f"A user with this {field} already exists"
    return HubError(Code.CONFLICT, message, [FieldError(field, message)])


def _user_event(user: Document) -> Document:
    """Without the address: the administrator's feed shows events, and no mail addresses."""
    return {"user_id": user["_id"], "tier": user["tier"], "created_at": timestamp(user["created_at"])}
