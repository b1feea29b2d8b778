"""Which entries of which branches a branch holds, and what two branches have in common.

A branch at an entry holds its own entries up to there, those of the branch it was forked from
up to the fork, and all that its merges joined. As entries on one branch are in a line, the
newest entry held of each branch says all of it: a version vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from workspace.entries import MergeEntry
from workspace.errors import NotFound
from workspace.kinds import Kind
from workspace.records import Branch
from workspace.store.store import Store


class Point(NamedTuple):
    """A branch at an entry."""

    branch: int
    entry: int


class Ancestry:
    """The branches of a history and the merges between them, as they stand now."""

    def __init__(self, store: Store, without: frozenset[int] | set[int] = frozenset()) -> None:
        """``without``: merges that count for nothing, as they were undone."""
        self._branches: dict[int, Branch] = {branch.id: branch for branch in store.versions.branches()}
        self._merges: dict[int, list[tuple[int, Point]]] = {}
        self._vectors: dict[Point, Mapping[int, int]] = {}
        self._db = store.db
        for entry in store.journal.of_kinds((Kind.MERGE,), after=0, upto=store.journal.last()):
            joined = MergeEntry.of(entry).parents
            if joined and entry.id not in without:
                self._merges.setdefault(entry.branch, []).append((entry.id, Point(*joined[-1])))

    def tip(self, branch: int, upto: int) -> Point:
        """The newest entry at or before ``upto`` of what a branch is; that of its parent before its first own."""
        (own,) = self._db.execute("SELECT max(id) FROM entry WHERE branch = ? AND id <= ?", (branch, upto)).fetchone()
        if own is not None:
            return Point(branch, own)
        known = self._branch(branch)
        if known.parent is None or known.fork is None:
            return Point(branch, 0)
        return self.tip(known.parent, min(known.fork, upto))

    def held(self, point: Point) -> Mapping[int, int]:
        """The newest entry that a branch at an entry holds of each branch."""
        if (known := self._vectors.get(point)) is not None:
            return known
        found = {point.branch: point.entry}
        branch = self._branch(point.branch)
        joined = [theirs for entry, theirs in self._merges.get(point.branch, ()) if entry <= point.entry]
        if branch.parent is not None and branch.fork is not None:
            joined.append(self.tip(branch.parent, min(branch.fork, point.entry)))
        for other in joined:
            for line, entry in self.held(other).items():
                found[line] = max(entry, found.get(line, 0))
        self._vectors[point] = found
        return found

    def holds(self, point: Point, other: Point) -> bool:
        """Whether all of ``other`` is in ``point``."""
        return self.held(point).get(other.branch, -1) >= other.entry

    def bases(self, one: Point, other: Point) -> list[Point]:
        """The best common ancestors, those that no other one holds; several after a criss-cross."""
        mine, theirs = self.held(one), self.held(other)
        common = sorted({self.tip(line, min(mine[line], theirs[line])) for line in mine.keys() & theirs.keys()})
        return [point for point in common if not any(rest != point and self.holds(rest, point) for rest in common)]

    def _branch(self, number: int) -> Branch:
        if number not in self._branches:
            raise NotFound(f"There is no branch number {number}.")
        return self._branches[number]
