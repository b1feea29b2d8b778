"""Reading a workspace: any version of any document, any branch at any cursor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from workspace.errors import NotFound, WorkspaceError
from workspace.records import Operation, Version
from workspace.store import location
from workspace.store.location import existing_folder
from workspace.store.store import Store
from workspace.working_copy import coverage
from workspace.working_copy.files import Files, Found
from workspace.working_copy.folder import Folder
from workspace.working_copy.snapshot import Difference
from workspace.working_copy.walk import Skipped


class History:
    """A workspace opened for reading: any number may be open beside one writer.

    Every query is bounded by a cursor, an entry's number; without one it is live.
    """

    def __init__(self, root: Path, store: Store, branch: str | None = None) -> None:
        """Use ``open``: this takes an open store, and a branch of it; by default that of the folder."""
        self.root = root
        """The folder that the history was opened with."""
        self.store = store
        self.copy: Folder | None = None
        """The folder of the branch; None where the branch is looked at without one."""
        try:
            here = self._branch_here()
            self.branch = store.versions.branch(branch) if branch else store.versions.branch_number(here)
            if self.branch.id == here:
                self.copy = self._folder(root)
        except BaseException:
            self._let_go()
            raise

    @classmethod
    def open(cls, root: Path | str, *, store: Path | None = None, branch: str | None = None) -> History:
        """Open the history of the folder ``root``, on the folder's branch or on another one.

        Raises NotFound where there is none, WorkspaceError.
        """
        root = existing_folder(root)
        folder = store.resolve() if store else location.store_of(root)
        if folder is None:
            raise NotFound(f"{root} has no history yet; `wukong scan` there starts one.")
        if not (folder / location.FILE).is_file():
            raise NotFound(f"There is no history in {folder}; `wukong scan` starts one.")
        return cls(root, Store.open(folder, read_only=True), branch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database and the folder."""
        self._let_go()
        if self.copy is not None:
            self.copy.close()

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
        return self.copy.unplaced() if self.copy is not None else []

    def differences(self) -> list[Difference]:
        """What changed on disk and is not recorded yet, without recording it."""
        return self.look()[0]

    def look(self) -> tuple[list[Difference], list[Skipped]]:
        """What changed on disk and is not recorded yet, and what never is, as it is now; by path."""
        return self.copy.look() if self.copy is not None else ([], self.coverage())

    def on_disk(self, path: str) -> Found | None:
        """The file or symlink at a path as it is now; None where there is nothing. Raises WorkspaceError."""
        return self._files.read(path) if self.copy is not None else None

    # -- inside

    @property
    def _files(self) -> Files:
        if self.copy is None:
            raise WorkspaceError(f"Branch {self.branch.name} has no folder here.")
        return self.copy.files

    def _folder(self, root: Path) -> Folder:
        return Folder(root, self.store, self.branch.id)

    def _branch_here(self) -> int:
        """The number of the branch whose folder this is. Raises WorkspaceError where it is none of ours."""
        assert self.store.folder is not None
        copies = {branch: (copy.root, copy.inode) for branch, copy in self.store.working_copies().items()}
        return location.branch_of(self.root, self.store.folder, copies)

    def _let_go(self) -> None:
        self.store.close()
