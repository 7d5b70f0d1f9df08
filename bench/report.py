"""Figures and how they are printed: a Markdown table a section, each figure with its median and its range."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing, a value a repetition; `target` is what the project wants to reach, in words."""

    what: str
    unit: str
    values: Sequence[float]
    target: str = ""

    def row(self) -> str:
        low, high = number(min(self.values)), number(max(self.values))
        middle = number(statistics.median(self.values))
        return f"| {self.what} | {middle} | {low} - {high} | {self.unit} | {self.target} |"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Of two things measured in turn."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def number(value: float) -> str:
    """Three digits that mean something; larger numbers whole."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(figures: Sequence[Figure]) -> str:
    head = "| what | median | min - max | unit | target |\n|---|---:|---:|---|---|"
    return "\n".join([head, *(figure.row() for figure in figures)])


def machine() -> str:
    """Where and when: figures mean little without it."""
    models = [line for line in _cpu_information() if line.startswith("model name")]
    name = models[0].partition(":")[2].strip() if models else platform.machine()
    load = os.getloadavg()[0]
    date = datetime.now(UTC).date()
    return f"{os.cpu_count()} cores ({name}), Python {platform.python_version()}, {date}, load at start {load:.1f}"


def _cpu_information() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
