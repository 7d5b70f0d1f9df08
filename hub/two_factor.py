"""Two-factor sign-in as its user sets it up: switched on, renewed, switched off.

    begin(password) --secret, QR code--> authenticator --first code--> enable --> recovery codes, shown once
                                                                       renew_codes(code)   disable(password or code)

Each change is one operation of the ledger: the second factor, the user's document, the logins that end, the mail, the
notification and the revocation stand together or not at all. How a sign-in asks for it is `hub/second_factor.py`'s.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pyotp
import segno

from config import assistant
from hub import account_changes, mail_jobs, notifications, recovery_codes
from hub.account_changes import Compose
from hub.errors import Code, FieldError, HubError, invalid
from hub.identity import Identities, Identity
from hub.ledger import Ledger
from hub.mail_jobs import MailJobs
from hub.operations import Delete, Insert, Operation, Update
from hub.passwords import Passwords
from hub.user_events import updated
from models import logins, revocations, two_factor, users
from models.clock import now
from models.database import Database, Document, Transaction
from models.ids import new_id

_ISSUER = "Smart AI Hub"
_QR_SCALE = 4


@dataclass(frozen=True, slots=True)
class Begun:
    """What an authenticator needs: the secret, to be typed, the same as an address, and that as a picture (SVG)."""

    secret: str = field(repr=False)
    address: str = field(repr=False)
    picture: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Told:
    """How a change is told: the kind of the mail, and the notification."""

    mail: str
    title: str
    text: str


_ON = _Told(
    *("two_factor_on", "Two-factor sign-in is on"),
    "Your other logins have been ended. If it was not you, ask for a new password at once.",
)
_OFF = _Told(
    *("two_factor_off", "Two-factor sign-in is off"),
    "A sign-in asks for no code any more. If it was not you, change your password at once.",
)
_RENEWED = _Told(
    *("recovery_codes_renewed", "You have new recovery codes"),
    "Those from before are worth nothing now. If it was not you, change your password at once.",
)


class TwoFactor:
    """One per process. All methods raise `HubError` where the ledger does, and let `DatabaseError`s of reads out."""

    def __init__(
        self, database: Database, ledger: Ledger, passwords: Passwords, identities: Identities, mail: MailJobs
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._passwords = passwords
        self._throttle = identities.throttle
        self._second = identities.second_factor
        self._revocations = identities.revocations
        self._mail = mail

    async def state(self, user: str) -> tuple[bool, int]:
        """Whether it is on, and how many recovery codes are left."""
        found = await two_factor.of_user(self._database, user)
        is_on = found is not None and bool(found["enabled"])
        return is_on, len(found["recovery"]) if found is not None and is_on else 0

    async def begin(self, identity: Identity, password: str | None) -> Begun:
        """Make a secret for an authenticator; nothing asks for it before `enable`. An earlier one is forgotten.

        Raises `HubError`: CONFLICT (it is on already), INVALID (no password), BAD_CREDENTIALS, RATE_LIMITED, and FORBIDDEN
        for who has no password and a login that is not fresh.
        """
        user = await self._user(identity)
        if user.get("two_factor"):
            raise _is_on()
        await self._prove(identity, user, password)
        secret, moment = pyotp.random_base32(), now()
        expires_at = moment + timedelta(seconds=assistant.TWO_FACTOR_SETUP_SECONDS)
        if not await two_factor.begin(self._database, user["_id"], self._second.seal(secret), moment, expires_at):
            raise _is_on()
        address = pyotp.TOTP(secret).provisioning_uri(name=user["email"], issuer_name=_ISSUER)
        return Begun(secret, address, _picture(address))

    async def enable(self, identity: Identity, code: str) -> list[str]:
        """Switch it on by the first code that the authenticator shows; the recovery codes. Every other login ends.

        Raises `HubError`: CONFLICT (not begun, too long ago, or on already), INVALID naming `code`, RATE_LIMITED.
        """
        user, moment = identity.user_id, now()
        await self._throttle.second_factor(user)
        found = _begun(await two_factor.of_user(self._database, user), moment)
        step = self._second.step_of(found, recovery_codes.plain(code), moment)
        if step is None:
            raise invalid("code", "is not the one that the authenticator shows")
        await self._throttle.second_factor_shown(user)
        codes = recovery_codes.made()
        set_up = {"enabled": True, "last_step": step, "recovery": self._second.digests(user, codes)}

        async def compose(transaction: Transaction) -> tuple[Operation, Document]:
            standing = _begun(await two_factor.within(transaction, user), moment)
            if standing["created_at"] != found["created_at"]:  # begun anew meanwhile, with another secret
                raise _not_begun()
            return await _switched_on(transaction, identity, set_up, moment)

        await self._commit(compose)
        return codes

    async def disable(self, identity: Identity, password: str | None, code: str | None) -> None:
        """Switch it off by a code, or else by the password.

        Raises `HubError`: CONFLICT (it is off), INVALID (neither of them), BAD_CREDENTIALS, RATE_LIMITED.
        """
        user = await self._user(identity)
        if not user.get("two_factor"):
            raise _is_off()
        if code is None and (password is None or user["password"] is None):
            raise invalid("code", "is required, or the password")
        await (self._prove(identity, user, password) if code is None else self._show(identity, code))
        await self._commit(lambda transaction: switched_off(transaction, identity.user_id, now()))

    async def renew_codes(self, identity: Identity, code: str) -> list[str]:
        """A new set of recovery codes in the place of the old one.

        Raises `HubError`: CONFLICT (it is off), BAD_CREDENTIALS, RATE_LIMITED.
        """
        if not (await self._user(identity)).get("two_factor"):
            raise _is_off()
        await self._show(identity, code)
        codes = recovery_codes.made()
        digests = self._second.digests(identity.user_id, codes)
        await self._commit(lambda transaction: _renewed(transaction, identity.user_id, digests, now()))
        return codes

    # --- who asks --------------------------------------------------------------------------------------------

    async def _user(self, identity: Identity) -> Document:
        user = await users.by_id(self._database, identity.user_id)
        if user is None:
            raise HubError(Code.NOT_FOUND, "No such user")
        return user

    async def _prove(self, identity: Identity, user: Document, password: str | None) -> None:
        """By the password; who signs in by Google alone has none, and signs in anew instead."""
        if user["password"] is None:
            await self._check_fresh(identity)
            return
        if password is None:
            raise invalid("password", "is required")
        await self._throttle.password_change(user["_id"])
        if not await self._passwords.verify(password, user["password"]):
            says = [FieldError("password", "is not right")]
            raise HubError(Code.BAD_CREDENTIALS, "The password is not right", says)
        await self._throttle.password_changed(user["_id"])

    async def _check_fresh(self, identity: Identity) -> None:
        login = await logins.by_id(self._database, identity.login_id or "")
        oldest = now() - timedelta(seconds=assistant.TWO_FACTOR_FRESH_SECONDS)
        if login is None or login["created_at"] < oldest:
            raise HubError(Code.FORBIDDEN, "This login is too old for that: sign out, and in again")

    async def _show(self, identity: Identity, code: str) -> None:
        """By a code, which is then used up."""
        await self._throttle.second_factor(identity.user_id)
        if not await self._second.takes(identity.user_id, code):
            says = [FieldError("code", "is not right, or was used before")]
            raise HubError(Code.BAD_CREDENTIALS, "The code is not right", says)
        await self._throttle.second_factor_shown(identity.user_id)

    async def _commit(self, compose: Compose) -> None:
        await account_changes.commit(self._ledger, self._revocations, self._mail, compose)


# --- the operations ---------------------------------------------------------------------------------------------


async def _switched_on(
    transaction: Transaction, identity: Identity, set_up: Document, moment: datetime
) -> tuple[Operation, Document]:
    """Every other login ends: it was made by the password alone."""
    user, kept = identity.user_id, identity.login_id
    revocation = revocations.new_revocation(user, "two_factor_on", moment, None, None, kept=kept)
    ended = [login for login in await logins.ids_of(transaction, user) if login != kept]
    change = Update(two_factor.TWO_FACTOR, {"_id": user}, {"$set": set_up, "$unset": {"expires_at": ""}})
    flag = {"$set": {"two_factor": True, "updated_at": moment}}
    return _told(user, _ON, revocation, [change, _of_user(user, flag)], ended), revocation


async def switched_off(transaction: Transaction, user: str, moment: datetime) -> tuple[Operation, Document]:
    """The end of it, with its revocation, for who has shown that they may. Raises `HubError` CONFLICT where it is off."""
    if not await _is_enabled(transaction, user):
        raise _is_off()
    revocation = revocations.new_revocation(user, revocations.CHANGED, moment, None, None)
    flag = {"$unset": {"two_factor": ""}, "$set": {"updated_at": moment}}
    operation = _told(user, _OFF, revocation, [_of_user(user, flag)])
    operation.deletes = [Delete(two_factor.TWO_FACTOR, {"_id": user})]
    return operation, revocation


async def _renewed(
    transaction: Transaction, user: str, digests: Sequence[str], moment: datetime
) -> tuple[Operation, Document]:
    if not await _is_enabled(transaction, user):
        raise _is_off()
    revocation = revocations.new_revocation(user, revocations.CHANGED, moment, None, None)
    change = Update(two_factor.TWO_FACTOR, {"_id": user}, {"$set": {"recovery": list(digests)}})
    return _told(user, _RENEWED, revocation, [change]), revocation


def _told(
    user: str, told: _Told, revocation: Document, updates: Sequence[Update], ended: Sequence[str] = ()
) -> Operation:
    """A change with all that goes with it; `ended` are the logins that it ends."""
    notice, event = notifications.notice(user, "warning", "security", told.title, told.text)
    return Operation(
        new_id("two_factor"),
        updates=updates,
        inserts=[Insert(revocations.REVOCATIONS, revocation), notice, mail_jobs.promised(told.mail, user)],
        deletes=[Delete(logins.LOGINS, {"_id": login}) for login in ended],
        events=[updated(user, ["two_factor"], revocation["created_at"]), event],
    )


def _of_user(user: str, change: Document) -> Update:
    return Update(users.USERS, {"_id": user}, change)


async def _is_enabled(transaction: Transaction, user: str) -> bool:
    found = await two_factor.within(transaction, user)
    return found is not None and bool(found["enabled"])


def _begun(found: Document | None, moment: datetime) -> Document:
    """A set-up that may be finished. Raises `HubError` CONFLICT."""
    if found is not None and found["enabled"]:
        raise _is_on()
    if found is None or found["expires_at"] <= moment:
        raise _not_begun()
    return found


def _not_begun() -> HubError:
    return HubError(Code.CONFLICT, "The set-up has not begun, or too long ago: begin it anew")


def _is_on() -> HubError:
    return HubError(Code.CONFLICT, "Two-factor sign-in is on already")


def _is_off() -> HubError:
    return HubError(Code.CONFLICT, "Two-factor sign-in is off")


def _picture(address: str) -> str:
    """A QR code as an SVG document."""
    written = io.BytesIO()
    code = segno.make(address, error="m", micro=False)
    code.save(written, kind="svg", scale=_QR_SCALE, xmldecl=False, nl=False, dark="#000", light="#fff")
    return written.getvalue().decode()
