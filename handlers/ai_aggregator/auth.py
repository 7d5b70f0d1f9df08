"""Sign-up and sign-in in the AI Aggregator's form; what they take is what the shared paths take."""

from collections.abc import Mapping
from typing import Any

from handlers import user_views
from handlers.access import public
from handlers.base import ApiHandler
from handlers.credentials import credential_of
from handlers.routing import Route
from handlers.shared.auth import LoginInput, RegisterInput, registration
from handlers.terms import answers, takes
from models.clock import timestamp

Json = dict[str, Any]


class Register(ApiHandler):
    @public
    @takes(RegisterInput())
    @answers(201)
    async def post(self) -> None:
        """Sign up."""
        user = (await self.services.identities.register(registration(self.load_body(), self.address))).user
        added = {"isActive": user["status"] == "active", "createdAt": timestamp(user["created_at"])}
        self.answer({"data": {**_user(user), **added}}, message="User registered successfully")


class Login(ApiHandler):
    @public
    @takes(LoginInput())
    async def post(self) -> None:
        """Sign in by address and password."""
        given = self.load_body()
        device = credential_of(self.request)
        login = self.services.identities.login
        result = await login(given["email"], given["password"], self.address, device, given.get("code"))
        self.answer({"data": {**user_views.tokens(result), "user": _user(result.user)}}, message="Login successful")


def _user(user: Mapping[str, Any]) -> Json:
    names = {"firstName": user["first_name"], "lastName": user["last_name"]}
    return {"id": user["_id"], "email": user["email"], **names}


ROUTES = [
    Route("/v1/auth/register", Register, ("ai_aggregator",)),
    Route("/v1/auth/login", Login, ("ai_aggregator",)),
]
