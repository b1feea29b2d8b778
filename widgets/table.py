"""A Markdown table as rows: columns where they fit, one line a cell where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from widgets.paint import Span
from widgets.rows import FlowRow, flow

Cell = tuple[Span, ...]
_BETWEEN = " │ "
_LEAST = 5
"""Cells below which a column is no use."""


@dataclass(frozen=True, slots=True)
class Table:
    """Cells by row, the first row the head; ``right`` says which columns stand at the right."""

    right: tuple[bool, ...]
    cells: tuple[tuple[Cell, ...], ...]

    def text(self) -> str:
        """Its rows with tabs between the cells."""
        return "\n".join(_said(row) for row in self.cells)

    def rows(self, first: tuple[Span, ...], rest: tuple[Span, ...], width: int, base: int) -> list[FlowRow]:
        """Its rows in ``width`` cells behind ``first`` and ``rest``; ``base`` is its first character."""
        widths = _widths([[_size(cell) for cell in row] for row in self.cells], width)
        out: list[FlowRow] = []
        for number, row in enumerate(self.cells):
            size = len(_said(row))
            lines = self._stacked(number, width) if widths is None else self._beside(row, widths)
            for line in lines:
                out.append(FlowRow(rest if out else first, tuple(line), base, size, exact=False))
            if number == 0 and widths is not None:
                rule = "─┼─".join("─" * column for column in widths)
                out.append(FlowRow((*rest, (rule, "rule")), (), base + size))
            base += size + 1
        return out

    def _beside(self, row: Sequence[Cell], widths: Sequence[int]) -> list[list[Span]]:
        columns = [flow(cell, width) for cell, width in zip(row, widths, strict=False)]
        lines: list[list[Span]] = []
        for n in range(max((len(column) for column in columns), default=0)):
            line: list[Span] = []
            for index, (column, width) in enumerate(zip(columns, widths, strict=False)):
                spans = column[n][0] if n < len(column) else ()
                space = (" " * max(0, width - _size(spans)), "")
                line += [(_BETWEEN, "rule")] if index else []
                line += [space, *spans] if self.right[index] else [*spans, space]
            lines.append([span for span in line if span[0]])
        return lines

    def _stacked(self, number: int, width: int) -> list[list[Span]]:
        """A row as ``head: cell`` lines, for a width that the columns do not fit in."""
        if number == 0:
            return []
        lines: list[list[Span]] = []
        for index, cell in enumerate(self.cells[number]):
            head = "".join(text for text, _ in self.cells[0][index])
            sign = "· " if index == 0 else "  "
            for n, (spans, _, _) in enumerate(flow([(f"{head}: ", "dim"), *cell], max(1, width - 2))):
                lines.append([(sign if n == 0 else "  ", "accent"), *spans])
        return lines


def _said(row: Sequence[Cell]) -> str:
    return "\t".join("".join(text for text, _ in cell) for cell in row)


def _size(spans: Sequence[Span]) -> int:
    return sum(cell_len(text) for text, _ in spans)


def _widths(sizes: Sequence[Sequence[int]], width: int) -> list[int] | None:
    """How wide each column is: as it likes to be, or the widest made narrower until all fit; None where none do."""
    wanted = [max(1, *column) for column in zip(*sizes, strict=False)]
    room = width - len(_BETWEEN) * (len(wanted) - 1)
    if not wanted or room < sum(min(size, _LEAST) for size in wanted):
        return None
    while (over := sum(wanted) - room) > 0:
        widest = max(wanted)
        second = max((size for size in wanted if size < widest), default=0)
        many = [n for n, size in enumerate(wanted) if size == widest]
        less = max(1, min(widest - max(second, _LEAST), -(-over // len(many))))
        for n in many:
            if sum(wanted) > room:
                wanted[n] -= less
    return wanted
