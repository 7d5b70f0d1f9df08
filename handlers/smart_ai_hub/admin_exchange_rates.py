"""Exchange rates: `/api/admin/exchange-rates`."""

from typing import Final

from config import limits
from handlers.access import admin
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from handlers.smart_ai_hub.admin_users import actor_of
from hub import fields, rate_administration
from hub.errors import invalid
from hub.exchange_rates import RATE_UNIT
from models import exchange_rates


class NewRateInput(fields.Input):
    fromType = fields.Choice(exchange_rates.TYPES, required=True)
    toType = fields.Choice(exchange_rates.TYPES, required=True)
    rate = fields.Credits(required=True)
    isActive = fields.Flag(load_default=True)


class RateInput(fields.Input):
    rate = fields.Credits()
    isActive = fields.Flag()


_NEW: Final = NewRateInput()
_RATE: Final = RateInput()


class ExchangeRates(ApiHandler):
    @admin
    async def get(self) -> None:
        limit, offset = self.page_window()
        found = await exchange_rates.list_all(self.services.database, limits.EXCHANGE_RATES_MAX)
        shown = [rate_administration.view(rate) for rate in found[offset : offset + limit]]
        self.answer_page("rates", shown, Page(limit, offset, len(found)))

    @admin
    async def post(self) -> None:
        given = self.load(_NEW)
        if given["fromType"] == given["toType"]:
            raise invalid("toType", "must be another than fromType", given["toType"])
        rate = _bounded(given["rate"])
        made = await self.services.rate_administration.create(
            actor_of(self), given["fromType"], given["toType"], rate, given["isActive"]
        )
        self.answer(rate_administration.view(made), status=201)


class ExchangeRate(ApiHandler):
    @admin
    async def put(self, rate_id: str) -> None:
        given = self.load(_RATE)
        if not given:
            raise invalid("body", "must have at least one of rate, isActive")
        rate = _bounded(given["rate"]) if "rate" in given else None
        changed = await self.services.rate_administration.update(actor_of(self), rate_id, rate, given.get("isActive"))
        self.answer(rate_administration.view(changed))

    @admin
    async def delete(self, rate_id: str) -> None:
        await self.services.rate_administration.delete(actor_of(self), rate_id)
        self.answer(message="Exchange rate deleted successfully")


def _bounded(rate: int) -> int:
    """Raises `HubError` INVALID."""
    if rate > limits.EXCHANGE_RATE_MAX * RATE_UNIT:
        raise invalid("rate", f"must be at most {limits.EXCHANGE_RATE_MAX}")
    return rate


ROUTES = [
    Route("/api/admin/exchange-rates", ExchangeRates, ("smart_ai_hub",), "admin"),
    Route("/api/admin/exchange-rates/([A-Za-z0-9_]{1,64})", ExchangeRate, ("smart_ai_hub",), "admin"),
]
