"""What a conversation is made of, and how each part of it is laid out in rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from rich.cells import cell_len

from widgets.markdown import Markdown
from widgets.paint import Span, clip, pad
from widgets.rows import FlowRow, flow, shown
from workspace.amounts import plural
from workspace.kinds import Outcome
from workspace.times import when

ItemKind = Literal[
    "prompt", "reply", "call", "note", "approval", "attempt", "lesson", "plan", "taken", "outcome", "session",
    "summary",
]  # fmt: skip
GUTTER = 2
"""Cells at the left, for signs."""
UNFOLDED = 12
"""Lines of a result that an unfolded call shows."""
FOLDS: frozenset[ItemKind] = frozenset({"call", "approval", "lesson", "note", "summary"})
"""What is a row that can be unfolded."""
BLOCKS: frozenset[ItemKind] = frozenset({"prompt", "reply"})
"""What stands apart from its neighbours."""


@dataclass(frozen=True, slots=True)
class Touched:
    """Documents that an operation made versions of; ``path`` where it is one. Lines are None where all is binary."""

    documents: int
    path: str | None
    added: int | None
    removed: int | None


@dataclass(frozen=True, slots=True)
class Details:
    """What an unfolded row shows: what was asked, what came of it."""

    asked: str
    result: str


@dataclass(frozen=True, slots=True)
class TalkItem:
    """One part of a conversation as it stood at the cursor; ``entry`` is its place and its identity.

    ``text`` is what it says: Markdown of a reply, the words of a prompt, the label of a
    row. ``outcome`` is None while it runs. ``time`` is in microseconds since 1970.
    ``count`` is how many calls a program has made, ``cut`` how many characters of the text
    are left out, ``said`` a reason or an error. ``apart`` puts an empty line before it.
    """

    entry: int
    operation: int
    kind: ItemKind
    text: str
    time: int
    outcome: Outcome | None = None
    seconds: float | None = None
    tokens: str = ""
    touched: Touched | None = None
    count: int = 0
    cut: int = 0
    said: str = ""
    undone: bool = False
    apart: bool = False
    details: Details | None = None


@dataclass(slots=True)
class ItemLayout:
    """An item at a width: the sign beside its first row, its rows, the text that their characters count in."""

    sign: Span
    rows: list[FlowRow]
    gap: int
    text: str = ""
    markdown: Markdown | None = None
    strips: dict[int, object] = field(default_factory=dict)

    @property
    def height(self) -> int:
        """Lines that it takes, the empty one before it included."""
        return self.gap + len(self.rows)

    def plain(self) -> str:
        """The text that the characters of rows count in."""
        return self.markdown.text() if self.markdown is not None else self.text


def estimate(item: TalkItem, width: int) -> int:
    """About how many rows an item will take."""
    if item.kind not in BLOCKS:
        return 1
    room = max(8, width - GUTTER - 1)
    return 1 + sum(1 + len(line) // room for line in item.text.split("\n"))


def lay(item: TalkItem, width: int, markdown: Markdown | None = None, *, unfolded: bool = False) -> ItemLayout:
    """An item in ``width`` cells, its gutter included; a reply keeps its ``markdown`` from one time to the next."""
    room = max(4, width - GUTTER - 1)
    gap = 1 if item.apart else 0
    if item.kind == "reply":
        return _reply(item, room, gap, markdown)
    if item.kind == "prompt":
        return _prompt(item, room, gap)
    rows = _Rows()
    rows.row(_row(item, room))
    if item.said and item.kind not in ("approval", "session"):
        rows.text([(item.said, _style(item.outcome))], room)
    if unfolded and item.details is not None:
        _unfold(rows, item.details, room)
    return ItemLayout(_sign(item), rows.rows, gap, rows.text_so_far())


def copied(item: TalkItem) -> str:
    """What is copied of an item as a whole: a message as it was written, a row with what it asked and gave."""
    if item.kind in BLOCKS:
        return item.text
    parts = [item.text, item.said]
    if item.details is not None:
        parts += [item.details.asked, item.details.result]
    return "\n".join(part for part in parts if part)


def clock(microseconds: int) -> str:
    """Local wall clock: ``14:03:22``."""
    return when(microseconds).astimezone().strftime("%H:%M:%S")


def duration(seconds: float) -> str:
    """A stretch of time in a few cells: ``40 ms``, ``3.1 s``, ``2 min 5 s``, ``1 h 10 min``."""
    if seconds < 0.9995:
        return f"{max(0, round(seconds * 1000))} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(math.floor(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


# -- inside

_SAID = {Outcome.FAILED: "fail", Outcome.REFUSED: "fail", Outcome.CONFLICT: "fail", Outcome.LIMIT: "warn"}
_SIGNS: dict[Outcome, Span] = {
    Outcome.DONE: ("✓ ", "ok"), Outcome.VERIFIED: ("✓ ", "ok"), Outcome.FAILED: ("✗ ", "fail"),
    Outcome.REFUSED: ("✗ ", "fail"), Outcome.CONFLICT: ("✗ ", "fail"), Outcome.LIMIT: ("✗ ", "warn"),
    Outcome.INTERRUPTED: ("× ", "warn"), Outcome.UNFINISHED: ("× ", "warn"), Outcome.UNKNOWN: ("? ", "warn"),
}  # fmt: skip
_QUIET: dict[ItemKind, Span] = {
    "note": ("· ", "faint"), "session": ("· ", "faint"), "plan": ("▸ ", "faint"), "summary": ("· ", "faint"),
    "lesson": ("! ", "warn"), "taken": ("↩ ", "dim"),
}  # fmt: skip


class _Rows:
    """Rows one below the other, with the text that they show."""

    def __init__(self) -> None:
        self.rows: list[FlowRow] = []
        self._parts: list[str] = []
        self._base = 0

    def row(self, spans: Iterable[Span]) -> None:
        """One row that stands for its text as a whole."""
        kept = tuple(spans)
        text = " ".join("".join(text for text, _ in kept).split())
        self.rows.append(FlowRow((), kept, self._base, len(text), exact=False))
        self._note(text)

    def text(self, spans: Iterable[Span], width: int, lead: tuple[Span, ...] = ()) -> None:
        """Lines of text, broken at the width."""
        line = shown(spans)
        room = width - sum(cell_len(text) for text, _ in lead)
        for part, start, end in flow(line, room):
            self.rows.append(FlowRow(lead, part, self._base + start, end - start))
        self._note("".join(text for text, _ in line))

    def text_so_far(self) -> str:
        return "\n".join(self._parts)

    def _note(self, text: str) -> None:
        self._parts.append(text)
        self._base += len(text) + 1


def _reply(item: TalkItem, room: int, gap: int, markdown: Markdown | None) -> ItemLayout:
    done = item.outcome is not None
    blocks = markdown or Markdown("", done=False)
    blocks.update(item.text, done=done)
    rows = blocks.rows(room)
    after = len(blocks.text())
    if item.outcome is not None and item.outcome.failed:
        rows.append(FlowRow((), ((_ended(item.outcome), "warn"),), after))
    if item.cut:
        rows.append(FlowRow((), ((f"… {item.cut:,} characters more", "dim"),), after))
    if not rows:
        rows = [FlowRow((), (("…", "faint"),), 0)]
    return ItemLayout(("  ", ""), rows, gap, markdown=blocks)


def _style(outcome: Outcome | None) -> str:
    return "dim" if outcome is None else _SAID.get(outcome, "dim")


def _ended(outcome: Outcome) -> str:
    return {Outcome.INTERRUPTED: "× interrupted here", Outcome.UNKNOWN: "? what happened next is unknown"}.get(
        outcome, f"× {outcome}"
    )


def _prompt(item: TalkItem, room: int, gap: int) -> ItemLayout:
    mark = "undone" if item.undone else clock(item.time) if room >= 48 else ""
    rows = _Rows()
    for line in item.text.rstrip("\n").split("\n"):
        rows.text([(line, "strong")], room - (len(mark) + 2 if mark else 0))
    if mark and rows.rows:
        first = rows.rows[0]
        size = sum(cell_len(text) for text, _ in first.spans)
        tag = ((" " * max(1, room - size - len(mark)), ""), (mark, "faint"))
        rows.rows[0] = FlowRow(first.lead, first.spans, first.start, first.size, tail=tag)
    if item.cut:
        rows.text([(f"… {item.cut:,} characters more", "dim")], room)
    return ItemLayout(("❯ ", "accent"), rows.rows, gap, rows.text_so_far())


def _sign(item: TalkItem) -> Span:
    if item.kind in _QUIET:
        return _QUIET[item.kind]
    if item.outcome is None:
        return ("? ", "warn") if item.kind == "approval" else ("· ", "accent")
    return _SIGNS.get(item.outcome, ("· ", "dim"))


def _row(item: TalkItem, room: int) -> list[Span]:
    """A folded row: what it is at the left, its facts at the right, in exactly the room there is."""
    facts = _facts(item)
    label = item.text.replace("\n", " ")
    most = max(room // 2, room - cell_len(label) - 2)
    while facts and _size(facts) > most:
        facts.remove(min(facts, key=lambda fact: fact[0]))
    right: list[Span] = []
    for _, group in facts:
        right += [("  ", ""), *group] if right else group
    size = sum(cell_len(text) for text, _ in right)
    style = "text" if item.kind in ("call", "attempt", "approval", "outcome") else "dim"
    if not right:
        return [(clip(label, room), style)]
    return [(pad(label, room - size - 2), style), ("  ", ""), *right]


def _size(facts: list[tuple[int, list[Span]]]) -> int:
    return sum(2 + sum(cell_len(text) for text, _ in group) for _, group in facts)


def _facts(item: TalkItem) -> list[tuple[int, list[Span]]]:
    """What is said of a row at its right, each with how much it matters."""
    facts: list[tuple[int, list[Span]]] = []
    if item.kind == "approval":
        facts.append((9, [(item.said, "warn" if item.outcome is None else "dim")]))
    elif item.outcome not in (Outcome.DONE, None) and item.kind != "outcome":
        facts.append((9, [(item.outcome or "", _style(item.outcome))]))
    if item.undone:
        facts.append((8, [("undone", "dim")]))
    if item.count:
        facts.append((7, [(f"× {item.count:,}", "accent")]))
    if (touched := item.touched) is not None:
        if touched.path is None:
            facts.append((5, [(plural(touched.documents, "document"), "dim")]))
        elif touched.path not in item.text:
            facts.append((2, [(clip(touched.path, 24, keep="end"), "dim")]))
        if touched.added is None or touched.removed is None:
            facts.append((1, [("binary", "dim")]))
        elif touched.added or touched.removed:
            facts.append((6, [(f"+{touched.added:,} ", "ok"), (f"−{touched.removed:,}", "fail")]))
    if item.tokens:
        facts.append((3, [(f"{item.tokens} tok", "dim")]))
    if item.seconds is not None:
        facts.append((4, [(duration(item.seconds).rjust(6), "faint")]))
    return facts


def _unfold(rows: _Rows, details: Details, room: int) -> None:
    lead: tuple[Span, ...] = (("│ ", "rule"),)
    for line in details.asked.split("\n")[:UNFOLDED] if details.asked else ():
        rows.text([(line[:2_000], "dim")], room, lead)
    result = details.result.split("\n") if details.result else []
    if details.asked and result:
        rows.rows.append(FlowRow((("├─", "rule"),), (), 0))
    for line in result[:UNFOLDED]:
        rows.text([(line[:2_000], "text")], room, lead)
    if len(result) > UNFOLDED:
        rows.text([(f"… {len(result) - UNFOLDED:,} more lines", "faint")], room, lead)
