"""The plan: its steps with their checks and attempts, what became of each and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich.cells import cell_len
from textual.message import Message

from widgets.amounts import thin
from widgets.paint import Ink, Line, Span, cells, clip, join, pad
from widgets.pane import Pane
from workspace.amounts import money, tokens
from workspace.kinds import Outcome
from workspace.totals import NOTHING, Total

StepStatus = Literal["todo", "doing", "done", "failed"]
SIGNS: dict[StepStatus, tuple[str, str]] = {
    "todo": ("·", "faint"), "doing": ("▸", "accent"), "done": ("✓", "ok"), "failed": ("✗", "fail"),
}  # fmt: skip
MANY = 200
"""Steps from which only those near what is looked at are drawn."""
NARROW = 46
"""Cells from which cost has a column of its own."""

Key = tuple[int, int]
"""What can be chosen: a step's number with an attempt's, 0 for the step itself."""


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One try at a step: ``outcome`` None while it runs; ``lessons`` names what it was taught by.

    ``entry`` is its operation, ``why`` the sentence of the check that failed.
    """

    entry: int
    number: int
    outcome: Outcome | None
    why: str = ""
    spent: Total = NOTHING
    reverted: bool = False
    lessons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step; ``spent`` is the sum of its attempts."""

    number: int
    title: str
    check: str | None
    state: StepStatus
    attempts: tuple[AttemptRow, ...] = ()
    spent: Total = NOTHING


@dataclass(frozen=True, slots=True)
class PlanNeed:
    """What the plan needs: all of it, whatever the size."""


@dataclass(frozen=True, slots=True)
class PlanPage:
    """A session's plan at the cursor; ``plan`` is the operation that set it, None where there is none.

    ``current`` is the step that is tried, or was last. ``outside`` is what was spent on no
    step of this plan, ``total`` all of the session. ``ready`` is False while sums are still
    being read for the first time.
    """

    session: str | None = None
    plan: int | None = None
    steps: tuple[StepRow, ...] = ()
    current: int = 1
    outside: Total = NOTHING
    total: Total = NOTHING
    ready: bool = True


class PlanPane(Pane[PlanNeed, PlanPage]):
    """The pane of the plan. ``choose`` posts Chosen with the entry of what is chosen."""

    class Chosen(Message):
        """An attempt (or step) was chosen: look at its entry."""

        def __init__(self, sheet: PlanPane, entry: int) -> None:
            super().__init__()
            self.sheet = sheet
            self.entry = entry

        @property
        def control(self) -> PlanPane:
            return self.sheet

    def __init__(self, *, id: str | None = None, ink: Ink | None = None) -> None:
        super().__init__(id=id, ink=ink)
        self._page: PlanPage | None = None
        self._chosen: Key | None = None
        self._top = 0

    # -- pages

    def need(self) -> PlanNeed:
        """What this pane needs."""
        return PlanNeed()

    def show(self, page: PlanPage) -> None:
        """Draw a page; another plan is looked at from its current step."""
        if self._page is None or self._page.plan != page.plan:
            self._chosen, self._top = None, 0
        self._page = page
        self.redraw()
        if not page.ready:
            self.post_message(self.Wanted(self))

    # -- choosing

    def move(self, lines: int) -> None:
        """Choose a step or attempt further down or up."""
        keys = self._keys()
        if not keys:
            return
        now = self._chosen if self._chosen in keys else self._start()
        index = keys.index(now) if now in keys else 0
        if self._chosen is not None or abs(lines) > 1:
            index += lines
        self._chosen = keys[max(0, min(index, len(keys) - 1))]
        self.redraw()

    def page(self, pages: int) -> None:
        """Choose what is a page further."""
        self.move(pages * max(2, self.room.height // 2))

    def home(self) -> None:
        """Choose the first step."""
        self.move(-(1 << 40))

    def end(self) -> None:
        """Choose the last row."""
        self.move(1 << 40)

    def choose(self) -> None:
        """Say which entry the chosen row is: an attempt's; of a step the newest attempt, else the plan itself."""
        page, key = self._page, self._chosen or self._start()
        if page is None or page.plan is None or not page.steps:
            return
        step = page.steps[key[0] - 1] if 1 <= key[0] <= len(page.steps) else page.steps[0]
        tries = [attempt for attempt in step.attempts if key[1] in (0, attempt.number)]
        self.post_message(self.Chosen(self, tries[-1].entry if tries else page.plan))

    def copied(self) -> str:
        """The plan as text."""
        if self._page is None:
            return ""
        drawn = [line for _, group in groups(self._page, 120) for line in group]
        return "\n".join("".join(text for text, _ in line).rstrip() for line in drawn)

    def _keys(self) -> list[Key]:
        steps = self._page.steps if self._page else ()
        return [(s.number, number) for s in steps for number in (0, *(a.number for a in s.attempts))]

    def _start(self) -> Key:
        return (self._page.current if self._page else 1, 0)

    # -- drawing

    def heading(self, width: int) -> tuple[Line, Line]:
        page = self._page
        if page is None or not page.steps:
            return [("Plan", "")], []
        done, of = sum(step.state == "done" for step in page.steps), len(page.steps)
        return [("Plan", "")], [*thin(done, of, 8), (f" {done} of {of}", "")]

    def lines(self, width: int, height: int) -> Sequence[Line]:
        page = self._page
        if page is None or height <= 0:
            return ()
        if page.plan is None:
            says = "No plan yet." if page.session is not None else "No session yet."
            return [[(says, "dim")]]
        foot = sums(page, width)[: max(0, height - 2)]
        room = height - len(foot)
        drawn = groups(self._near(page, room), width)
        first: dict[Key, tuple[int, int]] = {}
        body: list[tuple[Key, Line]] = []
        for key, group in drawn:
            first[key] = (len(body), len(body) + len(group))
            body += [(key, line) for line in group]
        top = self._scrolled(first, room, len(body))
        shown = [
            [(text, f"here {names}") for text, names in _filled(line, width)] if key == self._chosen else line
            for key, line in body[top : top + room]
        ]
        shown += [[] for _ in range(room - len(shown))]
        return [*shown, *foot]

    def _near(self, page: PlanPage, room: int) -> PlanPage:
        """A plan of very many steps without those that are out of sight whatever is drawn."""
        if len(page.steps) <= MANY:
            return page
        at = (self._chosen or self._start())[0] - 1
        self._top = 0
        return replace(page, steps=page.steps[max(0, at - room) : at + room])

    def _scrolled(self, places: dict[Key, tuple[int, int]], room: int, size: int) -> int:
        """The first line to draw, so that what is chosen, or else the current step, is seen."""
        if self._chosen is not None:
            start, end = places.get(self._chosen, (0, 0))
        else:
            mine = [place for key, place in places.items() if key[0] == self._start()[0]]
            start, end = (mine[0][0], mine[-1][1]) if mine else (0, 0)
        top = min(self._top, max(0, size - room))
        if end > top + room:
            top = end - room
        if start < top and end - start <= room:
            top = start
        self._top = top
        return top


