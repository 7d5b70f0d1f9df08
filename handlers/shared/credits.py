"""The credit balance and its history, in Smart AI Hub's and AI Assistant's forms."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from handlers import history_filters, proofs
from handlers.access import scope
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from handlers.terms import PAGE, asks
from hub.errors import Code, HubError
from hub.fields import together
from hub.prices import credits_number
from models import wallets
from models.clock import timestamp

Json = dict[str, Any]
Document = Mapping[str, Any]


class Balance(ApiHandler):
    @scope("credits:read")
    async def get(self) -> None:
        """The credits of the caller's wallet."""
        wallet = await wallets.wallet(self.services.database, self.caller.user_id)
        if wallet is None:
            raise HubError(Code.NOT_FOUND, "No such wallet")
        self.answer(await _BALANCE[self.dialect.name](self, wallet))


class History(ApiHandler):
    """Newest first, narrowed down by the query. In the hub's form each item has its place in the wallet's chain."""

    @scope("credits:read")
    @asks(*PAGE, proofs.PROOF, *history_filters.PARAMETERS)
    async def get(self) -> None:
        """Every movement of the caller's credits."""
        (limit, offset), proof, filters = together(
            self.page_window, lambda: self.query_flag("proof"), lambda: history_filters.of(self)
        )
        found, total = await wallets.entries(
            self.services.database,
            self.caller.user_id,
            "credit",
            skip=offset,
            limit=limit,
            filters=filters,
        )
        name, view = _ENTRY[self.dialect.name]
        self.answer_page(name, [view(entry, proof) for entry in found], Page(limit, offset, total))


async def _hub_balance(handler: ApiHandler, wallet: Document) -> Json:
    return {
        "userId": wallet["_id"],
        "balance": credits_number(wallet["credits"]),
        "held": credits_number(wallet["credits_held"]),
        "currency": "credits",
        "lastUpdated": timestamp(wallet["updated_at"]),
    }


async def _assistant_balance(handler: ApiHandler, wallet: Document) -> Json:
    last, _ = await wallets.entries(
        handler.services.database, wallet["_id"], "credit", skip=0, limit=1, filters={"kind": {"$eq": "purchase"}}
    )
    below = wallet.get("recharge_below", 0)
    return {
        "balance": credits_number(wallet["credits"]),
        "currency": "USD",
        "last_purchase": timestamp(last[0]["created_at"]) if last else None,
        "auto_recharge_enabled": below > 0,
        "auto_recharge_threshold": credits_number(below),
    }


def _hub_entry(entry: Document, proof: bool) -> Json:
    return {
        "id": entry["_id"],
        "type": entry["kind"],
        "amount": credits_number(entry["amount"]),
        "balance": credits_number(entry["balance_after"]),
        "description": entry["description"],
        "seq": entry["seq"],
        "createdAt": timestamp(entry["created_at"]),
        **proofs.links(entry, proof),
    }


def _assistant_entry(entry: Document, proof: bool) -> Json:
    """Its integer id is the entry's number in the wallet; `cost_usd` stands where money was paid."""
    view = {
        "id": entry["seq"],
        "type": entry["kind"],
        "amount": credits_number(entry["amount"]),
        "timestamp": timestamp(entry["created_at"]),
        "description": entry["description"],
    }
    cents = entry["metadata"].get("cents")
    return view if cents is None else {**view, "cost_usd": cents / 100}


_BALANCE: Final[dict[str, Callable[[ApiHandler, Document], Awaitable[Json]]]] = {
    "smart_ai_hub": _hub_balance,
    "ai_assistant": _assistant_balance,
}
_ENTRY: Final[dict[str, tuple[str, Callable[[Document, bool], Json]]]] = {
    "smart_ai_hub": ("entries", _hub_entry),
    "ai_assistant": ("transactions", _assistant_entry),
}

ROUTES = [
    Route("/api/credits/balance", Balance, ("smart_ai_hub", "ai_assistant")),
    Route("/api/credits/history", History, ("smart_ai_hub", "ai_assistant")),
]
