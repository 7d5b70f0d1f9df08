"""The second factor at a sign-in: a code of the user's authenticator, or a recovery code, each good for one use.

    the first factor was right --user, code--> check() --six digits--> the time step, taken once in the database
                                                    +--else----------> the recovery code, used up by an operation

Codes are those of RFC 6238: six digits for 30 seconds. It signs nobody in and counts no tries: who asks does both. Setting
it up is `hub/two_factor.py`'s.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

import pyotp
import structlog
from pyotp.utils import strings_equal

from config import assistant
from hub import mail_jobs, notifications, recovery_codes
from hub.errors import Code, FieldError, HubError
from hub.ledger import Ledger
from hub.operations import Composed, Operation, Update
from hub.sealed import Sealed
from models import two_factor
from models.clock import now
from models.database import Database, Document, Transaction
from models.ids import new_id

log = structlog.get_logger(__name__)

_SIX_DIGITS: Final = re.compile(r"[0-9]{6}")


class SecondFactor:
    """One per process. `secret` is the hub's own, by which the users' secrets are sealed."""

    def __init__(self, secret: str, database: Database, ledger: Ledger, wake_mail: Callable[[], None]) -> None:
        self._secret = secret
        self._database = database
        self._ledger = ledger
        self._wake_mail = wake_mail
        self._sealed = Sealed(secret, "two-factor")

    def seal(self, secret: str) -> str:
        """A user's secret as the database keeps it."""
        return self._sealed.seal(secret)

    def digests(self, user: str, codes: list[str]) -> list[str]:
        """Recovery codes as the database keeps them."""
        return [recovery_codes.digest(self._secret, user, code) for code in codes]

    async def check(self, user: Document, code: str | None, field: str = "code") -> bool:
        """Whether this user, who has shown the first factor, has passed the second too: False where none is asked for.

        Raises `HubError`, naming `field`: UNAUTHENTICATED where no code came, BAD_CREDENTIALS for a wrong or a used one.
        """
        if not user.get("two_factor"):
            return False
        if code is None:
            says = "is required: six digits of your authenticator, or a recovery code"
            raise HubError(Code.UNAUTHENTICATED, "A code of your authenticator is required", [FieldError(field, says)])
        if not await self.takes(user["_id"], code):
            says = "is not right, or was used before"
            raise HubError(Code.BAD_CREDENTIALS, "The code is not right", [FieldError(field, says)])
        return True

    async def takes(self, user: str, code: str) -> bool:
        """Use a code up; False for one that is wrong or was used before. A recovery code is told to its user by mail."""
        found = await two_factor.of_user(self._database, user)
        if found is None or not found["enabled"]:
            return False
        code = recovery_codes.plain(code)
        if _SIX_DIGITS.fullmatch(code):
            step = self.step_of(found, code, now())
            return step is not None and await two_factor.take_step(self._database, user, step)
        return await self._takes_recovery(found, code)

    def step_of(self, found: Document, code: str, moment: datetime) -> int | None:
        """The time step that a code is of, among those around a moment; None where it is of none."""
        try:
            totp = pyotp.TOTP(self._sealed.open(found["secret"]))
        except ValueError as error:
            log.error("a second factor cannot be opened", user=found["_id"], error=str(error))
            return None
        around = assistant.TWO_FACTOR_STEPS_AROUND
        steps = range(totp.timecode(moment) - around, totp.timecode(moment) + around + 1)
        fitting = [step for step in steps if strings_equal(totp.generate_otp(step), code)]
        return fitting[-1] if fitting else None

    async def _takes_recovery(self, found: Document, code: str) -> bool:
        user, digest = found["_id"], recovery_codes.digest(self._secret, found["_id"], code)
        if digest not in found["recovery"]:  # guesses cost no transaction
            return False

        async def compose(transaction: Transaction) -> Operation:
            standing = await two_factor.within(transaction, user)
            if standing is None or digest not in standing["recovery"]:  # a twin was faster
                raise HubError(Code.BAD_CREDENTIALS, "This recovery code was used")
            return _used(user, digest, len(standing["recovery"]) - 1)

        try:
            await self._ledger.commit(Composed(new_id("recovery"), compose))
        except HubError as error:
            if error.code is not Code.BAD_CREDENTIALS:
                raise
            return False
        self._wake_mail()
        return True


def _used(user: str, digest: str, left: int) -> Operation:
    notice, told = notifications.notice(
        *(user, "warning", "security", "A recovery code was used"),
        f"{left} are left. If it was not you, change your password and make new codes at once.",
    )
    return Operation(
        new_id("recovery"),
        updates=[Update(two_factor.TWO_FACTOR, {"_id": user}, {"$pull": {"recovery": digest}})],
        inserts=[notice, mail_jobs.promised("recovery_code_used", user)],
        events=[told],
    )
