"""The timeline at a cursor: an outline of acts, read outward from where one stands, in pages."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace

from runtime.labels import row_label
from widgets.scrubber import ScrubberPage
from widgets.timeline import Fold, TimelineNeed, TimelinePage, TimelineRow
from workspace import History, Operation
from workspace.amounts import narrow
from workspace.kinds import Kind, Outcome
from workspace.operations import outline
from workspace.records import ENDED
from wukong_tui.views import Look
from wukong_tui.views.scrubber import SOON, Density
from wukong_tui.views.sums import Sums

UNFOLDED = (Kind.PROMPT, Kind.ATTEMPT)
"""Kinds that are unfolded where they hold the cursor; all others are loops, one row each."""
TAKEN_BACK = (Kind.RESTORE, Kind.REVERT, Kind.UNDO, Kind.REDO)
CHUNK = 1 << 15
"""Entries in which one load looks for top-level acts, at most."""
NEAR = 1 << 12
"""Entries that it looks at in one query."""
SEARCHED = 1 << 11
"""Entries that one load filters, at most."""
KEPT = 4096
"""Rows that are remembered, at most."""

Path = tuple[int, ...]
"""An operation after all that led to it: the top-level act first."""


class TimelineView:
    """Gives the timeline its page; what it has read of acts that are over it remembers."""

    def __init__(self, density: Density | None = None) -> None:
        """``density`` may be shared with the scrubber's view of the same reader."""
        self.density = density or Density()
        self._tops = _Tops()
        self._found = _Found("")
        self._sums = Sums()
        self._rows: dict[int, tuple[int, TimelineRow]] = {}
        """Rows of acts that are over, with the entry that ended them."""

    def load(self, history: History, look: Look, need: TimelineNeed) -> TimelinePage:
        """Rows around the chosen act, or around the cursor, with a page more to either side."""
        again = self.density.grow(history, look.newest, look.now)
        bar = self.density.page(max(1, need.width), look.cursor, again=again)
        self._sums.begin()
        if need.filter:
            return self._filtered(history, look, need, bar)
        self._tops.begin()
        walk = _Walk(history, look.newest, self._tops, self._opened(history, look, need))
        here = walk.visible(_path(history, look.cursor))
        if here and _is_end_of_prompt(history, look.cursor):
            here = walk.last(here, look.cursor)  # the prompt's own row is far above what happens now
        chosen = need.chosen if need.chosen is not None and need.chosen <= look.newest else None
        anchor = walk.visible(_path(history, chosen)) if chosen is not None else here
        margin = 2 * max(1, need.rows)
        if anchor:
            paths = [*reversed(walk.backward(anchor, margin)), anchor, *walk.forward(anchor, margin)]
        else:
            paths = walk.below((), 0, margin)
        rows = tuple(self._row(history, look, path, walk, here) for path in paths)
        ready = self._tops.ready and not any(row.pending for row in rows)
        return TimelinePage(bar, rows, again=again if ready else SOON)

    # -- which rows

    def _opened(self, history: History, look: Look, need: TimelineNeed) -> set[int]:
        """The operations whose children are rows: those that hold the cursor, and what a person unfolded."""
        opened = set(need.opened)
        for id_ in _path(history, look.cursor):
            if history.store.journal.entry(id_).kind not in UNFOLDED:
                break
            opened.add(id_)
        return opened - need.closed

    def _filtered(self, history: History, look: Look, need: TimelineNeed, bar: ScrubberPage) -> TimelinePage:
        if self._found.text != need.filter:
            self._found = _Found(need.filter)
        found = self._found
        found.grow(history, look.cursor, look.newest)
        at = bisect_right(found.ids, need.chosen if need.chosen is not None else look.cursor)
        margin = 2 * max(1, need.rows)
        paths = [(id_,) for id_ in found.ids[max(0, at - margin) : at + margin]]
        path = _path(history, look.cursor)
        here = next(((id_,) for id_ in reversed(path) if (id_,) in paths), ())
        walk = _Walk(history, look.newest, self._tops, set())
        rows = tuple(replace(self._row(history, look, path, walk, here), fold="") for path in paths)
        searched = found.low == 0 and found.high >= look.newest
        ready = searched and not any(row.pending for row in rows)
        return TimelinePage(bar, rows, need.filter, len(found.ids), searched, bar.again if ready else SOON)

    # -- one row

    def _row(self, history: History, look: Look, path: Path, walk: _Walk, here: Path) -> TimelineRow:
        id_ = path[-1]
        last, row = self._rows.get(id_, (0, None))
        if row is None or last > look.cursor >= id_:
            row = self._made(history, look, id_)
        fold: Fold = row.fold and ("open" if id_ in walk.opened else "closed")
        return replace(row, depth=len(path) - 1, fold=fold, here=path == here, future=id_ > look.cursor)

    def _made(self, history: History, look: Look, id_: int) -> TimelineRow:
        """A row as its act stood at the cursor, or as it is known by now where it comes after it."""
        store = history.store
        upto = look.cursor if id_ <= look.cursor else look.newest
        operation = store.journal.operation(id_, upto)
        whole = operation if upto == look.newest else store.journal.operation(id_, look.newest)
        last = min(whole.last, look.newest) if whole.outcome is not None else look.newest
        count = self._sums.count(history, id_, last)
        sign, style = _sign(operation)
        sums = self._sums.of(history, whole if count else operation, last, look.newest, composite=count > 0)
        row = TimelineRow(
            operation=id_,
            entry=id_ if operation.kind == Kind.PROMPT else whole.last,
            depth=0,
            time=operation.started,
            sign=sign,
            style=style,
            label=row_label(operation),
            count=count if count > 0 and operation.kind not in UNFOLDED else 0,
            fold="closed" if count else "",
            documents=sums.documents,
            added=sums.added,
            removed=sums.removed,
            tokens=narrow(sums.spent),
            pending=sums.pending,
        )
        if whole.outcome is not None and not sums.pending and (whole.last <= look.cursor or id_ > look.cursor):
            if len(self._rows) >= KEPT:
                self._rows.clear()
            self._rows[id_] = (whole.last, row)
        return row


