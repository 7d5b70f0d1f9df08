"""`/api/v1/api-keys`: a user's API keys in the AI Playground's form, those made by other APIs too; keys make no keys."""

from datetime import timedelta
from typing import Any, Final

from config import limits
from handlers.access import login
from handlers.api_key_fields import key_name, key_permissions, moment_or_none
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from handlers.terms import PAGE, SORT, answers, asks, takes
from hub import fields, permissions
from hub.api_keys import ListedKey, NewKey
from models.clock import now, timestamp

Json = dict[str, Any]
_APIS: Final = ("ai_playground",)


class NewKeyInput(fields.Input):
    """`expires_in` is in days."""

    name = key_name(required=True)
    permissions = key_permissions(required=True, example=["ai:read", "ai:write", "usage:read"])
    expires_in = fields.Integer(low=1, high=limits.KEY_EXPIRY_DAYS_MAX, load_default=limits.KEY_EXPIRY_DAYS)


class KeyInput(fields.Change):
    name = key_name()
    permissions = key_permissions(example=["ai:read", "ai:write", "usage:read"])


class Keys(ApiHandler):
    @login
    @asks(*PAGE, SORT)
    async def get(self) -> None:
        """The caller's API keys, without their secrets."""
        (limit, offset), newest_first = fields.together(self.page_window, self.newest_first)
        found, total = await self.services.api_keys.page(
            self.caller.user_id, newest_first=newest_first, skip=offset, limit=limit
        )
        self.answer_page("api_keys", [key_view(key) for key in found], Page(limit, offset, total))

    @login
    @takes(NewKeyInput())
    @answers(201)
    async def post(self) -> None:
        """Make an API key; it is shown once."""
        given = self.load_body()
        expires_at = now() + timedelta(days=given["expires_in"])
        wanted = NewKey("sk_live_", given["name"], given["permissions"], expires_at)
        made, secret = await self.services.api_keys.create(self.caller.user_id, wanted)
        self.answer({"api_key": {**key_view(made), "key": secret}}, message="API key created successfully")


class Key(ApiHandler):
    @login
    async def get(self, key_id: str) -> None:
        """One API key."""
        self.answer({"api_key": key_view(await self.services.api_keys.find(self.caller.user_id, key_id))})

    @login
    @takes(KeyInput())
    async def put(self, key_id: str) -> None:
        """Change an API key's name and permissions; they hold from now on, on its open sockets too."""
        given = self.load_body()
        changed = await self.services.api_keys.change(self.caller.user_id, key_id, **given)
        self.answer({"api_key": key_view(changed)}, message="API key updated successfully")

    @login
    async def delete(self, key_id: str) -> None:
        """Revoke an API key: its sockets and its answers end at once."""
        await self.services.api_keys.revoke(self.caller.user_id, key_id)
        self.answer(message="API key deleted successfully")


def key_view(key: ListedKey) -> Json:
    """Of a key for which no permissions were named all that it has."""
    document = key.document
    return {
        "id": document["_id"],
        "name": document["name"],
        "prefix": document["prefix"],
        "permissions": sorted(permissions.of_key(document["permissions"])),
        "created_at": timestamp(document["created_at"]),
        "updated_at": timestamp(document["updated_at"]),
        "expires_at": moment_or_none(document["expires_at"]),
        "last_used": moment_or_none(document["last_used_at"]),
        "usage_count": document["usage_count"],
    }


ROUTES = [
    Route("/api/v1/api-keys", Keys, _APIS, "api-keys"),
    Route("/api/v1/api-keys/([A-Za-z0-9_]{1,64})", Key, _APIS, "api-keys"),
]
