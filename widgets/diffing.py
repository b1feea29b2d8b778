"""Diffs as rows that can be drawn from anywhere: folded gaps, both sides' numbers, word marks."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import NamedTuple

from diff_match_patch import diff_match_patch

from workspace.store.delta import common_prefix, common_suffix
from workspace.store.lines import EXACT_LIMIT, Hunk, diff, hunks, split

CONTEXT = 3
"""Unchanged lines shown around a change."""
GAP = 4_000_000
"""Old by new lines between two that hold, up to which they are compared one by one."""
Range = tuple[int, int]
"""Characters ``start, end`` of a line."""
_ALONE = "\u2e80-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
"""Characters of scripts that put no blanks between words: each is a word."""
_WORD = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}]+|\n|[^\S\n]+|[^\w\s]")


def changes(old: bytes, new: bytes, old_lines: int, new_lines: int) -> list[Hunk]:
    """What differs between two contents, of so many lines, in bounded time.

    Minimal where the part that differs has up to EXACT_LIMIT lines. Above, lines that
    occur once on either side hold the two together (the patience diff of B. Cohen).
    """
    if old == new:
        return []
    if min(old_lines, new_lines) == 0 or max(old_lines, new_lines) == 1:
        return [Hunk(0, old_lines, 0, new_lines)]
    if max(old_lines, new_lines) > EXACT_LIMIT:
        head = common_prefix(old, new)
        tail = common_suffix(old, new, min(len(old), len(new)) - head)
        if max(old.count(b"\n", head, len(old) - tail), new.count(b"\n", head, len(new) - tail)) >= EXACT_LIMIT:
            return _patient(split(old), split(new))
    return hunks(old, new)


def _patient(old: Sequence[bytes], new: Sequence[bytes]) -> list[Hunk]:
    once_old, once_new = _once(old), _once(new)
    pairs = [(line, once_new[text]) for text, line in once_old.items() if text in once_new]
    out: list[Hunk] = []
    i = j = 0
    for a, b in [*_ascending(pairs), (len(old), len(new))]:
        size = (a - i) * (b - j)
        if 1 < size <= GAP:
            out += [Hunk(h[0] + i, h[1] + i, h[2] + j, h[3] + j) for h in diff(old[i:a], new[j:b])]
        elif (a > i or b > j) and not (size == 1 and old[i] == new[j]):
            out.append(Hunk(i, a, j, b))
        i, j = a + 1, b + 1
    return out


def _once(lines: Sequence[bytes]) -> dict[bytes, int]:
    """The lines that occur only once, with where they are."""
    counts = Counter(lines)
    return {text: line for line, text in enumerate(lines) if counts[text] == 1}


def _ascending(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The most pairs whose second numbers ascend, of pairs in the order of their first."""
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for index, (_, b) in enumerate(pairs):
        at = bisect_left(ends, b)
        before.append(last[at - 1] if at else -1)
        if at == len(ends):
            ends.append(b)
            last.append(index)
        else:
            ends[at], last[at] = b, index
    out: list[tuple[int, int]] = []
    at = last[-1] if last else -1
    while at >= 0:
        out.append(pairs[at])
        at = before[at]
    return out[::-1]


class Part(NamedTuple):
    """Rows of one kind, one after the other: ``sign`` is as in Spot; ``at`` is the first row.

    ``old`` and ``new`` are the first lines on either side, from 0.
    """

    sign: str
    at: int
    rows: int
    old: int
    old_lines: int
    new: int
    new_lines: int
    hunk: int


class Spot(NamedTuple):
    """What one row shows: ``sign`` is blank, ``-``, ``+``, ``~`` (both, side by side) or ``⋯`` (folded lines).

    Lines are from 0, None where that side has none; ``hunk`` is -1 outside of one.
    """

    sign: str
    old: int | None
    new: int | None
    hunk: int
    folded: int = 0


