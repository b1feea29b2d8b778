"""The meter: what every operation cost, a line each, bars by step, and totals that say what they are made of."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len

from widgets.amounts import bar, packed, thin
from widgets.paint import Ink, Line, Span, cells, clip, pad, wrap
from widgets.pane import Pane
from workspace.amounts import dollars, fitted, lasted, made_of, money, time_of_day, together, tokens
from workspace.kinds import Outcome
from workspace.totals import NOTHING, Total

BARS = 6
"""Bars at most."""
NARROW = 46
"""Cells from which there is room for more than tokens."""
NUMBER = 13
"""Cells of the number beside a bar, at least."""
TOKENS = 7
"""Cells of a column of tokens."""


@dataclass(frozen=True, slots=True)
class MeterNeed:
    """``rows`` lines of operations without the newest ``back``; of the ``whole`` workspace or of the session."""

    rows: int
    back: int = 0
    whole: bool = False


@dataclass(frozen=True, slots=True)
class MeterRow:
    """One operation, or a loop of ``times`` of them under one program.

    ``spent`` is None for what asked no model. ``time`` is when it began, in microseconds
    since 1970, ``lasted`` how long it took, None while it runs. ``same`` is the number of
    the call whose message it repeats: that one is counted, this one is not.
    """

    operation: int
    time: int
    label: str
    spent: Total | None = None
    lasted: int | None = None
    outcome: Outcome | None = None
    times: int = 0
    model: str | None = None
    same: int | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """One bar: a step of the plan, or a session."""

    label: str
    spent: Total


@dataclass(frozen=True, slots=True)
class MeterPage:
    """What the meter draws. ``session`` is None for the workspace.

    ``rows`` are oldest first, ``count`` of all there are up to the cursor, without the
    newest ``back``. ``ready`` is False while the journal is still being read for the first
    time. Limits: tokens, and 1e-9 USD.
    """

    session: str | None = None
    total: Total = NOTHING
    effective: Total = NOTHING
    wasted: Total = NOTHING
    unjudged: Total = NOTHING
    bars: tuple[Share, ...] = ()
    rows: tuple[MeterRow, ...] = ()
    count: int = 0
    back: int = 0
    max_tokens: int | None = None
    max_cost: int | None = None
    ready: bool = True


class MeterPane(Pane[MeterNeed, MeterPage]):
    """The pane of what things cost. ``note`` is a caption below the totals."""

    def __init__(self, *, id: str | None = None, ink: Ink | None = None) -> None:
        super().__init__(id=id, ink=ink)
        self._page: MeterPage | None = None
        self.note: str | None = None
        self.whole = False
        self._back = 0
        self._shown = 1

    # -- pages

    def need(self) -> MeterNeed:
        """What this pane needs for its size and where it is scrolled to."""
        return MeterNeed(max(1, self.room.height), self._back, self.whole)

    def show(self, page: MeterPage) -> None:
        """Draw a page."""
        self._page = page
        self._back = page.back
        self.redraw()
        if not page.ready:
            self.post_message(self.Wanted(self))

    def cycle(self) -> bool:
        """Between the session and the whole workspace."""
        self.whole = not self.whole
        self._back = 0
        self.post_message(self.Wanted(self))
        return True

    def move(self, lines: int) -> None:
        """Scroll the operations; down is towards the newest."""
        count = self._page.count if self._page else 0
        back = max(0, min(self._back - lines, count - self._shown))
        if back != self._back:
            self._back = back
            self.post_message(self.Wanted(self))

    def page(self, pages: int) -> None:
        """Scroll by what fits."""
        self.move(pages * max(1, self._shown - 1))

    def home(self) -> None:
        """To the first operation."""
        self.move(-(1 << 60))

    def end(self) -> None:
        """To the newest operation."""
        self.move(1 << 60)

    def copied(self) -> str:
        """The totals as text."""
        if self._page is None:
            return ""
        rows = totals(self._page, 200)
        return "\n".join("".join(text for text, _ in row).rstrip() for row in rows)

    # -- drawing

    def heading(self, width: int) -> tuple[Line, Line]:
        page = self._page
        if page is None:
            return [("Meter", "")], []
        of = f"session {page.session}" if page.session is not None else "workspace"
        note = tokens(page.total) if page.ready else "reading …"
        return [("Meter", ""), (f"  {of}", "dim")], [(note, "")] if note else []

    def lines(self, width: int, height: int) -> list[Line]:
        page = self._page
        if page is None or height <= 0:
            return []
        if not page.ready:
            return [[("Reading the journal …", "dim")]]
        if not page.count and not page.total.calls:
            return [[("No calls yet.", "dim")]]
        foot = totals(page, width)
        if page.session is not None:
            foot += budget(page, width)[: 2 if height >= 14 else 1]
        if self.note:
            foot += [[(text, "comment") for text, _ in row] for row in wrap([(self.note, "")], width)[:3]]
        foot = foot[: max(1, height - 1)]
        space = max(0, height - len(foot) - 1)
        drawn = bars(page, width, min(BARS, (space - 1) // 2)) if space > 4 else []
        space -= len(drawn)
        top: list[Line] = list(drawn)
        if space > 3:
            top.append(columns(width))
            space -= 1
        self._shown = max(1, min(space, len(page.rows)))
        shown = page.rows[-space:] if space else ()
        rows = [row(item, width) for item in shown]
        rows += [[] for _ in range(space - len(rows))]
        newer = f" {page.back:,} newer ▾ " if page.back else ""
        edge: Line = [("─" * width, "rule")]
        if newer:
            edge = [("─" * max(0, width - cell_len(newer) - 1), "rule"), (newer, "dim"), ("─", "rule")]
        return [*top, *rows, edge, *foot]


def row(item: MeterRow, width: int) -> list[Span]:
    """One operation in fixed columns; what asked no model has its duration where others have tokens."""
    sizes = _sizes(width)
    line: list[Span] = [(time_of_day(item.time), "faint"), (" ", "")]
    right = sum(sizes.values()) + len(sizes)
    bad = item.outcome is not None and item.outcome.failed
    if item.spent is None:
        loop = f" × {item.times:,}" if item.times else ""
        duration = "…" if item.lasted is None else lasted(item.lasted)
        loops = f"0 tok  {pad(duration, 6, right=True)}" if width >= NARROW else "0 tok"
        says = loops if item.times else duration
        room = max(0, width - 9 - len(says) - 1)
        line += _label(item.label, loop, room, item.outcome if bad else None, "text")
        return [*line, (" ", ""), (says, "dim")]
    if item.same is not None:
        says = f"as call {item.same:,}{', counted once' if width >= NARROW else ''}"
        line += _label(item.label, "", max(0, width - 10 - len(says)), None, "dim")
        return [*line, (" ", ""), (says, "faint")]
    use, running = item.spent, item.lasted is None
    blank = "…" if running else "?"
    out = use.output + use.estimated
    values = {
        "in": fitted(use.input, TOKENS) if use.input or not (use.unknown or use.estimated) else "",
        "out": "~" + fitted(out, TOKENS - 1) if use.estimated else fitted(out, TOKENS),
        "cached": fitted(use.cached, TOKENS) if use.cached else "",
        "cost": "…" if running else money(use),
        "took": "…" if item.lasted is None else lasted(item.lasted),
    }
    if use.unknown:
        values["in"] = values["in"] or blank
        values["out"] = values["out"] if out else blank
    label = f"{item.label} · {item.model}" if width >= 90 and item.model else item.label
    line += _label(label, "", max(0, width - 9 - right), item.outcome if bad else None, "text")
    for name, size in sizes.items():
        line += [(" ", ""), (pad(values[name], size, right=True), "dim" if name in ("took", "cached") else "number")]
    return line


def columns(width: int) -> list[Span]:
    """The names of the columns."""
    sizes = _sizes(width)
    right = sum(sizes.values()) + len(sizes)
    line: list[Span] = [(pad("time", 9), "faint"), (pad("operation", max(0, width - 9 - right)), "faint")]
    for name, size in sizes.items():
        line += [(" ", ""), (pad(name, size, right=True), "faint")]
    return line


def bars(page: MeterPage, width: int, most: int) -> list[Line]:
    """The shares as horizontal bars, scaled to the largest; the largest ``most`` of them, in their order."""
    if not page.bars or most <= 0:
        return []
    size = {index: share.spent.known for index, share in enumerate(page.bars)}
    kept = sorted(sorted(size, key=lambda index: -size[index])[:most])
    largest = max(size.values())
    label = min(24, max(12, width * 2 // 5))
    number = max(NUMBER, *(len(tokens(page.bars[index].spent)) for index in kept))
    room = max(0, width - label - number - 2)
    out: list[Line] = []
    for index in kept:
        share = page.bars[index]
        drawn = bar(size[index], largest, room)
        out.append([
            (pad(share.label, label), "text"), (" ", ""), (drawn, "accent"), (" " * (room - len(drawn)), ""),
            (" ", ""), (pad(tokens(share.spent), number, right=True), "number"),
        ])  # fmt: skip
    return out


def totals(page: MeterPage, width: int) -> list[Line]:
    """What the tokens were, what they cost and what came of them."""
    use = page.total
    cost = money(use) or "$0"
    names = ["strong", "text", "text"]
    out: list[Line] = [*packed([[part] for part in zip(made_of(use), names, strict=False)], width)]
    first = list(out[-1])
    gap = width - cells(first) - len(cost)
    if gap >= 3:
        out[-1] = [*first, (" " * gap, ""), (cost, "strong")]
    else:
        out.append([(f"cost {cost}", "strong")])
    judged = (
        ("effective", page.effective, "ok"), ("wasted", page.wasted, "fail"), ("unjudged", page.unjudged, "dim"),
    )  # fmt: skip
    out += packed(
        [[(f"{word} ", "dim"), (together(part), style if part.calls else "dim")] for word, part, style in judged],
        width,
    )
    return out


def budget(page: MeterPage, width: int) -> list[Line]:
    """How much of the session's limits is spent, a line each."""
    out: list[Line] = []
    use = page.total
    if page.max_tokens is not None:
        used = use.reported + use.estimated
        out.append(_limit(f"budget {together(use)} of {page.max_tokens:,}", used, page.max_tokens, width))
    if page.max_cost is not None:
        spent = money(use) or "$0"
        out.append(_limit(f"budget {spent} of {dollars(page.max_cost)}", use.cost, page.max_cost, width))
    return out


def _limit(text: str, used: int, limit: int, width: int) -> list[Span]:
    room = min(20, width - len(text) - 2)
    if room < 4:
        return [(clip(text, width), "dim")]
    return [(text, "dim"), (" " * (width - len(text) - room), ""), *thin(used, limit, room)]


def _label(text: str, loop: str, room: int, outcome: Outcome | None, names: str) -> list[Span]:
    """A label in exactly ``room`` cells, with how often it ran and, where it is bad, how it ended."""
    bad = f" ✗ {outcome}" if outcome and room >= 28 else " ✗" if outcome else ""
    shown = clip(text, max(0, room - cell_len(loop) - cell_len(bad)))
    rest = room - cell_len(shown) - cell_len(loop) - cell_len(bad)
    return [(shown, names), (loop, "accent"), (bad, "fail"), (" " * max(0, rest), "")]


def _sizes(width: int) -> dict[str, int]:
    """The columns of a model call's numbers that a width has room for, with their cells."""
    sizes = {"in": TOKENS, "out": TOKENS}
    if width >= 72:
        sizes["cached"] = TOKENS
    if width >= NARROW:
        sizes["cost"] = 8
    if width >= 58:
        sizes["took"] = 6
    return sizes
