"""/api/auth/2fa: two-factor sign-in, switched on, renewed and switched off by who is signed in.

The names of the fields are those that the AI Assistant's `has_2fa` begins with.
"""

from typing import Final

from handlers.access import login, scope
from handlers.base import ApiHandler
from handlers.routing import Route
from handlers.terms import takes
from hub.fields import Change, Input
from hub.profile_fields import Password, SecondCode

_APIS: Final = ("smart_ai_hub",)


class SetupInput(Input):
    """`password` may be absent for who has none, signing in by Google alone; then the login has to be fresh."""

    password = Password()


class CodeInput(Input):
    code = SecondCode(required=True)


class DisableInput(Change):
    """Either will do; of both the code is looked at."""

    password = Password()
    code = SecondCode()


class TwoFactor(ApiHandler):
    @scope("account:read")
    async def get(self) -> None:
        """Whether two-factor sign-in is on, and how many recovery codes are left."""
        enabled, left = await self.services.two_factor.state(self.caller.user_id)
        self.answer({"enabled": enabled, "recovery_codes_left": left})


class Setup(ApiHandler):
    @login
    @takes(SetupInput(), optional=True)
    async def post(self) -> None:
        """Begin: the secret for an authenticator, as a QR code too. Nothing asks for it until a first code verifies it."""
        begun = await self.services.two_factor.begin(self.caller, self.load_body().get("password"))
        self.answer({"secret": begun.secret, "otpauth_url": begun.address, "qr_svg": begun.picture})


class Verify(ApiHandler):
    @login
    @takes(CodeInput())
    async def post(self) -> None:
        """Switch it on by the first code; the recovery codes, shown this once. Every other login ends."""
        codes = await self.services.two_factor.enable(self.caller, self.load_body()["code"])
        self.answer({"enabled": True, "recovery_codes": codes}, message="Two-factor sign-in is on")


class Disable(ApiHandler):
    @login
    @takes(DisableInput())
    async def post(self) -> None:
        """Switch it off, by the password or a code."""
        given = self.load_body()
        await self.services.two_factor.disable(self.caller, given.get("password"), given.get("code"))
        self.answer({"enabled": False}, message="Two-factor sign-in is off")


class RecoveryCodes(ApiHandler):
    @login
    @takes(CodeInput())
    async def post(self) -> None:
        """A new set of recovery codes, shown this once, in the place of the old one."""
        codes = await self.services.two_factor.renew_codes(self.caller, self.load_body()["code"])
        self.answer({"recovery_codes": codes}, message="The codes from before are worth nothing now")


ROUTES = [
    Route("/api/auth/2fa", TwoFactor, _APIS),
    Route("/api/auth/2fa/setup", Setup, _APIS, "auth"),
    Route("/api/auth/2fa/verify", Verify, _APIS, "auth"),
    Route("/api/auth/2fa/disable", Disable, _APIS, "auth"),
    Route("/api/auth/2fa/recovery-codes", RecoveryCodes, _APIS, "auth"),
]