def groups(page: PlanPage, width: int) -> list[tuple[Key, list[Line]]]:
    """Every step and attempt with the lines that it takes, in order."""
    priced = page.total.calls > page.total.unpriced
    out: list[tuple[Key, list[Line]]] = []
    digits = max((len(str(step.number)) for step in page.steps), default=1)
    indent = 3 + digits
    for step in page.steps:
        sign, style = SIGNS[step.state]
        names = {"todo": "dim", "doing": "strong"}.get(step.state, "text")
        head: list[Span] = [(f"{sign} ", style), (f"{step.number:>{digits}} ", "dim"), (step.title, names)]
        lines: list[Line] = [_row(head, step.spent, width, priced)]
        if step.check:
            lines.append([(" " * indent, ""), (clip(step.check, max(0, width - indent)), "dim")])
        out.append(((step.number, 0), lines))
        out += [
            ((step.number, a.number), _attempt(a, indent, width, priced, len(step.attempts) == 1))
            for a in step.attempts
        ]
    return out


def sums(page: PlanPage, width: int) -> list[Line]:
    """What was spent outside of the steps, and in all."""
    priced = page.total.calls > page.total.unpriced
    out: list[Line] = [[("─" * width, "rule")]]
    if page.outside.calls:
        out.append(_row([("outside the steps", "dim")], page.outside, width, priced, "dim"))
    total = page.total
    text = tokens(total) or "0"
    cost = money(total) if priced else ""
    right = f"{text}  {cost}" if cost and width < NARROW else text
    if not page.ready:
        right = "reading …"
    if cost and width >= NARROW and page.ready:
        return [*out, _row([("total", "text")], total, width, priced, "strong")]
    return [*out, [("total", "text"), (pad(right, max(0, width - 5), right=True), "strong")]]


