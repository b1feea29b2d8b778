"""Blame: which version made each line of a version, and what stood in a line's place before.

The line of versions is walked back from child to parent, and only lines without an answer
are carried along, as runs: a version costs one line diff of what changed in it, whatever
the size of the document. The walk is done in slices, and a finished or half finished one
is carried over to a neighbouring version, so that stepping through a history costs two
diffs a step. A line that a merge took from its second parent is followed there.
"""

from __future__ import annotations

import heapq
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from workspace.records import Version
from workspace.store.lines import Hunk, hunks, is_binary
from workspace.store.versions import Versions

PAGE = 256
"""Versions that are read from the database at a time."""
AHEAD = 32
"""Contents that are read together, oldest first: each is then one delta on the one before."""
AHEAD_BYTES = 1 << 20
"""Bytes of contents that are read together, at most."""


class Run(NamedTuple):
    """Lines ``start:stop`` of some version that are the lines from ``target`` on of the one asked about."""

    start: int
    stop: int
    target: int


class Origin(NamedTuple):
    """The version that made a line, and the line's number there (from 0)."""

    version: int
    line: int


class _Line:
    """The versions of one document by number, read in pages, and the bytes last compared."""

    def __init__(self, versions: Versions, document: int) -> None:
        self._versions = versions
        self._document = document
        self._page: dict[int, Version] = {}
        self._held: dict[int, bytes] = {}
        self._read = range(0)

    def version(self, number: int) -> Version:
        if (known := self._page.get(number)) is None:
            self._page = {v.number: v for v in self._versions.history(self._document, before=number + 1, limit=PAGE)}
            known = self._page.get(number) or self._versions.get(self._document, number)
        return known

    def take(self, other: _Line, *known: Version) -> None:
        """Take over the page that another has read, and versions that are known already."""
        self._page = other._page if len(other._page) < 4 * PAGE else {}
        self._page.update((version.number, version) for version in known)
        self._read = other._read

    def hunks(self, old: Version, new: Version) -> Sequence[Hunk]:
        """What changed from one version to the other. Raises Damaged."""
        if old.content == new.content:
            return ()
        before, after = self._bytes(old), self._bytes(new)
        self._held = {old.content: before} if old.content is not None else {}
        return hunks(before, after)

    def _bytes(self, version: Version) -> bytes:
        if version.content is None:
            return b""
        if (held := self._held.get(version.content)) is not None:
            return held
        if version.number not in self._read:
            many = min(AHEAD, AHEAD_BYTES // max(1, version.size or 1))
            self._read = range(version.number - many, version.number)
            for number in self._read:
                if (other := self._page.get(number)) is not None:
                    self._versions.bytes_of(other)  # kept by the cache of contents
        return self._versions.bytes_of(version)


class Blame:
    """Who made the lines of one version, as far as it is known yet."""

    def __init__(self, versions: Versions, version: Version) -> None:
        """Nothing is known before ``advance``. Raises Damaged where the content cannot be read."""
        content = versions.bytes_of(version)
        self.version = version
        self.binary = is_binary(content)
        """Whether the content has no lines to speak of: nothing is looked for then."""
        self.count = 0 if self.binary else line_count(content)
        self._versions = versions
        self._line = _Line(versions, version.document)
        self._made = [0] * self.count
        self._places = [0] * self.count
        self._waiting: dict[int, list[Run]] = {}
        self._order: list[int] = []
        if self.count:
            self._wait(version.number, [Run(0, self.count, 0)])

    @property
    def finished(self) -> bool:
        """Whether every line is known."""
        return not self._waiting

    def origin(self, line: int) -> Origin | None:
        """Who made a line (from 0); None where that is not known yet, or there is no such line."""
        if not 0 <= line < self.count or not self._made[line]:
            return None
        return Origin(self._made[line], self._places[line])

    def origins(self, start: int = 0, stop: int | None = None) -> list[Origin | None]:
        """``origin`` of the lines from ``start`` to before ``stop``."""
        stop = self.count if stop is None else min(stop, self.count)
        return [self.origin(line) for line in range(max(0, start), stop)]

    def knows(self, start: int = 0, stop: int | None = None) -> bool:
        """Whether all lines from ``start`` to before ``stop`` are known."""
        return 0 not in self._made[max(0, start) : stop]

    def advance(
        self, start: int = 0, stop: int | None = None, *, seconds: float | None = None, versions: int | None = None
    ) -> bool:
        """Go on until the lines from ``start`` to before ``stop`` are known; whether they are.

        At most for some seconds or some versions, where given; at least one version. Raises Damaged.
        """
        end = None if seconds is None else time.perf_counter() + seconds
        walked = 0
        known = self.knows(start, stop)
        while self._waiting and not known:
            if self._step():
                known = self.knows(start, stop)
            walked += 1
            if (versions is not None and walked >= versions) or (end is not None and time.perf_counter() >= end):
                break
        return known

    def moved(self, version: Version) -> Blame:
        """The blame of this version's parent or of a child of it, with all that is known here.

        What differs between the two is looked for by ``advance``. Raises ValueError for any other version.
        """
        mine = self.version
        if version.document != mine.document or (mine.parent != version.number and version.parent != mine.number):
            raise ValueError(f"version {version.number} is no neighbour of version {mine.number}")
        made = Blame(self._versions, version)
        made._line.take(self._line, mine, version)
        if made.binary or self.binary:
            return made
        made._waiting, made._order = {}, []
        # Always from parent to child: the other way round a diff may pair repeated lines differently.
        found: Sequence[Hunk]
        back: Sequence[Hunk]
        if version.parent == mine.number:
            found = self._line.hunks(mine, version)
            back = swapped(found)
        else:
            back = self._line.hunks(version, mine)
            found = swapped(back)
        kept, changed = through([Run(0, made.count, 0)], found)
        for start, stop, target in kept:
            end = target + stop - start
            made._made[target:end] = self._made[start:stop]
            made._places[target:end] = self._places[start:stop]
        for number, runs in self._waiting.items():
            still, _ = through([_turned(run) for run in runs], back)
            made._wait(number, [_turned(run) for run in still])
        made._wait(version.number, changed)
        return made

    # -- inside

    def _wait(self, number: int, runs: list[Run]) -> None:
        if not runs:
            return
        if number not in self._waiting:
            heapq.heappush(self._order, -number)
        self._waiting.setdefault(number, []).extend(runs)

    def _step(self) -> bool:
        """Take the newest version that lines wait at; whether a line became known."""
        number = -heapq.heappop(self._order)
        left = self._waiting.pop(number)
        version = self._line.version(number)
        for parent in (version.parent, version.merged):
            if parent is not None and left:
                kept, left = through(left, self._line.hunks(self._line.version(parent), version))
                self._wait(parent, kept)
        for start, stop, target in left:
            size = stop - start
            self._made[target : target + size] = [number] * size
            self._places[target : target + size] = range(start, stop)
        return bool(left)


@dataclass(frozen=True, slots=True)
class LineState:
    """What stood in a line's place: the version that put it there, and the line's number in it (from 0).

    ``line`` is None where a document is followed as a whole.
    """

    version: Version
    line: int | None


class Story:
    """The states of one line, newest first: where an edit replaced it, what it replaced.

    A hunk that replaces lines by lines pairs them in order; a line without a partner was
    put in, and its story begins there. Without a line, the states are the versions.
    """

    def __init__(self, versions: Versions, version: Version, line: int | None) -> None:
        self._line = _Line(versions, version.document)
        self._at: tuple[Version, int | None] | None = (version, line)
        self.states: list[LineState] = []

    @property
    def finished(self) -> bool:
        return self._at is None

    def advance(self, states: int, *, seconds: float | None = None) -> bool:
        """Go on until there are so many states or no more, at most for some seconds; whether that is so.

        Raises Damaged.
        """
        end = None if seconds is None else time.perf_counter() + seconds
        while self._at is not None and len(self.states) < states:
            self._step(*self._at)
            if end is not None and time.perf_counter() >= end:
                break
        return self._at is None or len(self.states) >= states

    def _step(self, version: Version, line: int | None) -> None:
        parent = None if version.parent is None else self._line.version(version.parent)
        if line is None:
            self._found(version, line, None if parent is None else (parent, None))
            return
        gone = parent is not None and not parent.exists
        while parent is not None and not parent.exists:  # it was deleted in between: what stood before that
            parent = None if parent.parent is None else self._line.version(parent.parent)
        if parent is None:
            self._found(version, line, None)
            return
        before, same = self._before(parent, version, line)
        if same and not gone:
            self._at = (parent, before)
            return
        if version.merged is not None:
            other = self._line.version(version.merged)
            place, theirs = self._before(other, version, line)
            if theirs:
                self._at = (other, place)
                return
        self._found(version, line, None if before is None else (parent, before))

    def _before(self, old: Version, new: Version, line: int) -> tuple[int | None, bool]:
        """A line's place in an older version, and whether it is the same line there."""
        found = self._line.hunks(old, new)
        index = bisect_right(found, line, key=lambda hunk: hunk.new_end)
        if index < len(found) and found[index].new_start <= line:
            hunk = found[index]
            place = hunk.old_start + line - hunk.new_start
            return (place if place < hunk.old_end else None), False
        shift = found[index - 1].old_end - found[index - 1].new_end if index else 0
        return line + shift, True

    def _found(self, version: Version, line: int | None, then: tuple[Version, int | None] | None) -> None:
        self.states.append(LineState(version, line))
        self._at = then


def through(runs: Sequence[Run], found: Sequence[Hunk]) -> tuple[list[Run], list[Run]]:
    """Carry runs of the new side of a diff over to the old one: ``(unchanged, changed)``.

    The unchanged ones have their places in the old content, the changed ones theirs in the new.
    """
    if not found:
        return list(runs), []
    kept: list[Run] = []
    changed: list[Run] = []
    for start, stop, target in runs:
        index = bisect_right(found, start, key=lambda hunk: hunk.new_end)
        shift = found[index - 1].old_end - found[index - 1].new_end if index else 0
        while start < stop:
            hunk = found[index] if index < len(found) else None
            edge = stop if hunk is None else min(stop, hunk.new_start)
            if start < edge:
                kept.append(Run(start + shift, edge + shift, target))
                start, target = edge, target + edge - start
            if hunk is None or start >= stop:
                break
            edge = min(stop, hunk.new_end)
            if start < edge:
                changed.append(Run(start, edge, target))
                start, target = edge, target + edge - start
            shift = hunk.old_end - hunk.new_end
            index += 1
    return kept, changed


def swapped(found: Sequence[Hunk]) -> list[Hunk]:
    """The same hunks from the new content to the old one."""
    return [Hunk(hunk.new_start, hunk.new_end, hunk.old_start, hunk.old_end) for hunk in found]


def _turned(run: Run) -> Run:
    """The same lines with the two sides exchanged."""
    return Run(run.target, run.target + run.stop - run.start, run.start)


def line_count(content: bytes) -> int:
    """How many lines ``lines.split`` makes of a content."""
    return content.count(b"\n") + (bool(content) and not content.endswith(b"\n"))


def line_at(content: bytes, line: int) -> bytes | None:
    """One line (from 0) with its end, without splitting all of them; None where there is no such line."""
    for number, (start, stop) in enumerate(_spans(content)):
        if number == line:
            return content[start:stop]
    return None


def _spans(content: bytes) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(content):
        stop = content.find(b"\n", start) + 1 or len(content)
        yield start, stop
        start = stop
