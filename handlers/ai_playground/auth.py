"""What a signed-in user changes about signing in, in the AI Playground's form: username, address, password.

Registration, login, logout and "who am I" are shared paths.
"""

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, validates_schema

from handlers import user_views
from handlers.access import login
from handlers.base import ApiHandler
from handlers.routing import Route
from handlers.terms import takes
from hub.errors import HubError
from hub.fields import Change, Input, failure
from hub.passwords import check_composition
from hub.profile_fields import Email, NewPassword, Password, ProfileUsername
from models.clock import timestamp

_APIS: Final = ("ai_playground",)


class ProfileInput(Change):
    username = ProfileUsername()
    email = Email()


class PasswordInput(Input):
    oldPassword = Password(required=True)
    newPassword = NewPassword(required=True, example="Another horse 9 battery")

    @validates_schema
    def _another(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if data["newPassword"] == data["oldPassword"]:
            raise ValidationError("must differ from the old password", "newPassword")

    @validates_schema(skip_on_field_errors=False)
    def _composition(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """This API's own rule for passwords."""
        if "newPassword" in data:
            try:
                check_composition(data["newPassword"], "newPassword")
            except HubError as error:
                raise failure(error) from None


class Profile(ApiHandler):
    @login
    @takes(ProfileInput())
    async def put(self) -> None:
        """Change the caller's username and e-mail address; another address has to be confirmed anew."""
        given = self.load_body()
        changed = await self.services.accounts.rename(self.caller, given.get("username"), given.get("email"))
        shown = {**user_views.playground_user(changed), "updated_at": timestamp(changed["updated_at"])}
        self.answer(shown, message="Profile updated successfully")


class OwnPassword(ApiHandler):
    @login
    @takes(PasswordInput())
    async def put(self) -> None:
        """Change the caller's password; every other login ends."""
        given = self.load_body()
        await self.services.accounts.change_password(self.caller, given["oldPassword"], given["newPassword"])
        self.answer(message="Password changed successfully")


ROUTES = [
    Route("/api/auth/profile", Profile, _APIS, "auth"),
    Route("/api/auth/password", OwnPassword, _APIS, "auth"),
]
