"""Three-way fit: bring the change from ``base`` to ``theirs`` onto ``ours``.

Lines first (diff3); where both sides changed the same lines, the words and characters
inside them, with diff-match-patch. What still overlaps is a conflict, returned as data.
Source of the scheme: S. Khanna, K. Kunal, B. Pierce, "A Formal Investigation of Diff3" (2007).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from diff_match_patch import diff_match_patch

from workspace.store.lines import Hunk, diff, is_binary, split

INNER_SECONDS = 0.5
INNER_LIMIT = 64 << 10
"""Bytes of a region up to which it is fitted by character."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """A region that both sides changed in different ways: line numbers of ours from 1, and texts."""

    line: int
    base: bytes
    ours: bytes
    theirs: bytes


@dataclass(frozen=True, slots=True)
class Fitted:
    """The outcome of a fit: ``content`` is None exactly when there are ``overlaps``."""

    content: bytes | None
    overlaps: tuple[Overlap, ...] = ()


def merge3(base: bytes, ours: bytes, theirs: bytes) -> Fitted:
    """Apply what changed between ``base`` and ``theirs`` to ``ours``, keeping all that ours changed."""
    if ours in (base, theirs):
        return Fitted(theirs)
    if theirs == base:
        return Fitted(ours)
    if is_binary(base) or is_binary(ours) or is_binary(theirs):
        return Fitted(None, (Overlap(1, base, ours, theirs),))
    old, mine, yours = split(base), split(ours), split(theirs)
    out: list[bytes] = []
    overlaps: list[Overlap] = []
    for same, a, b, c in _regions(diff(old, mine), diff(old, yours), len(old)):
        parts = (b"".join(old[slice(*a)]), b"".join(mine[slice(*b)]), b"".join(yours[slice(*c)]))
        chosen = parts[1] if same else _choose(*parts)
        if chosen is None:
            chosen = _fit_inside(*parts)
        if chosen is None:
            overlaps.append(Overlap(b[0] + 1, *parts))
        else:
            out.append(chosen)
    return Fitted(None, tuple(overlaps)) if overlaps else Fitted(b"".join(out))


_Span = tuple[int, int]


def _regions(ours: Sequence[Hunk], theirs: Sequence[Hunk], length: int) -> list[tuple[bool, _Span, _Span, _Span]]:
    """Cut the base into regions ``(unchanged, base, ours, theirs)``: hunks that overlap share one."""
    marks = sorted([(h, 0) for h in ours] + [(h, 1) for h in theirs], key=lambda m: (m[0][:2], m[1]))
    groups: list[tuple[int, int, list[list[Hunk]]]] = []
    for hunk, side in marks:
        if groups and _touches(groups[-1], hunk, side):
            start, end, sides = groups.pop()
            end = max(end, hunk.old_end)
        else:
            start, end, sides = hunk.old_start, hunk.old_end, [[], []]
        sides[side].append(hunk)
        groups.append((start, end, sides))
    out: list[tuple[bool, _Span, _Span, _Span]] = []
    at, shift = 0, [0, 0]
    for start, end, sides in groups:
        if at < start:
            out.append((True, *((at + s, start + s) for s in (0, *shift))))  # type: ignore[arg-type]
        before = list(shift)
        for side in (0, 1):
            shift[side] += sum((h.new_end - h.new_start) - (h.old_end - h.old_start) for h in sides[side])
        spans = [(start + before[side], end + shift[side]) for side in (0, 1)]
        out.append((False, (start, end), spans[0], spans[1]))
        at = end
    if at < length:
        out.append((True, *((at + s, length + s) for s in (0, *shift))))  # type: ignore[arg-type]
    return out


def _touches(group: tuple[int, int, list[list[Hunk]]], hunk: Hunk, side: int) -> bool:
    """Whether a hunk overlaps a group, or inserts where the other side changed."""
    _, end, sides = group
    if hunk.old_start < end:
        return True
    if hunk.old_start > end:
        return False
    other = sides[1 - side]
    inserts = hunk.old_start == hunk.old_end
    return any(h.old_end == end and (inserts or h.old_start == h.old_end) for h in other)


def _choose(base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    if ours == theirs or theirs == base:
        return ours
    return theirs if ours == base else None


def _fit_inside(base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """Fit by character inside a region; None where the edits overlap or the text is not UTF-8."""
    if max(len(base), len(ours), len(theirs)) > INNER_LIMIT or not base:
        return None
    try:
        old, mine, yours = base.decode(), ours.decode(), theirs.decode()
    except UnicodeDecodeError:
        return None
    hunks_of = _character_hunks()
    out: list[str] = []
    for same, a, b, c in _regions(hunks_of(old, mine), hunks_of(old, yours), len(old)):
        parts = old[slice(*a)], mine[slice(*b)], yours[slice(*c)]
        if same or parts[1] == parts[2] or parts[2] == parts[0]:
            out.append(parts[1])
        elif parts[1] == parts[0]:
            out.append(parts[2])
        else:
            return None
    return "".join(out).encode()


def _character_hunks() -> Callable[[str, str], list[Hunk]]:
    engine = diff_match_patch()
    engine.Diff_Timeout = INNER_SECONDS

    def hunks(old: str, new: str) -> list[Hunk]:
        diffs = engine.diff_main(old, new, False)
        engine.diff_cleanupSemantic(diffs)
        found: list[Hunk] = []
        i = j = 0
        for kind, text in diffs:
            if kind == 0:
                i, j = i + len(text), j + len(text)
                continue
            hunk = Hunk(i, i + (len(text) if kind < 0 else 0), j, j + (len(text) if kind > 0 else 0))
            i, j = hunk.old_end, hunk.new_end
            if found and found[-1].old_end == hunk.old_start and found[-1].new_end == hunk.new_start:
                hunk = Hunk(found[-1].old_start, hunk.old_end, found.pop().new_start, hunk.new_end)
            found.append(hunk)
        return found

    return hunks
