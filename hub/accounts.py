"""Accounts: what a user does to their own: profile, password, a forgotten password, the address's confirmation.

    forgot_password --the same job for every address--> mail --link--> reset_password
    sign-up, resend ------------------------------job--> mail --link--> verify_email

Each change is one operation of the ledger, made in the transaction that writes it: the user's document, the logins that
end, the secret that is used up, the notification, the events and the revocation stand together or not at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

from hub import account_changes, identity_input, mail_jobs, notifications, one_time, renaming
from hub.account_changes import Compose
from hub.errors import Code, HubError, invalid
from hub.identity import Identity
from hub.ledger import Ledger
from hub.mail_jobs import MailJobs
from hub.operations import Delete, Insert, Operation, Update
from hub.passwords import Passwords, check_form
from hub.revocations import Revocations
from hub.throttle import Throttle
from hub.user_events import updated
from models import logins, revocations, users
from models import one_time as secrets
from models.clock import now
from models.database import Database, Document, Transaction
from models.ids import new_id


@dataclass(frozen=True, slots=True)
class _NewPassword:
    """A password about to be set: its hash, and what it ends. `kept` is the one login that stays."""

    user: str
    hash: str = field(repr=False)
    kept: str | None = None
    also: Mapping[str, Any] = field(default_factory=dict)
    moment: datetime = field(default_factory=now)


class Accounts:
    """One per process. All methods raise `HubError` where the ledger does, and let `DatabaseError`s of reads out."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        passwords: Passwords,
        throttle: Throttle,
        revocation: Revocations,
        mail: MailJobs,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._passwords = passwords
        self._throttle = throttle
        self._revocations = revocation
        self._mail = mail

    # --- profile -------------------------------------------------------------------------------------------

    async def change_profile(self, user: str, changes: Mapping[str, Any]) -> Document:
        """Set fields of the caller's own document; the document after it, without the password."""
        if changes:
            await self._change(user, changes)
        found = await users.by_id(self._database, user)
        if found is None:
            raise HubError(Code.NOT_FOUND, "No such user")
        return users.without_password(found)

    async def _change(self, user: str, changes: Mapping[str, Any]) -> None:
        moment = now()
        changed = revocations.new_revocation(user, revocations.CHANGED, moment, None, None)
        operation = Operation(
            new_id("profile"),
            updates=[Update(users.USERS, {"_id": user}, {"$set": {**changes, "updated_at": moment}})],
            inserts=[Insert(revocations.REVOCATIONS, changed)],
            events=[updated(user, changes, moment)],
        )
        await self._ledger.commit(operation)
        self._revocations.announce(changed)

    async def rename(self, identity: Identity, username: str | None, email: str | None) -> Document:
        """Set the name or the address that the caller is known by, None keeps it; the document as `change_profile` gives it.

        Another address has to be confirmed anew: it gets a link, links that the old one got are worth nothing any more, and
        the old one is told. Raises `HubError`: FORBIDDEN (an API key asks: it could have the password set anew by mail),
        INVALID, RATE_LIMITED, CONFLICT naming the field that is another's.
        """
        if identity.login_id is None:
            raise HubError(Code.FORBIDDEN, "An API key cannot change the username or the address")
        wanted, user = renaming.wanted(username, email), identity.user_id
        if wanted.get("email_key", identity.user["email_key"]) != identity.user["email_key"]:
            await self._throttle.verification_asked(user)

        async def compose(transaction: Transaction) -> tuple[Operation, Document]:
            before = await users.within(transaction, user)
            if before is None:
                raise HubError(Code.NOT_FOUND, "No such user")
            return await renaming.compose(transaction, before, wanted)

        await self._commit(compose)
        return await self.change_profile(user, {})

    # --- password ------------------------------------------------------------------------------------------

    async def change_password(self, identity: Identity, current: str, new: str) -> None:
        """Set another password and end every login but the one that asks.

        Raises `HubError`: FORBIDDEN (an API key asks), RATE_LIMITED, BAD_CREDENTIALS, INVALID, UNAVAILABLE.
        """
        if identity.login_id is None:
            raise HubError(Code.FORBIDDEN, "An API key cannot change the password")
        check_form(new, "newPassword")
        await self._throttle.password_change(identity.user_id)
        user = await users.by_id(self._database, identity.user_id)
        before = user["password"] if user else None
        if not await self._passwords.verify(current, before):
            raise HubError(Code.BAD_CREDENTIALS, "The current password is not right")
        await self._throttle.password_changed(identity.user_id)
        change = _NewPassword(identity.user_id, await self._passwords.hash(new), kept=identity.login_id)

        async def compose(transaction: Transaction) -> tuple[Operation, Document]:
            standing = await users.within(transaction, identity.user_id)
            if standing is None or standing["password"] != before:  # changed or reset meanwhile
                raise HubError(Code.BAD_CREDENTIALS, "The current password is not right")
            return await _setting(transaction, change)

        await self._commit(compose)

    async def forgot_password(self, email: str, address: str) -> None:
        """Promise a mail with a link, if anybody has the address: that is looked up later, so both cost the same.

        Raises `HubError`: INVALID, RATE_LIMITED.
        """
        key = identity_input.key(identity_input.email(email))
        await self._throttle.reset_asked(key, address)
        await self._mail.add("reset", email_key=key)

    async def reset_password(self, token: str, new: str, address: str) -> None:
        """Use a mailed token up and set the password; every login ends, and the address counts as confirmed.

        Raises `HubError`: INVALID (the token, or the password's form), RATE_LIMITED, UNAVAILABLE.
        """
        check_form(new, "newPassword")
        await self._throttle.link_opened(address)
        digest = one_time.digest(token)
        secret = await secrets.standing(self._database, digest, "reset", now())
        if secret is None:
            _bad_token()
        change = _NewPassword(secret["user"], await self._passwords.hash(new), also={"email_verified": True})

        async def compose(transaction: Transaction) -> tuple[Operation, Document]:
            await _mailed_to(transaction, digest, "reset")
            return await _setting(transaction, change)

        await self._commit(compose)

    # --- the address ---------------------------------------------------------------------------------------

    async def verify_email(self, token: str, address: str) -> None:
        """Use a mailed token up: the address is the user's. Raises `HubError`: INVALID, RATE_LIMITED."""
        await self._throttle.link_opened(address)
        digest, moment = one_time.digest(token), now()

        async def compose(transaction: Transaction) -> tuple[Operation, Document]:
            user = await _mailed_to(transaction, digest, "verify")
            changed = revocations.new_revocation(user, revocations.CHANGED, moment, None, None)
            confirmed = {"$set": {"email_verified": True, "updated_at": moment}}
            operation = Operation(
                new_id("verify"),
                updates=[Update(users.USERS, {"_id": user}, confirmed)],
                inserts=[Insert(revocations.REVOCATIONS, changed)],
                deletes=await _ended_secrets(transaction, user, "verify"),
                events=[updated(user, ["email_verified"], moment)],
            )
            return operation, changed

        await self._commit(compose)

    async def resend_verification(self, identity: Identity) -> bool:
        """Promise a further mail; False where the address is confirmed already. Raises `HubError` RATE_LIMITED."""
        if identity.user["email_verified"]:
            return False
        await self._throttle.verification_asked(identity.user_id)
        await self._mail.add("verify", user=identity.user_id)
        return True

    async def join_google(self, user: str, email_key: str, subject: str) -> None:
        """Let a Google account sign in to this user, whose address is confirmed and the same.

        Raises `HubError` CONFLICT where one of them belongs to another already, or the address is not confirmed.
        """
        moment = now()

        async def compose(transaction: Transaction) -> tuple[Operation, Document]:
            await _check_joinable(transaction, user, email_key, subject)
            changed = revocations.new_revocation(user, revocations.CHANGED, moment, None, None)
            notice, told = notifications.notice(
                *(user, "info", "security", "Sign-in by Google"), "Your Google account can sign in to this account now."
            )
            joined = {"$set": {"google_subject": subject, "updated_at": moment}}
            operation = Operation(
                new_id("google"),
                updates=[Update(users.USERS, {"_id": user}, joined)],
                inserts=[Insert(revocations.REVOCATIONS, changed), notice],
                events=[updated(user, ["google_subject"], moment), told],
            )
            return operation, changed

        await self._commit(compose)

    async def _commit(self, compose: Compose) -> None:
        await account_changes.commit(self._ledger, self._revocations, self._mail, compose)


