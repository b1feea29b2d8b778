"""Highlighting of the lines in view that costs what changed: the rest is kept from the frame before."""

from __future__ import annotations

from collections.abc import Sequence

from widgets.code import highlight
from widgets.paint import Span
from workspace.store.lines import diff

BEFORE = 4
"""Lines that are read again before a change, and AFTER it: they show whether all else is as it was."""
AFTER = 2
WORTH = 40
"""Lines to read again above which everything is."""


class Colours:
    """Highlights one stretch of lines after another, such as a window that moves over versions of a document."""

    def __init__(self) -> None:
        self._language = ""
        self._lines: tuple[str, ...] = ()
        self._rows: list[list[Span]] = []

    def of(self, lines: Sequence[str], language: str) -> list[list[Span]]:
        """The spans of each line, as ``widgets.code.highlight`` has them."""
        wanted = tuple(lines)
        if language != self._language or wanted != self._lines:
            rows = self._patched(wanted, language) if language == self._language else None
            self._rows = highlight(wanted, language) if rows is None else rows
            self._language, self._lines = language, wanted
        return self._rows

    def _patched(self, lines: tuple[str, ...], language: str) -> list[list[Span]] | None:
        """The rows of the frame before with what changed read anew; None where that is not enough.

        Around each change some unchanged lines are read too: where they come out as they
        were, the change opened or closed no string or comment.
        """
        hunks = diff(self._lines, lines)
        if not self._lines or sum(h.new_end - h.new_start + BEFORE + AFTER for h in hunks) > WORTH:
            return None
        out: list[list[Span]] = []
        at = 0
        for index, hunk in enumerate(hunks):
            out += self._rows[at : hunk.old_start]
            at = hunk.old_end
            if hunk.new_start == hunk.new_end and (hunk.new_start == 0 or hunk.old_end == len(self._lines)):
                continue  # the stretch only begins later or ends sooner
            following = hunks[index + 1].new_start if index + 1 < len(hunks) else len(lines)
            begin = max(hunks[index - 1].new_end if index else 0, hunk.new_start - BEFORE)
            end = min(following, hunk.new_end + AFTER)
            rows = highlight(lines[begin:end], language)
            before, after = hunk.new_start - begin, end - hunk.new_end
            if rows[:before] != out[len(out) - before :] or rows[len(rows) - after :] != self._rows[at : at + after]:
                return None
            out += rows[before : len(rows) - after]
        return out + self._rows[at:]
