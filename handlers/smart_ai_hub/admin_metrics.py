"""The hub in figures: `/api/admin/metrics` and `/api/admin/stats/points`."""

from handlers.access import admin
from handlers.base import ApiHandler
from handlers.routing import Route
from hub.prices import credits_number
from models import exchange_rates

_NOTHING = {"plus": 0, "minus": 0, "count": 0, "topups": 0, "cents": 0}


class SystemMetrics(ApiHandler):
    """`active` users are those who may sign in; `revenue` is what was paid, in US dollars; times are milliseconds."""

    @admin
    async def get(self) -> None:
        """The hub in figures."""
        users = await self.services.statistics.users()
        sums = await self.services.statistics.sums()
        today = await self.services.request_stats.today()
        purchased, used = sums.get("credit purchase", _NOTHING), sums.get("credit usage", _NOTHING)
        cents = purchased["cents"] + sums.get("point purchase", _NOTHING)["cents"]
        self.answer(
            {
                "users": {"total": users["total"], "active": users["active"], "newThisMonth": users["new"]},
                "credits": {
                    "totalPurchased": credits_number(purchased["plus"]),
                    "totalUsed": credits_number(-used["minus"]),
                    "revenue": cents / 100,
                },
                "api": {
                    "requestsToday": today["requests"],
                    "averageResponseTime": today["average_milliseconds"],
                    "errorRate": today["error_rate"],
                },
            }
        )


class PointStatistics(ApiHandler):
    """`totalPointsUsed` is what was spent on services; the average is of all points issued, as documented."""

    @admin
    async def get(self) -> None:
        """All points in figures."""
        sums = await self.services.statistics.sums()
        of_points = {name.removeprefix("point "): row for name, row in sums.items() if name.startswith("point ")}
        owners = await self.services.statistics.wallets_with_points()
        issued = sum(row["plus"] for row in of_points.values())
        self.answer(
            {
                "totalPointsIssued": issued,
                "totalPointsUsed": -of_points.get("usage", _NOTHING)["minus"],
                "totalPointsPurchased": of_points.get("purchase", _NOTHING)["plus"],
                "totalPointsFromCredits": of_points.get("exchange", _NOTHING)["plus"],
                "totalPointsFromDailyRewards": of_points.get("reward", _NOTHING)["plus"],
                "activeUsersWithPoints": owners,
                "averagePointsPerUser": issued // owners if owners else 0,
                "topUpTriggeredCount": of_points.get("exchange", _NOTHING)["topups"],
                "exchangeRateCreditsToPoints": await self._rate(),
            }
        )

    async def _rate(self) -> int | float:
        """Points for one credit, 0 while there is no active rate."""
        rate = await exchange_rates.active(self.services.database, "credits", "points")
        return credits_number(rate["rate"]) if rate else 0


ROUTES = [
    Route("/api/admin/metrics", SystemMetrics, ("smart_ai_hub",), "admin"),
    Route("/api/admin/stats/points", PointStatistics, ("smart_ai_hub",), "admin"),
]
