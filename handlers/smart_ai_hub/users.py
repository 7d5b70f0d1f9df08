"""/api/users/me and /api/users/me/password: the caller's own profile and password."""

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, validates_schema

from handlers import user_views
from handlers.access import login, scope
from handlers.base import ApiHandler
from handlers.routing import Route
from handlers.terms import takes
from hub.amounts import Credits
from hub.fields import Flag, Input, Nested
from hub.profile_fields import Language, NewPassword, Password, PersonName, Phone, Timezone


class AutoTopupInput(Input):
    enabled = Flag(required=True)
    credits = Credits()


class ProfileInput(Input):
    """What is absent stays; null clears it, or brings its default back."""

    firstName = PersonName(allow_none=True)
    lastName = PersonName(allow_none=True)
    phone = Phone(allow_none=True)
    timezone = Timezone(allow_none=True)
    language = Language(allow_none=True)
    autoTopup = Nested(AutoTopupInput, allow_none=True)


class PasswordInput(Input):
    currentPassword = Password(required=True)
    newPassword = NewPassword(required=True, example="Another horse 9 battery")

    @validates_schema
    def _another(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if data["newPassword"] == data["currentPassword"]:
            raise ValidationError("must differ from the current password", "newPassword")


# Each field in the user's document, and what null means there.
_STORED: Final[dict[str, tuple[str, Any]]] = {
    "firstName": ("first_name", ""),
    "lastName": ("last_name", ""),
    "phone": ("phone", None),
    "timezone": ("timezone", "UTC"),
    "language": ("language", "en"),
}
_TOPUP_DEFAULT_MICRO: Final = 1_000_000


class CurrentUser(ApiHandler):
    @scope("account:read")
    def get(self) -> None:
        """The caller's profile."""
        self.renew_cookie()
        self.answer(user_views.hub_profile(self.caller.user))

    @scope("account:write")
    @takes(ProfileInput())
    async def put(self) -> None:
        """Change the caller's profile."""
        given = self.load_body()
        changes = {_STORED[name][0]: _or_default(name, given[name]) for name in _STORED if name in given}
        if "autoTopup" in given:
            changes["auto_topup"] = _topup(given["autoTopup"], self.caller.user)
        changed = await self.services.accounts.change_profile(self.caller.user_id, changes)
        self.answer(user_views.hub_profile(changed))


class OwnPassword(ApiHandler):
    @login
    @takes(PasswordInput())
    async def put(self) -> None:
        """Change the caller's password; every other login ends."""
        given = self.load_body()
        await self.services.accounts.change_password(self.caller, given["currentPassword"], given["newPassword"])
        self.answer(message="Password changed; your other logins have been ended")


def _or_default(name: str, value: Any) -> Any:
    return _STORED[name][1] if value is None else value


def _topup(given: dict[str, Any] | None, current: Any) -> dict[str, Any] | None:
    """As it is stored; without an amount the one that was chosen before, else one credit."""
    if given is None:
        return None
    before = (current.get("auto_topup") or {}).get("credits_micro", _TOPUP_DEFAULT_MICRO)
    return {"enabled": given["enabled"], "credits_micro": given.get("credits", before)}


ROUTES = [
    Route("/api/users/me", CurrentUser, ("smart_ai_hub",)),
    Route("/api/users/me/password", OwnPassword, ("smart_ai_hub",)),
]