def _sign(operation: Operation) -> tuple[str, str]:
    """The sign of an act and its style: how it ended comes before what it is."""
    if operation.failed:
        return "✗", "fail"
    if operation.kind == Kind.PROMPT:
        return "❯", "accent"
    if operation.outcome is None:
        return "…", "fresh"
    if operation.kind in TAKEN_BACK:
        return "↩", "strong"
    if operation.outcome == Outcome.VERIFIED:
        return "✓", "ok"
    return "·", "dim"


def _path(history: History, entry: int) -> Path:
    """The operation of an entry after all that led to it; nothing for entry 0."""
    if entry <= 0:
        return ()
    path = [history.store.journal.entry(entry).operation]
    while (parent := outline.parent_of(history.store, path[-1])) is not None and parent < path[-1]:
        path.append(parent)
    return tuple(reversed(path))


def _is_end_of_prompt(history: History, cursor: int) -> bool:
    entry = history.store.journal.entry(cursor)
    return entry.kind == Kind.PROMPT and entry.phase == ENDED


class _Walk:
    """Goes through the outline in the order in which it is shown, as far as asked."""

    def __init__(self, history: History, newest: int, tops: _Tops, opened: set[int]) -> None:
        self._history = history
        self._newest = newest
        self._tops = tops
        self.opened = opened

    def visible(self, path: Path) -> Path:
        """The part of a path that is shown: nothing below what is folded."""
        for depth, id_ in enumerate(path[:-1], 1):
            if id_ not in self.opened:
                return path[:depth]
        return path

    def forward(self, path: Path, most: int) -> list[Path]:
        """Up to ``most`` rows after this one."""
        out = self.below(path, 0, most) if path[-1] in self.opened else []
        while path and len(out) < most:
            out += self.below(path[:-1], path[-1], most - len(out))
            path = path[:-1]
        return out

    def backward(self, path: Path, most: int) -> list[Path]:
        """Up to ``most`` rows before this one, the nearest first."""
        out: list[Path] = []
        while path and len(out) < most:
            for id_ in self._siblings(path[:-1], 0, path[-1], most - len(out), newest_first=True):
                out += self._back((*path[:-1], id_), most - len(out))
                if len(out) >= most:
                    return out
            path = path[:-1]
            if path:
                out.append(path)
        return out

    def below(self, path: Path, after: int, most: int) -> list[Path]:
        """Up to ``most`` rows among what an act caused, from the one after ``after``; of () top-level acts."""
        out: list[Path] = []
        for id_ in self._siblings(path, after, self._newest + 1, most, newest_first=False):
            if len(out) >= most:
                break
            out.append((*path, id_))
            if id_ in self.opened and len(out) < most:
                out += self.below((*path, id_), 0, most - len(out))
        return out

    def last(self, path: Path, cursor: int) -> Path:
        """The last row of what an act had caused at the cursor; its own row where none is shown."""
        while path[-1] in self.opened and (
            ids := self._siblings(path, 0, min(cursor, self._newest) + 1, 1, newest_first=True)
        ):
            path = (*path, ids[0])
        return path

    def _back(self, path: Path, most: int) -> list[Path]:
        """An act and what is shown of what it caused, the last first."""
        out: list[Path] = []
        if path[-1] in self.opened:
            for id_ in self._siblings(path, 0, self._newest + 1, most, newest_first=True):
                out += self._back((*path, id_), most - len(out))
                if len(out) >= most:
                    return out
        return [*out, path]

    def _siblings(self, parent: Path, after: int, before: int, most: int, *, newest_first: bool) -> list[int]:
        if not parent:
            return self._tops.near(self._history, after, before, most, self._newest, newest_first=newest_first)
        return outline.siblings(
            self._history.store, parent[-1], after=after, before=before, newest_first=newest_first, limit=most
        )


