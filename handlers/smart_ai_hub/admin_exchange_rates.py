"""Exchange rates: `/api/admin/exchange-rates`."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, validates_schema

from config import limits
from handlers.access import admin
from handlers.actor import actor_of
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from handlers.terms import PAGE, answers, asks, takes
from hub import amounts, fields, rate_administration
from hub.exchange_rates import RATE_UNIT
from models import exchange_rates


def _rate(**options: Any) -> amounts.Credits:
    return amounts.Credits(high_micro=limits.EXCHANGE_RATE_MAX * RATE_UNIT, **options)


class NewRateInput(fields.Input):
    fromType = fields.Choice(exchange_rates.TYPES, required=True, example="credits")
    toType = fields.Choice(exchange_rates.TYPES, required=True, example="points")
    rate = _rate(required=True)
    isActive = fields.Flag(load_default=True)

    @validates_schema(skip_on_field_errors=False)
    def _two_types(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if "toType" in data and data["toType"] == data.get("fromType"):
            raise ValidationError("must be another than fromType", "toType")


class RateInput(fields.Change):
    rate = _rate()
    isActive = fields.Flag()


class ExchangeRates(ApiHandler):
    @admin
    @asks(*PAGE)
    async def get(self) -> None:
        """Every exchange rate, ended ones too."""
        limit, offset = self.page_window()
        found = await exchange_rates.list_all(self.services.database, limits.EXCHANGE_RATES_MAX)
        shown = [rate_administration.view(rate) for rate in found[offset : offset + limit]]
        self.answer_page("rates", shown, Page(limit, offset, len(found)))

    @admin
    @takes(NewRateInput())
    @answers(201)
    async def post(self) -> None:
        """Add an exchange rate; an active one takes the place of the active one of its pair."""
        given = self.load_body()
        made = await self.services.rate_administration.create(
            actor_of(self), given["fromType"], given["toType"], given["rate"], given["isActive"]
        )
        self.answer(rate_administration.view(made))


class ExchangeRate(ApiHandler):
    @admin
    @takes(RateInput())
    async def put(self, rate_id: str) -> None:
        """Change an exchange rate."""
        given = self.load_body()
        changed = await self.services.rate_administration.update(
            actor_of(self), rate_id, given.get("rate"), given.get("isActive")
        )
        self.answer(rate_administration.view(changed))

    @admin
    async def delete(self, rate_id: str) -> None:
        """Remove an exchange rate; the only active one of a pair stays."""
        await self.services.rate_administration.delete(actor_of(self), rate_id)
        self.answer(message="Exchange rate deleted successfully")


ROUTES = [
    Route("/api/admin/exchange-rates", ExchangeRates, ("smart_ai_hub",), "admin"),
    Route("/api/admin/exchange-rates/([A-Za-z0-9_]{1,64})", ExchangeRate, ("smart_ai_hub",), "admin"),
]
