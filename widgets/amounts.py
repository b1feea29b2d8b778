"""Tokens, money and time as a person reads them: what is estimated says so, what is unknown is never 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from widgets.paint import Span, cells

EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class Spent:
    """A sum over model calls: tokens, ``cost`` in 1e-9 USD.

    ``unknown`` counts the calls whose tokens nobody knows, ``unpriced`` those without a known cost.
    """

    calls: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    estimated: int = 0
    unknown: int = 0
    cost: int = 0
    unpriced: int = 0

    @property
    def reported(self) -> int:
        return self.input + self.output


NOTHING = Spent()
"""No call at all."""


def tokens(spent: Spent) -> str:
    """A sum in a column: ``12,345``, ``~678`` where some of it is estimated, ``12,345 + ?``, ``?``.

    Empty without calls.
    """
    if not spent.calls:
        return ""
    known = spent.reported + spent.estimated
    text = f"{'~' if spent.estimated else ''}{known:,}"
    if spent.unknown:
        return f"{text} + ?" if known else "?"
    return text


def made_of(spent: Spent) -> list[str]:
    """What a sum is made of: ``reported 12,345``, ``~678``, ``2 calls ?``; what is not there is left out."""
    parts = []
    if spent.reported or not (spent.estimated or spent.unknown):
        parts.append(f"reported {spent.reported:,}")
    if spent.estimated:
        parts.append(f"~{spent.estimated:,}")
    if spent.unknown:
        parts.append(f"{spent.unknown:,} call{'s' if spent.unknown != 1 else ''} ?")
    return parts


def together(spent: Spent) -> str:
    """A sum with all its parts in one text: ``2,140 + ~85 + 1 ?``; ``0`` where nothing was asked."""
    parts = [f"{spent.reported:,}"] if spent.reported or not (spent.estimated or spent.unknown) else []
    parts += [f"~{spent.estimated:,}"] if spent.estimated else []
    parts += [f"{spent.unknown:,} ?"] if spent.unknown else []
    return " + ".join(parts)


def fitted(number: int, width: int) -> str:
    """A number in ``width`` cells, never cut: ``12,345``, ``1048576`` where commas do not fit, else ``12.3M``."""
    for text in (f"{number:,}", f"{number}", f"{number / 1e6:.1f}M", f"{number / 1e9:.1f}G"):
        if len(text) <= width:
            return text
    return f"{number:.0e}"


def money(spent: Spent) -> str:
    """What a sum costs: ``$0.0123``, ``$0.0123 + ?``; ``–`` where no price is known, empty without calls."""
    if not spent.calls:
        return ""
    if spent.unpriced == spent.calls:
        return "–"
    return f"{dollars(spent.cost)} + ?" if spent.unpriced else dollars(spent.cost)


def dollars(cost: int) -> str:
    """An amount of 1e-9 USD in at most 8 cells up to a million; less than shows is ``<$0.0001``, never 0."""
    if 0 < cost < 100_000:
        return "<$0.0001"
    value = cost / 1e9
    if cost == 0:
        return "$0"
    if value < 10:
        return f"${value:.4f}"
    return f"${value:,.2f}" if value < 10_000 else f"${value:,.0f}"


def clock(moment: int) -> str:
    """A time (microseconds since 1970) on the local clock: ``14:03:22``."""
    try:
        return datetime.fromtimestamp(moment / 1_000_000).strftime("%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "??:??:??"


def lasted(duration: int) -> str:
    """A duration in microseconds in at most 6 cells: ``<1 ms``, ``340 ms``, ``2.1 s``, ``12m05s``, ``3h05m``."""
    if duration < 1_000:
        return "<1 ms"
    if duration < 999_500:
        return f"{duration / 1_000:.0f} ms"
    seconds = duration / 1_000_000
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 6_000:
        return f"{whole // 60}m{whole % 60:02}s"
    hours, rest = divmod(whole // 60, 60)
    return f"{hours}h{rest:02}m" if hours < 100 else f"{hours // 24} days"


def bar(value: int, largest: int, width: int) -> str:
    """A horizontal bar of at most ``width`` cells in eighths of a cell; what is more than nothing shows."""
    if value <= 0 or largest <= 0 or width <= 0:
        return ""
    eighths = max(1, min(value, largest) * width * 8 // largest)
    return "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")


def thin(done: int, whole: int, width: int) -> list[Span]:
    """A thin bar of progress in ``width`` cells: what is done, then the rest."""
    full = 0 if whole <= 0 else max(1 if done > 0 else 0, min(done, whole) * width // whole)
    return [("━" * full, "fail" if whole < done else "accent"), ("─" * (width - full), "faint")]


def packed(parts: Sequence[Sequence[Span]], width: int, between: str = " · ") -> list[list[Span]]:
    """Parts put beside each other, a new line where the next one does not fit."""
    rows: list[list[Span]] = []
    for part in parts:
        joined = [*rows[-1], (between, "faint"), *part] if rows else []
        if rows and cells(joined) <= width:
            rows[-1] = joined
        else:
            rows.append(list(part))
    return rows
