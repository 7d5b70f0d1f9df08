"""The credit balance and its history, in Smart AI Hub's and AI Assistant's forms."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, get_args

from handlers.access import scope
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from hub.errors import Code, HubError, invalid
from hub.operations import Kind
from hub.prices import credits_number
from models import wallets
from models.clock import timestamp

Json = dict[str, Any]
Document = Mapping[str, Any]


class Balance(ApiHandler):
    @scope("credits:read")
    async def get(self) -> None:
        wallet = await wallets.wallet(self.services.database, self.caller.user_id)
        if wallet is None:
            raise HubError(Code.NOT_FOUND, "No such wallet")
        self.answer(await _BALANCE[self.dialect.name](self, wallet))


class History(ApiHandler):
    """Newest first. `type`, `start_date` and `end_date` (or `startDate`, `endDate`) narrow it down."""

    @scope("credits:read")
    async def get(self) -> None:
        limit, offset = self.page_window()
        found, total = await wallets.entries(
            self.services.database, self.caller.user_id, "credit", skip=offset, limit=limit, filters=_filters(self)
        )
        name, view = _ENTRY[self.dialect.name]
        self.answer_page(name, [view(entry) for entry in found], Page(limit, offset, total))


def _filters(handler: ApiHandler) -> Json:
    filters: Json = {}
    if (kind := handler.query("type")) is not None:
        if kind not in get_args(Kind):
            raise invalid("type", f"must be one of {', '.join(get_args(Kind))}", kind)
        filters["kind"] = {"$eq": kind}
    period = {
        "$gte": _moment(handler, "start_date", "startDate", whole_day=False),
        "$lt": _moment(handler, "end_date", "endDate", whole_day=True),
    }
    if any(period.values()):
        filters["created_at"] = {operator: moment for operator, moment in period.items() if moment is not None}
    return filters


def _moment(handler: ApiHandler, *names: str, whole_day: bool) -> datetime | None:
    """An ISO date or date-time of the query; a date that ends a period includes its day. Without a zone it is UTC."""
    name, text = next(((name, text) for name in names if (text := handler.query(name)) is not None), ("", None))
    if text is None:
        return None
    try:
        if len(text) == len("2025-01-01"):
            day = date.fromisoformat(text) + timedelta(days=1 if whole_day else 0)
            return datetime.combine(day, time(), UTC)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(name, "must be an ISO 8601 date or date-time", text) from None


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
    return {
        "balance": credits_number(wallet["credits"]),
        "currency": "USD",
        "last_purchase": timestamp(last[0]["created_at"]) if last else None,
        "auto_recharge_enabled": False,
        "auto_recharge_threshold": 0,
    }


def _hub_entry(entry: Document) -> Json:
    return {
        "id": entry["_id"],
        "type": entry["kind"],
        "amount": credits_number(entry["amount"]),
        "balance": credits_number(entry["balance_after"]),
        "description": entry["description"],
        "seq": entry["seq"],
        "createdAt": timestamp(entry["created_at"]),
    }


def _assistant_entry(entry: Document) -> Json:
    """Its integer id is the entry's number in the wallet; `cost_usd` stands where money was paid."""
    view = {
        "id": entry["seq"],
        "type": entry["kind"],
        "amount": credits_number(entry["amount"]),
        "timestamp": timestamp(entry["created_at"]),
        "description": entry["description"],
    }
    paid = entry["metadata"].get("cost_usd")
    return view if paid is None else {**view, "cost_usd": paid}


_BALANCE: Final[dict[str, Callable[[ApiHandler, Document], Awaitable[Json]]]] = {
    "smart_ai_hub": _hub_balance,
    "ai_assistant": _assistant_balance,
}
_ENTRY: Final[dict[str, tuple[str, Callable[[Document], Json]]]] = {
    "smart_ai_hub": ("entries", _hub_entry),
    "ai_assistant": ("transactions", _assistant_entry),
}

ROUTES = [
    Route("/api/credits/balance", Balance, ("smart_ai_hub", "ai_assistant")),
    Route("/api/credits/history", History, ("smart_ai_hub", "ai_assistant")),
]
