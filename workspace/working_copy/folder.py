"""A folder on a branch, for looking: what is in it, what changed there, what is not placed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from workspace.errors import WorkspaceError
from workspace.records import Version
from workspace.store import location
from workspace.store.store import Store
from workspace.working_copy import coverage, snapshot
from workspace.working_copy.files import Files
from workspace.working_copy.snapshot import Difference
from workspace.working_copy.stat_table import Placed, StatTable
from workspace.working_copy.walk import Skipped, Walk, walk


class Folder:
    """What stands in the folder of a branch, beside what is known of it. Writes nothing."""

    def __init__(self, root: Path, store: Store, branch: int) -> None:
        self.root = root
        self.store = store
        self.branch = branch
        self.files = Files(root)
        self.table = StatTable(store.db, store.versions, branch, writing=not store.read_only)

    def close(self) -> None:
        """Let go of the folder."""
        self.files.close()

    def walk(self, within: Collection[str] | None = None) -> Walk:
        """What is in the folder now, or at and below these paths, histories and other working copies aside.

        Raises Blocked where it is another folder than was opened.
        """
        self.files.check()
        folders = [location.state_directory(), *([self.store.folder] if self.store.folder else [])]
        folders += [Path(copy.root) for branch, copy in self.store.working_copies().items() if branch != self.branch]
        inside = {str(f.relative_to(self.root)) for f in folders if f.is_relative_to(self.root)}
        return walk(
            self.root,
            self.table.all() if within is None else self.table.within(within),
            largest=coverage.largest(self.store),
            named=coverage.named(self.store),
            without=inside - {"."},
            caches=coverage.caches(self.store),
            within=within,
        )

    def differences(self) -> list[Difference]:
        """What changed on disk and is not recorded yet, without recording it."""
        return self.look()[0]

    def look(self) -> tuple[list[Difference], list[Skipped]]:
        """What changed on disk and is not recorded yet, and what never is, as it is now; by path."""
        seen = self.walk()
        changed = snapshot.differences(self.store, self.table, self.files, seen, self.branch)
        return changed, sorted(seen.skipped, key=lambda skipped: skipped.path)

    def unplaced(self) -> list[Version]:
        """Heads that are not on disk, because something stands in the way."""
        return [head for head in self.unsure() if not self._is_placed(head)]

    def unsure(self) -> list[Version]:
        """Pending heads of which it is not known that they were put on disk."""
        heads = [head for d in self.table.pending() if (head := self._head(d))]
        return [head for head in heads if not self._was_placed(head)]

    def _head(self, document: int) -> Version | None:
        return self.store.versions.at(document, self.branch, self.store.journal.last())

    def _was_placed(self, head: Version) -> bool:
        rows = self.table.of_document(head.document)
        return [(row.path, row.number) for row in rows] == ([(head.path, head.number)] if head.exists else [])

    def _is_placed(self, head: Version) -> bool:
        """Whether the files say that a head is on disk: what is known of the disk may be older than it."""
        rows = self.table.of_document(head.document)
        try:
            if head.state is not None:
                found = self.files.read(head.path)
                if found is None or not snapshot.holds(self.store, head.state, found):
                    return False
            return not any(self._is_left(row) for row in rows if not head.exists or row.path != head.path)
        except (OSError, WorkspaceError):
            return False

    def _is_left(self, row: Placed) -> bool:
        """Whether a file that was to leave is still there, and nothing else in its place."""
        if self.store.versions.find(row.path, self.branch, self.store.journal.last()) is not None:
            return False
        found = self.files.read(row.path)
        return found is not None and snapshot.same_content(self.store, row, found)
