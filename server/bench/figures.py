"""Figures: percentiles, medians of rounds, rows of the table, and how they are printed. Measures nothing."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

_PERCENT = 100


def percentile(ordered: Sequence[int], percent: int) -> int:
    """Return the nearest-rank percentile of ascending values; 0 when there are none."""
    if not ordered:
        return 0
    rank = max(1, -(-len(ordered) * percent // _PERCENT))
    return ordered[rank - 1]


def median(values: Iterable[float]) -> float:
    """Return the median; 0 when there is none."""
    found = list(values)
    return statistics.median(found) if found else 0.0


class Row(Struct, frozen=True):
    """One line of the table: what, its figure, and beside it ratios to the peer and the floor of the same run."""

    what: str
    value: float
    unit: str
    detail: str = ""
    rounds: tuple[float, ...] = ()
    ratio: float | None = None
    ratio_to: str = ""
    bar: str = ""
    """What the issue or the design asks for, in words; empty where nothing is asked."""
    met: bool | None = None


class Report(Struct):
    """Everything one run has found."""

    command: str
    machine: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was left out or differs from the plan, and why."""

    def value(self, what: str) -> float | None:
        """Return the figure of a row of this run, or None when it was not measured."""
        return next((row.value for row in self.rows if row.what == what), None)


def figure_text(value: float, unit: str) -> str:
    """Return a figure as a person reads it."""
    if unit in {"us", "/s"} or value >= 1000:  # noqa: PLR2004 - from a thousand on, no decimals
        return f"{value:,.0f} {unit}" if value >= 10 else f"{value:.2f} {unit}"  # noqa: PLR2004
    return f"{value:,.2f} {unit}"


def table(report: Report) -> str:
    """Return the report as text."""
    lines = [f"command: {report.command}"]
    lines += [f"{name}: {text}" for name, text in report.machine.items()]
    lines.append("")
    width = max((len(row.what) for row in report.rows), default=0)
    for row in report.rows:
        ratio = f"{row.ratio:.2f}x {row.ratio_to}" if row.ratio is not None else ""
        verdict = {True: "met", False: "NOT MET", None: ""}[row.met]
        bar = f"[{row.bar}: {verdict}]" if row.bar else ""
        parts = (f"{row.what:<{width}}", f"{figure_text(row.value, row.unit):>14}", row.detail, ratio, bar)
        lines.append("  ".join(part for part in parts if part))
    lines += ["", *(f"note: {note}" for note in report.notes)]
    return "\n".join(lines).rstrip() + "\n"