class Layout:
    """The rows of a diff. Its size follows the number of changes, not the length of the contents."""

    def __init__(self, hunks: Sequence[Hunk], old_lines: int, *, split: bool = False, context: int = CONTEXT) -> None:
        """``split``: both sides in one row."""
        self.parts: list[Part] = []
        self.rows = 0
        old = shift = 0
        for index, hunk in enumerate(hunks):
            self._same(old, hunk.old_start, shift, context if index else 0, context)
            removed, added = hunk.old_end - hunk.old_start, hunk.new_end - hunk.new_start
            if split:
                sign = "~" if removed and added else "-" if removed else "+"
                self._add(sign, max(removed, added), hunk.old_start, removed, hunk.new_start, added, index)
            else:
                self._add("-", removed, hunk.old_start, removed, hunk.new_start, 0, index)
                self._add("+", added, hunk.old_end, 0, hunk.new_start, added, index)
            old, shift = hunk.old_end, hunk.new_end - hunk.old_end
        if hunks:
            self._same(old, old_lines, shift, context, 0)
        self._starts = [part.at for part in self.parts]

    def _same(self, start: int, end: int, shift: int, after: int, before: int) -> None:
        folded = end - start - after - before
        if folded <= 1:  # a row that says that one line is left out is no shorter than the line
            self._add(" ", end - start, start, end - start, start + shift, end - start)
            return
        self._add(" ", after, start, after, start + shift, after)
        self._add("⋯", 1, start + after, folded, start + after + shift, folded)
        self._add(" ", before, end - before, before, end - before + shift, before)

    def _add(self, sign: str, rows: int, old: int, old_lines: int, new: int, new_lines: int, hunk: int = -1) -> None:
        if rows:
            self.parts.append(Part(sign, self.rows, rows, old, old_lines, new, new_lines, hunk))
            self.rows += rows

    def spots(self, first: int, last: int) -> Iterator[Spot]:
        """What the rows ``first`` to ``last`` (exclusive) show."""
        at = max(0, bisect_right(self._starts, first) - 1)
        for part in self.parts[at:]:
            if part.at >= last:
                return
            if part.sign == "⋯":
                yield Spot("⋯", None, None, -1, part.old_lines)
                continue
            for row in range(max(first, part.at) - part.at, min(last, part.at + part.rows) - part.at):
                old = part.old + row if row < part.old_lines else None
                new = part.new + row if row < part.new_lines else None
                sign = (
                    part.sign if part.sign != "~" else "~" if None not in (old, new) else "-" if new is None else "+"
                )
                yield Spot(sign, old, new, part.hunk)

    def row_of(self, line: int) -> int | None:
        """The row that shows a line of the new side; None where it is folded away."""
        for part in self.parts:
            if part.sign != "⋯" and part.new <= line < part.new + part.new_lines:
                return part.at + line - part.new
        return None

    def first_change(self) -> int:
        """The first row of the first change, an added line where the change has one; 0 without any."""
        changes = [part for part in self.parts if part.hunk == 0]
        return next((p.at for p in changes if p.new_lines), changes[0].at if changes else 0)


def word_marks(old: str, new: str, seconds: float) -> tuple[list[list[Range]], list[list[Range]]]:
    """Which words differ between two texts: for each line of either the characters that are not in the other.

    Texts are some lines joined by line feeds. A line that differs as a whole gets no marks,
    and none gets any where the texts have little in common. ``seconds`` bounds the time.
    """
    codes: dict[str, str] = {}
    words: list[str] = []

    def encode(text: str) -> str:
        out = []
        for word in _WORD.findall(text):
            if (code := codes.get(word)) is None:
                number = len(words) + 0x100
                code = codes[word] = chr(number if number < 0xD800 else number + 0x800)
                words.append(word)
            out.append(code)
        return "".join(out)

    engine = diff_match_patch()
    engine.Diff_Timeout = max(0.001, seconds)  # 0 would mean: for as long as it takes
    a, b = encode(old), encode(new)
    diffs = engine.diff_main(a, b, False)
    engine.diff_cleanupSemantic(diffs)
    known = {code: word for word, code in codes.items()}
    marks: tuple[list[Range], list[Range]] = ([], [])
    at = [0, 0]
    same = 0
    for kind, text in diffs:
        plain = "".join(known[code] for code in text)
        if kind == 0:
            same += len(plain) - plain.count(" ")
            at = [at[0] + len(plain), at[1] + len(plain)]
            continue
        side = 0 if kind < 0 else 1
        marks[side].append((at[side], at[side] + len(plain)))
        at[side] += len(plain)
    if same * 4 < min(len(old), len(new)):
        return [[] for _ in old.split("\n")], [[] for _ in new.split("\n")]
    return _by_line(old, marks[0]), _by_line(new, marks[1])


def edges(old: bytes, new: bytes) -> tuple[Range, Range]:
    """The bytes of two long lines between the beginning and the end that they share, whole characters."""
    head = common_prefix(old, new)
    tail = common_suffix(old, new, min(len(old), len(new)) - head)
    while head and (_inside(old, head) or _inside(new, head)):
        head -= 1
    while tail and (_inside(old, len(old) - tail) or _inside(new, len(new) - tail)):
        tail -= 1
    return (head, len(old) - tail), (head, len(new) - tail)


def _inside(line: bytes, at: int) -> bool:
    return at < len(line) and line[at] & 0xC0 == 0x80


class Allowance:
    """Time for word marks in one frame: what comes when it is spent goes without."""

    def __init__(self, seconds: float) -> None:
        self._until = monotonic() + seconds

    @property
    def left(self) -> float:
        return max(0.0, self._until - monotonic())


def _by_line(text: str, marks: Sequence[Range]) -> list[list[Range]]:
    out: list[list[Range]] = []
    start = 0
    pending = list(reversed(marks))
    for line in text.split("\n"):
        end = start + len(line)
        found: list[Range] = []
        while pending and pending[-1][0] <= end:
            a, b = pending[-1]
            if max(a, start) < min(b, end):
                found.append((max(a, start) - start, min(b, end) - start))
            if b > end:
                break
            pending.pop()
        plain = line.strip()
        whole = found and plain and sum(b - a for a, b in found) >= len(plain)
        out.append([] if whole else found)
        start = end + 1
    return out
