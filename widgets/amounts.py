"""Amounts as bars, and parts packed into rows."""

from __future__ import annotations

from collections.abc import Sequence

from widgets.paint import Span, cells

EIGHTHS = " ▏▎▍▌▋▊▉█"


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
