"""Reading a workspace: any version of any document, any branch at any cursor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from workspace.errors import NotFound, WorkspaceError
from workspace.records import Operation, Version
from workspace.store import location
from workspace.store.location import existing_folder
from workspace.store.store import Store
from workspace.working_copy import coverage, snapshot
from workspace.working_copy.files import Files, Found
from workspace.working_copy.snapshot import Difference
from workspace.working_copy.stat_table import Placed, StatTable
from workspace.working_copy.walk import Skipped, Walk, walk


class History:
    """A workspace opened for reading: any number may be open beside one writer.

    Every query is bounded by a cursor, an entry's number; without one it is live.
    """

    def __init__(self, root: Path, store: Store, branch: str) -> None:
        """Use ``open``: this takes an open store."""
        self.root = root
        self.store = store
        try:
            self.branch = store.versions.branch(branch)
            self._files = Files(root)
        except BaseException:
            store.close()
            raise
        self._disk = StatTable(store.db, store.versions, self.branch.id, writing=not store.read_only)

    @classmethod
    def open(cls, root: Path | str, *, store: Path | None = None, branch: str = "main") -> History:
        """Open the history of the folder ``root``. Raises NotFound where there is none, WorkspaceError."""
        root = existing_folder(root)
        folder = store.resolve() if store else location.store_of(root)
        if folder is None:
            raise NotFound(f"{root} has no history yet; `wukong scan` there starts one.")
        if not (folder / location.FILE).is_file():
            raise NotFound(f"There is no history in {folder}; `wukong scan` starts one.")
        history = cls(root, Store.open(folder, read_only=True), branch)
        try:
            location.check_same_place(root, folder, history.last_root())
        except BaseException:
            history.close()
            raise
        return history

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database and the folder."""
        self.store.close()
        self._files.close()

    def last_root(self) -> str | None:
        """The folder that the history was last opened for writing with."""
        row = self.store.db.execute("SELECT value FROM meta WHERE key = 'root'").fetchone()
        return os.fsdecode(row[0]) if row else None

    @property
    def cursor(self) -> int:
        """The newest entry: where the cursor stands when live."""
        return self.store.journal.last()

    def find(self, path: str, *, cursor: int | None = None) -> Version | None:
        """The version of the existing document at ``path``, as this branch shows it at the cursor."""
        return self.store.versions.find(path, self.branch.id, self.cursor if cursor is None else cursor)

    def document(self, path: str) -> int:
        """The number of the document at ``path``, or of the one last there. Raises NotFound."""
        version = self.find(path)
        if version is not None:
            return version.document
        ever = self.store.versions.ever_at(path)
        if not ever:
            raise NotFound(f"No document was ever at {path}; `wukong log` lists what there is.")
        return ever[0]

    def version(self, path: str, number: int) -> Version:
        """Version ``number`` of the document at ``path``. Raises NotFound."""
        return self.store.versions.get(self.document(path), number)

    def head(self, document: int, *, cursor: int | None = None) -> Version | None:
        """The version of a document that this branch shows at the cursor, deleted ones included."""
        return self.store.versions.at(document, self.branch.id, self.cursor if cursor is None else cursor)

    def tree(self, *, cursor: int | None = None) -> dict[str, Version]:
        """Every existing document by path, as this branch shows it at the cursor."""
        upto = self.cursor if cursor is None else cursor
        versions = self.store.versions.tree(self.branch.id, upto)
        return {v.path: v for v in versions.values() if v.exists}

    def history(self, path: str) -> Iterator[Version]:
        """The versions of the document at ``path``, oldest first, read in pages."""
        document, after = self.document(path), 0
        while page := self.store.versions.history(document, after=after, newest_first=False):
            yield from page
            after = page[-1].number

    def content(self, version: Version) -> bytes:
        """The exact bytes of a version; of a symlink its target; none where it is deleted. Raises Damaged."""
        return self.store.versions.bytes_of(version)

    def operation(self, id_: int) -> Operation:
        """The operation that entry ``id_`` belongs to. Raises NotFound."""
        return self.store.journal.operation(id_)

    def coverage(self, *, cursor: int | None = None) -> list[Skipped]:
        """What the versions of this branch do not hold at the cursor, and why."""
        return coverage.at(self.store, self.branch.id, self.cursor if cursor is None else cursor)

    def unplaced(self) -> list[Version]:
        """Heads that are not on disk, because something stands in the way."""
        return [head for head in self._unsure() if not self._is_placed(head)]

    def differences(self) -> list[Difference]:
        """What changed on disk and is not recorded yet, without recording it."""
        seen = self._walk()
        return snapshot.differences(self.store, self._disk, self._files, seen, self.branch.id)

    def on_disk(self, path: str) -> Found | None:
        """The file or symlink at a path as it is now; None where there is nothing. Raises WorkspaceError."""
        return self._files.read(path)

    def _walk(self) -> Walk:
        """What is in the folder now, histories aside. Raises Blocked where it is another folder."""
        self._files.check()
        folders = [location.state_directory(), *([self.store.folder] if self.store.folder else [])]
        return walk(
            self.root,
            self._disk.all(),
            largest=coverage.largest(self.store),
            named=coverage.named(self.store),
            without={str(f.relative_to(self.root)) for f in folders if f.is_relative_to(self.root)},
        )

    def _unsure(self) -> list[Version]:
        """Pending heads of which it is not known that they were put on disk."""
        heads = [head for d in self._disk.pending() if (head := self.head(d))]
        return [head for head in heads if not self._was_placed(head)]

    def _was_placed(self, head: Version) -> bool:
        rows = self._disk.of_document(head.document)
        return [(row.path, row.number) for row in rows] == ([(head.path, head.number)] if head.exists else [])

    def _is_placed(self, head: Version) -> bool:
        """Whether the files say that a head is on disk: what is known of the disk may be older than it."""
        rows = self._disk.of_document(head.document)
        try:
            if head.state is not None:
                found = self._files.read(head.path)
                if found is None or not snapshot.holds(self.store, head.state, found):
                    return False
            return not any(self._is_left(row) for row in rows if not head.exists or row.path != head.path)
        except (OSError, WorkspaceError):
            return False

    def _is_left(self, row: Placed) -> bool:
        """Whether a file that was to leave is still there, and nothing else in its place."""
        if self.find(row.path) is not None:
            return False
        found = self._files.read(row.path)
        return found is not None and snapshot.same_content(self.store, row, found)