def _attempt(attempt: AttemptRow, indent: int, width: int, priced: bool, alone: bool) -> list[Line]:
    """An attempt in one line, or with what is to be said of it below where that does not fit beside it.

    The only attempt of a step cost what the step did: that is not said again.
    """
    sign, style = _sign(attempt.outcome)
    head: list[Span] = [
        (" " * indent, ""), (f"attempt {attempt.number} ", "dim"), (f"{sign} {attempt.outcome or 'running'}", style),
    ]  # fmt: skip
    used = "used" if attempt.outcome == Outcome.VERIFIED else "given"
    parts: list[Span] = [
        (attempt.why, "text"),
        ("reverted" if attempt.reverted else "", "dim"),
        (f"{' and '.join(attempt.lessons[:2])} {used}" if attempt.lessons else "", "dim"),
    ]
    notes = [part for part in parts if part[0]]
    spent = NOTHING if alone else attempt.spent
    room = width - len(_figures(spent, width, priced)) - 1
    beside: Line = [*head, *(span for note in notes for span in ((" · ", "faint"), note))]
    if not notes or cells(beside) <= room:
        return [_row(beside, spent, width, priced, "dim")]
    notes = [*notes[1:], *notes[:1]] if attempt.why else notes
    below = join([[note] for note in notes], (" · ", "faint"))
    return [
        _row(head, spent, width, priced, "dim"),
        clipped([(" " * (indent + 2), ""), *below], width),
    ]


def clipped(line: Line, width: int) -> list[Span]:
    """A line in at most ``width`` cells, with ``…`` where it was longer."""
    out: list[Span] = []
    for text, style in line:
        shown = clip(text, max(0, width))
        width -= cell_len(shown)
        out.append((shown, style))
    return out


def _sign(outcome: Outcome | None) -> tuple[str, str]:
    if outcome is None:
        return "▸", "accent"
    if outcome.well:
        return "✓", "ok"
    return ("✗", "fail") if outcome == Outcome.FAILED else ("?" if outcome == Outcome.UNKNOWN else "·", "warn")


def _row(left: Sequence[Span], spent: Total, width: int, priced: bool, names: str = "number") -> list[Span]:
    """A text with tokens and cost right-aligned in columns; the text gives way."""
    right = _figures(spent, width, priced)
    line = clipped(left, max(0, width - len(right) - (1 if right else 0)))
    return [*line, (" " * max(0, width - cells(line) - len(right)), ""), (right, names)]


def _figures(spent: Total, width: int, priced: bool) -> str:
    """Tokens and, where there is room and anything has a price, cost, each in a column of its own."""
    if not spent.calls:
        return ""
    figures = [tokens(spent)]
    if priced and width >= NARROW:
        figures.append(money(spent))
    return " ".join(pad(text, 9, right=True) if len(text) <= 9 else text for text in figures)


def _filled(line: Line, width: int) -> list[Span]:
    return [*line, (" " * max(0, width - cells(line)), "")]
