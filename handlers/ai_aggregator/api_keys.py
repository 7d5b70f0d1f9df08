"""`/v1/auth/api-keys`: a user's API keys. A key is shown once, in the answer to who made it; keys make no keys."""

from collections.abc import Mapping
from typing import Any, Final

from config import limits
from handlers.access import login
from handlers.api_key_fields import Names, key_name, key_permissions, moment_or_none
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from handlers.terms import PAGE, answers, asks, takes
from hub import amounts, fields
from hub.api_keys import ListedKey, NewKey
from hub.budgets import PERIODS
from hub.errors import invalid
from hub.prices import credits_number
from models.clock import timestamp

Json = dict[str, Any]
# Each limit as this API calls it, and in a key's document.
_LIMITS: Final = {
    "creditLimit": "credit_micro",
    "creditLimitPeriod": "period",
    "allowedModels": "models",
    "requestsPerMinute": "requests_per_minute",
    "tokensPerMinute": "tokens_per_minute",
}


class LimitsInput(fields.Input):
    """What a key may spend and ask for; null is no limit."""

    creditLimit = amounts.Credits(allow_none=True)
    creditLimitPeriod = fields.Choice(PERIODS)
    allowedModels = Names(items_max=limits.KEY_MODELS_MAX, example=["gpt-4"], allow_none=True)
    requestsPerMinute = fields.Integer(low=1, high=limits.KEY_REQUESTS_PER_MINUTE_MAX, allow_none=True)
    tokensPerMinute = fields.Integer(low=1, high=limits.KEY_TOKENS_PER_MINUTE_MAX, allow_none=True)


class NewKeyInput(LimitsInput):
    name = key_name(required=True)
    expiresAt = fields.FutureMoment(load_default=None, allow_none=True)
    permissions = key_permissions(load_default=None, allow_none=True)


class KeyInput(LimitsInput, fields.Change):
    name = key_name()


class KeysHandler(ApiHandler):
    """What both paths share."""

    def check_models(self, given: Mapping[str, Any]) -> None:
        """Raises `HubError` INVALID."""
        unknown = [name for name in given.get("allowedModels") or () if name not in self.services.catalogue]
        if unknown:
            raise invalid("allowedModels", f"has a model that does not exist: {unknown[0][:100]!r}")


class Keys(KeysHandler):
    @login
    @asks(*PAGE)
    async def get(self) -> None:
        """The caller's API keys, without their secrets, newest first."""
        limit, offset = self.page_window()
        found, total = await self.services.api_keys.page(self.caller.user_id, skip=offset, limit=limit)
        self.answer_page("apiKeys", [_view(key) for key in found], Page(limit, offset, total))

    @login
    @takes(NewKeyInput())
    @answers(201)
    async def post(self) -> None:
        """Make an API key; it is shown once."""
        given = self.load_body(self.check_models)
        wanted = NewKey("ak_live_", given["name"], given["permissions"], given["expiresAt"], _limits(given))
        made, secret = await self.services.api_keys.create(self.caller.user_id, wanted)
        self.answer({"data": {**_view(made), "key": secret}}, message="API key created successfully")


class Key(KeysHandler):
    @login
    async def get(self, key_id: str) -> None:
        """One API key."""
        self.answer({"data": _view(await self.services.api_keys.find(self.caller.user_id, key_id))})

    @login
    @takes(KeyInput())
    async def put(self, key_id: str) -> None:
        """Change an API key's name and limits."""
        given = self.load_body(self.check_models)
        changed = await self.services.api_keys.change(
            self.caller.user_id, key_id, name=given.get("name"), changes=_limits(given)
        )
        self.answer({"data": _view(changed)}, message="API key changed successfully")

    @login
    async def delete(self, key_id: str) -> None:
        """Revoke an API key: its sockets and its answers end at once."""
        await self.services.api_keys.revoke(self.caller.user_id, key_id)
        self.answer(message="API key revoked successfully")


def _limits(given: Mapping[str, Any]) -> Json:
    """The limits that are given, as they are stored; without a credit limit there is no period either."""
    found = {_LIMITS[name]: given[name] for name in _LIMITS if name in given}
    if found.get("credit_micro", 0) is None:
        found.setdefault("period", None)
    return found


def _view(key: ListedKey) -> Json:
    document = key.document
    shown = {name: document["limits"][stored] for name, stored in _LIMITS.items()}
    limit = shown["creditLimit"]
    return {
        "id": document["_id"],
        "name": document["name"],
        "prefix": document["prefix"],
        "permissions": document["permissions"],
        **shown,
        "creditLimit": None if limit is None else credits_number(limit),
        "spent": _spent(key),
        "expiresAt": moment_or_none(document["expires_at"]),
        "lastUsedAt": moment_or_none(document["last_used_at"]),
        "usageCount": document["usage_count"],
        "createdAt": timestamp(document["created_at"]),
        "updatedAt": timestamp(document["updated_at"]),
    }


def _spent(key: ListedKey) -> Json | None:
    """What counts against the credit limit in the current period, and what running answers have reserved of it."""
    if key.spent is None or key.document["limits"]["credit_micro"] is None:
        return None
    amounts = {"credits": credits_number(key.spent["amount"]), "held": credits_number(key.held)}
    return {"period": key.spent["period"], "of": key.spent["of"], **amounts}


ROUTES = [
    Route("/v1/auth/api-keys", Keys, ("ai_aggregator",)),
    Route("/v1/auth/api-keys/([A-Za-z0-9_]{1,64})", Key, ("ai_aggregator",)),
]
