"""A history open for writing: its repository, its branch, and the folder of that branch, if it has one here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

from workspace.entries import BranchEntry
from workspace.errors import NotFound, WorkspaceError
from workspace.kinds import Kind, Outcome
from workspace.operations.history import History
from workspace.operations.transaction import Transaction
from workspace.records import Act, Branch, Conflict, Usage, Version
from workspace.store import location
from workspace.store.location import existing_folder
from workspace.store.repository import Repository
from workspace.working_copy.working_copy import WorkingCopy


class Opened(History):
    """Opening, closing and recording; what is done with documents is in Workspace."""

    copy: WorkingCopy | None

    def __init__(self, root: Path, repository: Repository, branch: str | None = None, owner: bool = True) -> None:
        """Use ``open``: this takes an open repository, which it closes if it is the ``owner``."""
        self.repository = repository
        self._owner = owner
        self._opened = False
        super().__init__(root, repository.store, branch)
        self._on = Transaction(repository, self.branch.id, self.copy)

    @classmethod
    def open(
        cls, root: Path | str, *, store: Path | None = None, branch: str | None = None, wait: float = 5.0
    ) -> Self:
        """Open ``root`` for writing, starting a history if it has none, and finish what a crash cut short.

        ``store`` puts a new history elsewhere than in the user's state directory. ``branch`` is
        by default the one that the folder is on; another one is written without a folder. Waits
        ``wait`` seconds for another writer. Raises NotFound, Busy or WorkspaceError.
        """
        root = existing_folder(root)
        folder = store.resolve() if store else location.store_of(root) or location.default_store(root)
        work = cls(root, Repository.open(folder, wait=wait), branch)
        try:
            work.repository.start()
            if work.copy is not None:
                work.copy.start()
        except BaseException:
            work.abandon()
            raise
        return work

    def on(self, branch: str) -> Self:
        """The same history on another branch, with its folder where it has one, else with none.

        To be closed before this one, and used in the same thread. Raises NotFound.
        """
        number = self.store.versions.branch(branch).id
        known = self.repository.folder_of(number)
        root = Path(known) if known is not None and Path(known).is_dir() else self.root
        return self._beside(root, branch)

    def at(self, root: Path) -> Self:
        """The same history in the folder of another branch. Raises NotFound."""
        number = self.repository.branch_in(root)
        if number is None:
            raise NotFound(f"{root} is no working copy of this history.")
        return self._beside(root, self.store.versions.branch_number(number).name)

    def checkout(self, folder: Path | str, branch: str, *, at: int | None = None, act: Act = Act()) -> Self:
        """Lay a branch out in a folder of its own; a branch of that name is forked where there is none.

        The fork is at entry ``at``, by default now. Raises WorkspaceError where the folder holds
        anything, the branch is checked out elsewhere, or exists and ``at`` is given; Conflicted
        where somebody writes in the folder meanwhile.
        """
        root = Path(folder).absolute()
        if self.store.in_transaction:
            raise WorkspaceError("A checkout cannot be part of a batch: it writes files.")
        found = next((known for known in self.store.versions.branches() if known.name == branch), None)
        if found is not None and at is not None:
            raise WorkspaceError(f"There is already a branch {branch!r}; choose another name.")
        known = self.repository.folder_of(found.id) if found is not None else None
        if known is not None and Path(known).is_dir():
            raise WorkspaceError(f"Branch {branch} is checked out in {known}.")
        root = _empty_folder(root, self.repository.folder)
        found = found or self.fork(branch, at=at, act=act)
        self.repository.unregister(found.id)
        self.repository.register(found.id, root)
        other = self._beside(root, branch)
        try:
            with other.batch():
                for head in other.tree().values():
                    self.repository.pend(found.id, head.document)
        except BaseException:
            other.close()
            raise
        return other

    def _beside(self, root: Path, branch: str) -> Self:
        other = type(self)(root, self.repository, branch, False)
        if other.copy is not None and other._opened:
            other.copy.start()
        return other

    def close(self) -> None:
        """Make everything durable, files included, and let go of the workspace."""
        if self._owner:
            self.repository.close()
        elif self.copy is not None and self._opened:
            self.copy.close()

    def abandon(self) -> None:
        """Let go of the workspace without syncing files: opening it again checks them."""
        if self._owner:
            self.repository.abandon()
        elif self.copy is not None and self._opened:
            self.copy.abandon()

    @property
    def folder(self) -> Path:
        """Where the history lies."""
        return self.repository.folder

    @property
    def step(self) -> Callable[[str], None]:
        """Called with the name of each point of the write path; tests crash there."""
        return self.repository.step

    @step.setter
    def step(self, step: Callable[[str], None]) -> None:
        self.repository.step = step

    # -- the folder

    def settle(self) -> None:
        """Sync the files that were put in place, in one call, and remember that they are there."""
        if self.copy is not None:
            self.copy.settle()

    def place(self) -> list[Conflict]:
        """Bring the files of all pending documents to their heads; what stood in the way and was kept.

        Files that already stand where a head belongs are never overwritten.
        """
        return self.copy.place() if self.copy is not None else []

    def adopt(self) -> list[Conflict]:
        """Take the folder as it stands, and write nothing: another program keeps its files.

        What differs from a head is the newest version now; the conflicts say which.
        """
        return self.copy.adopt() if self.copy is not None else []

    def notice(self, path: str) -> None:
        """Record what somebody else did to the file at a path, if anything. Raises WorkspaceError."""
        with self._on.acting():
            self._on.notice(path)

    def pend(self, document: int) -> None:
        """In the open transaction: this document's file is about to change."""
        self.repository.pend(self.branch.id, document)

    # -- operations

    def record(
        self, act: Act, *, outcome: Outcome | None = None, usage: Usage | None = None, payload: bytes | None = None
    ) -> int:
        """Record an instant operation that edits no document; its number."""
        return self._on.record(act, outcome=outcome, usage=usage, payload=payload)

    def begin(self, act: Act, *, payload: bytes | None = None) -> int:
        """Record that a long operation begins; its number, for ``end``."""
        return self._on.begin(act, payload=payload)

    def end(
        self,
        operation: int,
        outcome: Outcome = Outcome.DONE,
        *,
        usage: Usage | None = None,
        payload: bytes | None = None,
        captured: bool = False,
        ref: bytes | None = None,
        detail: Mapping[str, object] | None = None,
    ) -> list[Version]:
        """Record that an operation ended; with ``captured``, all that changed on disk is its work.

        Ending it again corrects what was recorded: the newest end counts.
        """
        return self._on.end(
            operation, outcome, usage=usage, payload=payload, captured=captured, ref=ref, detail=detail
        )

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Many acts in one transaction, durable and on disk when the block ends.

        Each act is all or nothing by itself; one that is refused leaves the others.
        """
        with self._on.acting():
            yield

    def fork(self, name: str, *, at: int | None = None, act: Act = Act()) -> Branch:
        """Add a branch that up to entry ``at`` (by default now) is this one. Raises WorkspaceError."""
        with self.store.transaction():
            fork = self.cursor if at is None else at
            branch = self.store.versions.add_branch(name, self.branch.id, fork)
            detail = BranchEntry(branch.id, self.branch.id, fork).detail()
            self.record(replace(act, kind=Kind.BRANCH, name=name, detail=detail))
        return branch

    # -- inside

    def _folder(self, root: Path) -> WorkingCopy:
        open_already = self.repository.follower_on(self.branch.id)
        if isinstance(open_already, WorkingCopy):
            return open_already
        self._opened = True
        return WorkingCopy(self.repository, root, self.branch.id)

    def _let_go(self) -> None:
        if self._owner:
            self.repository.abandon()


def _empty_folder(root: Path, store: Path) -> Path:
    """A folder with nothing in it, made where there is none. Raises WorkspaceError."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        root = root.resolve()
        if any(root.iterdir()):
            raise WorkspaceError(f"{root} holds files already; choose an empty folder.")
    except OSError as error:
        raise WorkspaceError(f"{root} cannot be used: {error.strerror}.") from error
    if root.is_relative_to(store):
        raise WorkspaceError(f"{root} lies in the history itself; choose another folder.")
    return root