@dataclass(slots=True)
class _Tops:
    """Top-level acts in the part of the history that was looked at: it grows from where one stands.

    Long programs lie between them, which no page should have to read through twice.
    """

    low: int = 0
    high: int = 0
    """Looked at are the entries ``low < id <= high``."""
    ids: list[int] = field(default_factory=list)
    ready: bool = True
    _left: int = CHUNK

    def begin(self) -> None:
        """Start a load: it may look at so many entries and no more."""
        self.ready, self._left = True, CHUNK

    def near(
        self, history: History, after: int, before: int, most: int, newest: int, *, newest_first: bool
    ) -> list[int]:
        """Up to ``most`` top-level acts in ``after < id < before``, from the end asked for, as far as was looked."""
        start = min(newest, before - 1) if newest_first else after
        if not self.low - NEAR <= start <= self.high + NEAR:
            self.low = self.high = start
            self.ids = []
        while not self.low <= start <= self.high and self._left > 0:
            self._look(history, newest, back=start < self.low)
        while True:
            first, last = bisect_right(self.ids, after), bisect_left(self.ids, before)
            found = self.ids[max(first, last - most) : last] if newest_first else self.ids[first : first + most]
            found = [id_ for id_ in found if after < id_ < before]
            edge = self.low <= after if newest_first else self.high >= min(newest, before - 1)
            if len(found) >= most or edge:
                break
            if self._left <= 0:
                self.ready = False
                break
            self._look(history, newest, back=newest_first)
        return found[::-1] if newest_first else found

    def _look(self, history: History, newest: int, *, back: bool) -> None:
        size = min(self._left, NEAR)
        self._left -= size
        if back:
            low = max(0, self.low - size)
            more = outline.siblings(history.store, None, after=low, before=self.low + 1, limit=size)
            self.ids, self.low = more + self.ids, low
        else:
            high = min(newest, self.high + size)
            more = outline.siblings(history.store, None, after=self.high, before=high + 1, limit=size)
            self.ids, self.high = self.ids + more, high


@dataclass(slots=True)
class _Found:
    """What a filter has found so far: in the entries ``low < id <= high``, grown from the cursor outward."""

    text: str
    low: int = -1
    high: int = -1
    ids: list[int] = field(default_factory=list)

    def grow(self, history: History, cursor: int, newest: int) -> None:
        """Look a little further in both directions."""
        if self.low < 0:
            self.low = self.high = cursor
        low, high = max(0, self.low - SEARCHED), min(newest, self.high + SEARCHED)
        more = (
            {id_ for id_, _ in outline.matching(history.store, self.text, low, self.low)} if low < self.low else set()
        )
        if self.high < high:
            more |= {id_ for id_, _ in outline.matching(history.store, self.text, self.high, high)}
        if more:
            self.ids = sorted(more.union(self.ids))
        self.low, self.high = low, high
