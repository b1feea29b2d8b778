"""Line differences between two contents. A line ends with ``\\n``; all else is part of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import fast_diff_match_patch
from rapidfuzz.distance import LCSseq

from workspace.store.delta import common_prefix, common_suffix

EXACT_LIMIT = 20_000
"""Lines on either side up to which the minimal diff is computed (its memory is quadratic)."""
BINARY_SNIFF = 8_000


class Hunk(NamedTuple):
    """Lines ``old_start:old_end`` of the old content became ``new_start:new_end`` (from 0)."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int


def is_binary(content: bytes) -> bool:
    """Whether content holds a NUL early on: git's rule, which counts UTF-16 as binary."""
    return b"\0" in content[:BINARY_SNIFF]


def split(content: bytes) -> list[bytes]:
    """The lines of ``content``, each with its line end; joined they are the content again."""
    lines = content.split(b"\n")
    last = lines.pop()
    out = [line + b"\n" for line in lines]
    if last:
        out.append(last)
    return out


def count(old: bytes, new: bytes) -> tuple[int, int] | None:
    """Lines ``(added, removed)`` between two contents; None where either is binary."""
    if is_binary(old) or is_binary(new):
        return None
    if not old or not new:
        return len(split(new)), len(split(old))
    _, old_lines, new_lines = _changed_lines(old, new)
    hunks = diff(old_lines, new_lines)
    return sum(h.new_end - h.new_start for h in hunks), sum(h.old_end - h.old_start for h in hunks)


def hunks(old: bytes, new: bytes) -> list[Hunk]:
    """The changed regions between two contents, in order, in line numbers from 0."""
    skipped, old_lines, new_lines = _changed_lines(old, new)
    return [Hunk(*(n + skipped for n in hunk)) for hunk in diff(old_lines, new_lines)]


def diff(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Hunk]:
    """The changed regions between two sequences: minimal up to EXACT_LIMIT items, near it above."""
    head = 0
    for a, b in zip(old, new, strict=False):
        if a != b:
            break
        head += 1
    tail = 0
    limit = min(len(old), len(new)) - head
    while tail < limit and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    old, new = old[head : len(old) - tail], new[head : len(new) - tail]
    if not old and not new:
        return []
    if not old or not new:
        return [Hunk(head, head + len(old), head, head + len(new))]
    if max(len(old), len(new)) <= EXACT_LIMIT:
        found = [
            Hunk(op.src_start, op.src_end, op.dest_start, op.dest_end)
            for op in LCSseq.opcodes(old, new)
            if op.tag != "equal"
        ]
    else:
        found = _fast(old, new)
    joined: list[Hunk] = []
    for hunk in found:
        if joined and joined[-1].old_end == hunk.old_start and joined[-1].new_end == hunk.new_start:
            hunk = Hunk(joined[-1].old_start, hunk.old_end, joined.pop().new_start, hunk.new_end)
        joined.append(hunk)
    return [Hunk(*(n + head for n in hunk)) for hunk in joined]


def unified(old: bytes, new: bytes, context: int = 3) -> list[tuple[str, int | None, int | None, bytes]]:
    """A unified diff as rows ``(sign, old line, new line, text)``; line numbers from 1.

    ``sign`` is ``" "``, ``"-"``, ``"+"``, or ``"@"`` for the head of a hunk, whose two
    numbers are where it starts and whose text is empty.
    """
    found = hunks(old, new)
    old_lines, new_lines = split(old), split(new)
    rows: list[tuple[str, int | None, int | None, bytes]] = []
    shown = 0  # old lines already shown
    for index, hunk in enumerate(found):
        start = max(hunk.old_start - context, shown)
        if index == 0 or start > shown:
            rows.append(("@", start + 1, start + 1 + hunk.new_start - hunk.old_start, b""))
        shift = hunk.new_start - hunk.old_start
        rows += ((" ", i + 1, i + 1 + shift, old_lines[i]) for i in range(start, hunk.old_start))
        rows += (("-", i + 1, None, old_lines[i]) for i in range(hunk.old_start, hunk.old_end))
        rows += (("+", None, i + 1, new_lines[i]) for i in range(hunk.new_start, hunk.new_end))
        following = found[index + 1].old_start if index + 1 < len(found) else len(old_lines)
        shown = min(hunk.old_end + context, following)
        shift = hunk.new_end - hunk.old_end
        rows += ((" ", i + 1, i + 1 + shift, old_lines[i]) for i in range(hunk.old_end, shown))
    return rows


def _changed_lines(old: bytes, new: bytes) -> tuple[int, list[bytes], list[bytes]]:
    """The lines between the common ends of two contents, and how many lines come before them."""
    prefix = common_prefix(old, new)
    prefix = old.rfind(b"\n", 0, prefix) + 1
    suffix = common_suffix(old, new, min(len(old), len(new)) - prefix)
    cut = old.find(b"\n", len(old) - suffix)  # keep only whole common lines
    suffix = len(old) - cut - 1 if suffix and cut >= 0 else 0
    old_middle, new_middle = old[prefix : len(old) - suffix], new[prefix : len(new) - suffix]
    return old.count(b"\n", 0, prefix), split(old_middle), split(new_middle)


def _fast(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Hunk]:
    """Myers' diff in C++ over one character per distinct item."""
    codes: dict[Hashable, str] = {}

    def text(items: Sequence[Hashable]) -> str:
        out = []
        for item in items:
            if (code := codes.get(item)) is None:
                number = len(codes) + 1
                code = codes[item] = chr(number if number < 0xD800 else number + 0x800)
            out.append(code)
        return "".join(out)

    try:
        a, b = text(old), text(new)
    except ValueError:  # more distinct items than there are characters: one hunk is right, if not small
        return [Hunk(0, len(old), 0, len(new))]
    found: list[Hunk] = []
    i = j = 0
    for sign, length in fast_diff_match_patch.diff(a, b, timelimit=2, checklines=False, cleanup="No"):
        if sign == "=":
            i, j = i + length, j + length
        elif sign == "-":
            found.append(Hunk(i, i + length, j, j))
            i += length
        else:
            found.append(Hunk(i, i, j, j + length))
            j += length
    return found
