"""How much happened where in the history: counted once, then only what is new."""

from __future__ import annotations

from itertools import accumulate

from widgets.scrubber import RANK, Mark, ScrubberNeed, ScrubberPage, bounds
from workspace import History
from workspace.kinds import Kind, Outcome
from workspace.operations import outline
from wukong_tui.views import Look

BUCKETS = 4096
"""Counts that are kept, at most: a longer history has wider buckets."""
CHUNK = 1 << 14
"""Entries that one load looks at, at most."""
PAUSE = 200_000
"""Microseconds between two looks at what is new, at least."""
SOON = 0.05
"""Seconds after which to go on with what was too much for one load."""
BACK = (Kind.RESTORE, Kind.REVERT, Kind.UNDO, Kind.REDO)


class Density:
    """Versions and marks of the history by bucket of entries, grown from page to page."""

    def __init__(self) -> None:
        self.newest = 0
        """The newest entry that is counted."""
        self.size = 1
        self._counts: list[int] = [0]
        self._marks: dict[int, tuple[int, int]] = {}
        """By bucket the rank of its most important mark, and its entry."""
        self._open = 0
        """Attempts that began after this entry may have to be looked at again."""
        self._looked = -PAUSE
        self._columns: tuple[tuple[int, int], tuple[tuple[int, ...], tuple[Mark, ...], tuple[int, ...]]] | None = None

    def grow(self, history: History, newest: int, now: int) -> float:
        """Count what is new, not too much and not too often (``now`` in microseconds); seconds until it is to go on.

        0 where everything is counted.
        """
        if self.newest >= newest:
            return 0.0
        if 0 <= now - self._looked < PAUSE and newest - self.newest < CHUNK:
            return PAUSE / 1e6
        upto = min(newest, self.newest + CHUNK)
        while upto // self.size >= BUCKETS:
            self._widen()
        self._counts += [0] * (upto // self.size + 1 - len(self._counts))
        store = history.store
        for bucket, count in outline.density(store, self.newest, upto, self.size):
            self._counts[bucket] += count
        for entry in outline.firsts(store, (Kind.PROMPT,), self.newest, upto, self.size):
            self._mark(1, entry)
        for entry in outline.firsts(store, BACK, self.newest, upto, self.size):
            self._mark(2, entry)
        attempts = outline.endings(store, Kind.ATTEMPT, self._open, upto)
        for _, end, outcome in attempts:
            if end is not None and outcome == Outcome.FAILED:
                self._mark(3, end)
        self._open = min((id_ - 1 for id_, end, _ in attempts if end is None), default=upto)
        self.newest = upto
        self._looked = now
        return 0.0 if upto == newest else SOON

    def page(self, width: int, cursor: int, *, again: float = 0.0) -> ScrubberPage:
        """What is counted, in columns."""
        key = (self.newest, width)
        if self._columns is None or self._columns[0] != key:
            self._columns = (key, self._divide(width))
        counts, marks, entries = self._columns[1]
        return ScrubberPage(self.newest, cursor, counts, marks, entries, again)

    def _divide(self, width: int) -> tuple[tuple[int, ...], tuple[Mark, ...], tuple[int, ...]]:
        sums = [0, *accumulate(self._counts)]
        best: dict[int, tuple[int, int]] = {}
        counts: list[int] = []
        entries: list[int] = []
        starts: dict[int, int] = {}
        for at in range(width):
            first, end = bounds(at, self.newest, width)
            low = first // self.size
            high = min(len(self._counts), max(low + 1, end // self.size if at < width - 1 else len(self._counts)))
            counts.append(sums[high] - sums[low])
            entries.append(min(self.newest, end - 1))
            starts.setdefault(low, at)
        columns = sorted(starts)
        place = 0
        for bucket in sorted(self._marks):
            while place + 1 < len(columns) and columns[place + 1] <= bucket:
                place += 1
            at = starts[columns[place]] if columns else 0
            best[at] = max(best.get(at, (0, 0)), self._marks[bucket], key=lambda mark: mark[0])
        marks: list[Mark] = [""] * width
        for at, (rank, entry) in best.items():
            marks[at], entries[at] = RANK[rank], entry
        return tuple(counts), tuple(marks), tuple(entries)

    def _mark(self, rank: int, entry: int) -> None:
        bucket = entry // self.size
        if rank > self._marks.get(bucket, (0, 0))[0]:
            self._marks[bucket] = (rank, entry)

    def _widen(self) -> None:
        self.size *= 2
        counts = self._counts + [0] * (len(self._counts) % 2)
        self._counts = [a + b for a, b in zip(counts[::2], counts[1::2], strict=True)]
        old, self._marks = self._marks, {}
        for rank, entry in old.values():
            self._mark(rank, entry)


class ScrubberView:
    """Gives the scrubber its page."""

    def __init__(self, density: Density | None = None) -> None:
        """``density`` may be shared with other views of the same reader."""
        self.density = density or Density()

    def load(self, history: History, look: Look, need: ScrubberNeed) -> ScrubberPage:
        """The whole history in ``need.width`` columns, as far as it is counted."""
        again = self.density.grow(history, look.newest, look.now)
        return self.density.page(max(1, need.width), look.cursor, again=again)
