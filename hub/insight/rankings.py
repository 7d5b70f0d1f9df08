"""The AI models by how well they did in the last 30 days: what was measured, and what users think of answers.

    settlement --> usage_days --sum_up()--> model_days <-- votes         once a minute at most, when somebody asks

Yesterday is added up again beside today, for an answer counts for the day on which it was begun.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from config import assistant
from config.catalogue import AiModel
from hub.insight import scores
from hub.insight.cached import Cached
from models import model_days
from models.clock import now
from models.database import Database, Document
from models.usage import day_of


@dataclass(frozen=True, slots=True)
class Ranked:
    """One AI model; `stars` is what users think, from 1 to 5."""

    model: str
    score: float
    uses: int
    response_ms: float
    stars: float


@dataclass(frozen=True, slots=True)
class Ranking:
    models: list[Ranked]
    updated_at: datetime


class Rankings:
    """One per process."""

    def __init__(
        self, database: Database, catalogue: Mapping[str, AiModel], clock: Callable[[], datetime] = now
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._clock = clock
        self._cached = Cached(self.made, assistant.RANKING_SECONDS)

    async def current(self) -> Ranking:
        """The models of the catalogue that were asked, the best first; at most a minute old. Raises `DatabaseError`."""
        return await self._cached.get()

    async def made(self) -> Ranking:
        """The same as of now."""
        moment = self._clock()
        today = day_of(moment)
        first = today - timedelta(days=assistant.RANKING_DAYS - 1)
        await self._sum_up(first, today)
        found = await model_days.by_model(self._database, first)
        figures = {row["_id"]: _figures(row) for row in found if row["_id"] in self._catalogue}
        ranked = [_ranked(model, measured) for model, measured in figures.items() if measured.attempts]
        ranked.sort(key=lambda model: (-model.score, model.model))
        return Ranking(ranked, moment)

    async def _sum_up(self, first: datetime, today: datetime) -> None:
        """The days that may have changed since they were added up last."""
        until = await model_days.summed_until(self._database)
        day = first if until is None else max(first, until - timedelta(days=1))
        while day <= today:
            await model_days.sum_up(self._database, day)
            day += timedelta(days=1)


def _ranked(model: str, figures: scores.Figures) -> Ranked:
    score, stars = round(scores.score(figures), 2), round(scores.stars(figures), 2)
    return Ranked(model, score, figures.requests, round(figures.response_ms, 1), stars)


def _figures(row: Document) -> scores.Figures:
    return scores.Figures(
        requests=row["requests"],
        broken=row["broken"],
        fruitless=row["fruitless"],
        answered_ms=row["duration_ms"] - row["broken_ms"],
        waited_ms=row["waited_ms"],
        timed=row["timed"],
        up=row["up"],
        down=row["down"],
    )
