"""Times, their percentiles, and the rows of the table they end in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Target:
    """A bound on a figure: a ratio, or seconds where ``seconds`` is set."""

    bound: float
    at_least: bool = False
    seconds: bool = False

    def met_by(self, figure: float) -> bool:
        return figure >= self.bound if self.at_least else figure <= self.bound

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {duration(self.bound) if self.seconds else times(self.bound)}"


@dataclass(frozen=True)
class Row:
    """One line of the table. ``ratio`` is ours over theirs, or theirs over ours where more is better."""

    what: str
    ours: str
    theirs: str = ""
    ratio: float | None = None
    target: Target | None = None
    figure: float | None = None
    """What the target bounds, where that is not the ratio."""

    @property
    def verdict(self) -> str:
        figure = self.ratio if self.figure is None else self.figure
        if self.target is None or figure is None:
            return ""
        return "met" if self.target.met_by(figure) else "MISSED"

    def cells(self) -> tuple[str, ...]:
        ratio = "" if self.ratio is None else times(self.ratio)
        return self.what, self.ours, self.theirs, ratio, str(self.target or ""), self.verdict


HEAD = ("what", "ours", "theirs", "ratio", "target", "")


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table that also reads well as it stands."""
    cells = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def seconds(act: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def alternate(rounds: int, *acts: Callable[[int], Callable[[], object]]) -> list[list[float]]:
    """The times of each act, taken in turns so that what else the machine does meets all alike.

    ``act(round)`` prepares, untimed, and returns the call that is timed.
    """
    taken: list[list[float]] = [[] for _ in acts]
    for number in range(rounds):
        for act, into in zip(acts, taken, strict=True):
            into.append(seconds(act(number)))
    return taken


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that ``percent`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)]


def spread(values: Sequence[float]) -> str:
    """The median, and the 99th percentile where there are enough values to tell."""
    if len(values) < 50:
        return duration(median(values))
    return f"{duration(median(values))}, p99 {duration(percentile(values, 99))}"


def duration(value: float) -> str:
    """Seconds for a person."""
    if value < 0.000_1:
        return f"{value * 1e6:.0f} µs"
    if value < 0.1:
        return f"{value * 1e3:.{2 if value < 0.01 else 1}f} ms"
    return f"{value * 1e3:.0f} ms" if value < 1 else f"{value:.1f} s"


def times(value: float) -> str:
    """A ratio for a person; a small one as a fraction of one."""
    if 0 < value < 0.2:
        return f"1/{1 / value:.0f}"
    return f"{value:.2f} ×" if value < 10 else f"{value:.0f} ×"


def size(value: int) -> str:
    """Bytes for a person."""
    return f"{value / 1e6:.2f} MB" if value >= 1e6 else f"{value / 1e3:.1f} kB"
