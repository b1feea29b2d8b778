"""Before anything is taken back: what would happen to which document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from widgets.dialog import CALM, TOO_EARLY, Dialog
from widgets.paint import Ink, Line, Span, cells, clip, pad
from widgets.panel import paragraphs
from workspace.amounts import plural

if TYPE_CHECKING:
    from runtime.host.answers import ConflictAnswer, OutsideAnswer, StuckAnswer, TouchAnswer

WORDS: Mapping[str, tuple[str, str, str, str]] = {
    "edit": ("±", "edit", "edited", "text"),
    "create": ("+", "bring back", "brought back", "ok"),
    "delete": ("−", "delete", "deleted", "fail"),
    "rename": ("→", "rename", "renamed", "text"),
    "mode": ("·", "mode", "with another mode", "dim"),
}
"""Of a change: its sign, the verb, the word in a sum, the style."""


class PreviewScreen(Dialog[bool]):
    """Answers True when it shall be done, also to what is uncertain; else False, and nothing has happened.

    ``touched``, ``conflicts`` and ``uncertain`` are what the act answered with ``dry_run``;
    ``outside`` and ``stuck`` are what no version holds. ``note`` is what it does where it touches no document,
    empty for nothing.
    """

    def __init__(
        self,
        title: str,
        touched: Sequence[TouchAnswer],
        conflicts: Sequence[ConflictAnswer] = (),
        uncertain: Sequence[str] = (),
        *,
        outside: Sequence[OutsideAnswer] = (),
        stuck: Sequence[StuckAnswer] = (),
        note: str = "",
        calm: float = CALM,
        ink: Ink | None = None,
    ) -> None:
        super().__init__(calm=calm, ink=ink)
        self._note, self._early = note, False
        self._title = title
        self._touched, self._conflicts, self._uncertain = touched, conflicts, uncertain
        self._outside, self._stuck = outside, stuck
        self._asked = False

    def heading(self) -> str:
        return self._title

    def body(self, width: int) -> Iterator[Line]:
        if self._conflicts:
            yield from paragraphs("Not possible: what it would change has changed since.", width, "strong")
            yield ()
            for conflict in self._conflicts:
                where = f"{conflict['path']}, line {conflict['line']:,}" if conflict.get("line") else conflict["path"]
                yield from paragraphs(f"✗ {where}: {conflict['reason']}", width, "fail")
            yield ()
            yield from paragraphs("Nothing was written. Edit by hand, or restore an earlier point.", width, "dim")
            return
        if not self._touched and not self._outside:
            yield from paragraphs(self._note or "Nothing to change.", width, "text")
            yield from self._not_taken_back(width)
            return
        if self._touched:
            yield from paragraphs(totals(self._touched), width, "strong")
            yield ()
            yield from self._documents(width)
        for row in self._outside:
            sign, verb, _, style = WORDS[row["change"]]
            path = clip(row["path"], max(8, width - 20 - cells([(row["reason"], "")])), keep="both")
            yield [(f"{sign} {pad(verb, 11)} ", style), (path, "text"), (f"  {row['reason']}", "dim")]
        yield from self._not_taken_back(width)

    def _not_taken_back(self, width: int) -> Iterator[Line]:
        for row in self._stuck:
            yield from paragraphs(f"{row['path']}  not taken back: {row['reason']}", width, "warn")

    def _documents(self, width: int) -> Iterator[Line]:
        unsure = set(self._uncertain)
        counts = [_counts(touch) for touch in self._touched]
        columns = max(len(added) for added, _ in counts), max(len(removed) for _, removed in counts)
        for touch, count in zip(self._touched, counts, strict=True):
            yield _row(touch, count, columns, width, unsure=touch["path"] in unsure or touch["to"] in unsure)

    def foot(self, width: int) -> Sequence[Line]:
        if self._early:
            return paragraphs(TOO_EARLY, width, "warn")
        if self._conflicts or not self._uncertain:
            return ()
        count = len(self._uncertain)
        which = "What is marked ? " if count < len(self._touched) else "This "
        note = f"{which}may hold somebody else's work: it changed while a command ran."
        if self._asked:
            note += " Press y to revert it anyway."
        return paragraphs(note, width, "warn")

    def offered(self) -> list[tuple[str, str]]:
        if not self._possible:
            return [("esc", "close")]
        return [("y", "yes, all of it") if self._asked else ("enter", "do it"), ("esc", "cancel")]

    @property
    def _possible(self) -> bool:
        return bool(self._touched or self._outside or self._note) and not self._conflicts

    def answers(self) -> Collection[str]:
        return ("enter", "y")

    def early(self) -> None:
        self._say(early=True)

    def _say(self, *, early: bool) -> None:
        self._early = early
        self.panel.fit()
        self.panel.redraw()

    def pressed(self, key: str, character: str | None) -> bool:
        if not self._possible:
            if key == "enter":
                self.dismiss(False)
            return key == "enter"
        if self._asked and key == "y":
            self.dismiss(True)
        elif key == "enter" and not self._asked:
            if not self._uncertain:
                self.dismiss(True)
                return True
            # A second enter out of habit is no second yes.
            self._asked = True
            self._say(early=False)
        return key in ("enter", "y")

    def closed(self) -> bool:
        return False


def totals(touched: Sequence[TouchAnswer]) -> str:
    """``3 documents: 2 edited, 1 deleted; +12 −3``, with ``?`` where a count of lines is not known."""
    counts = Counter(touch["change"] for touch in touched)
    words = ", ".join(f"{counts[change]:,} {WORDS[change][2]}" for change in WORDS if counts[change])
    added = sum(touch["added"] or 0 for touch in touched)
    removed = sum(touch["removed"] or 0 for touch in touched)
    more = " and ?" if any(touch["added"] is None for touch in touched) else ""
    return f"{plural(len(touched), 'document')}: {words}; +{added:,} −{removed:,} lines{more}"


def _row(
    touch: TouchAnswer, count: tuple[str, str], columns: tuple[int, int], width: int, *, unsure: bool
) -> list[Span]:
    sign, verb, _, style = WORDS.get(touch["change"], ("·", touch["change"], "", "text"))
    room = max(8, width - 2 - 12 - 2 - sum(columns) - 1 - 2)
    path = touch["path"] if touch["to"] == touch["path"] else f"{touch['path']} → {touch['to']}"
    unknown = touch["added"] is None
    return [
        (f"{sign} {pad(verb, 11)} ", style),
        (pad(clip(path, room, keep="both"), room), "text"),
        (f"  {count[0]:>{columns[0]}}", "dim" if unknown else "ok"),
        (f" {count[1]:>{columns[1]}}", "dim" if unknown else "fail"),
        (" ?" if unsure else "  ", "warn"),
    ]


def _counts(touch: TouchAnswer) -> tuple[str, str]:
    """Lines added and removed; nothing for none, ``?`` where it is not known."""
    if touch["added"] is None or touch["removed"] is None:
        return "?", "?"
    return (
        f"+{touch['added']:,}" if touch["added"] else "",
        f"−{touch['removed']:,}" if touch["removed"] else "",
    )
