"""Forgotten passwords and unconfirmed addresses: what mailed links are asked for and used with."""

from typing import Final

from config import limits
from handlers.access import public, scope
from handlers.base import ApiHandler
from handlers.routing import Route
from handlers.terms import takes
from hub.fields import Input, Text
from hub.profile_fields import Email, NewPassword


class ForgotInput(Input):
    email = Email(required=True)


class ResetInput(Input):
    token = Text(low=1, high=limits.ONE_TIME_CHARS_MAX, required=True)
    newPassword = NewPassword(required=True, example="Another horse 9 battery")


class VerifyInput(Input):
    token = Text(low=1, high=limits.ONE_TIME_CHARS_MAX, required=True)


_ASKED: Final = "If somebody has this address, a link to set a new password is on its way"


class ForgotPassword(ApiHandler):
    @public
    @takes(ForgotInput())
    async def post(self) -> None:
        """Mail a link by which a forgotten password is set anew."""
        given = self.load_body()
        await self.services.accounts.forgot_password(given["email"], self.address)
        self.answer(message=_ASKED)


class ResetPassword(ApiHandler):
    @public
    @takes(ResetInput())
    async def post(self) -> None:
        """Set a new password by a mailed token."""
        given = self.load_body()
        await self.services.accounts.reset_password(given["token"], given["newPassword"], self.address)
        self.answer(message="Password changed; please sign in with it")


class VerifyEmail(ApiHandler):
    @public
    @takes(VerifyInput())
    async def post(self) -> None:
        """Confirm an address by a mailed token."""
        given = self.load_body()
        await self.services.accounts.verify_email(given["token"], self.address)
        self.answer({"emailVerified": True}, message="Your address is confirmed")


class ResendVerification(ApiHandler):
    @scope("account:write")
    async def post(self) -> None:
        """Mail a further link that confirms the caller's address."""
        sent = await self.services.accounts.resend_verification(self.caller)
        self.answer(message="A link is on its way" if sent else "Your address is confirmed already")


ROUTES = [
    Route("/api/auth/forgot-password", ForgotPassword, ("smart_ai_hub",), "auth"),
    Route("/api/auth/reset-password", ResetPassword, ("smart_ai_hub",), "auth"),
    Route("/api/auth/verify-email", VerifyEmail, ("smart_ai_hub",), "auth"),
    Route("/api/auth/resend-verification", ResendVerification, ("smart_ai_hub",), "auth"),
]