async def _check_joinable(transaction: Transaction, user: str, email_key: str, subject: str) -> None:
    found = await users.within(transaction, user)
    confirmed = found is not None and found["email_verified"] and found["email_key"] == email_key
    if not confirmed or found is None or "google_subject" in found or await users.google_within(transaction, subject):
        raise HubError(Code.CONFLICT, "This address belongs to an account that is signed in to by password")


async def _mailed_to(transaction: Transaction, digest: str, kind: str) -> str:
    """The user whom a token was mailed to, at the address that they still have."""
    secret = await secrets.standing_within(transaction, digest, kind, now())
    user = await users.within(transaction, secret["user"]) if secret is not None else None
    if secret is None or user is None or user["email_key"] != secret["data"]["email_key"]:
        _bad_token()
    return str(user["_id"])


async def _setting(transaction: Transaction, change: _NewPassword) -> tuple[Operation, Document]:
    """The operation that sets a password: what it ends, and who is told."""
    user, moment = change.user, change.moment
    revocation = revocations.new_revocation(user, "password_changed", moment, None, None, kept=change.kept)
    ended = [login for login in await logins.ids_of(transaction, user) if login != change.kept]
    notice, told = notifications.notice(
        *(user, "warning", "security", "Your password was changed"),
        "Your other logins have been ended. If it was not you, ask for a new password at once.",
    )
    fields = {**change.also, "password": change.hash, "updated_at": moment}
    operation = Operation(
        new_id("password"),
        updates=[Update(users.USERS, {"_id": user}, {"$set": fields})],
        inserts=[
            Insert(revocations.REVOCATIONS, revocation),
            notice,
            mail_jobs.promised("password_changed", user),
        ],
        deletes=[
            *(Delete(logins.LOGINS, {"_id": login}) for login in ended),
            *await _ended_secrets(transaction, user, "reset"),
        ],
        events=[updated(user, ["password"], moment), told],
    )
    return operation, revocation


async def _ended_secrets(transaction: Transaction, user: str, kind: str) -> list[Delete]:
    """The one that is used and all others of its kind: what was mailed before is worth nothing now."""
    return [Delete(secrets.ONE_TIME, {"_id": secret}) for secret in await secrets.ids_of(transaction, user, kind)]


def _bad_token() -> NoReturn:
    raise invalid("token", "is not valid, or not any more; ask for a new link")
