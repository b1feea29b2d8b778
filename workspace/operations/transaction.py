"""Acts on one branch: what they record is durable first, then the branch's folder follows, if it has one here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from workspace.errors import WorkspaceError
from workspace.kinds import Outcome
from workspace.records import BEGUN, ENDED, Act, Edit, Usage, Version
from workspace.store.repository import Repository
from workspace.working_copy.walk import folders
from workspace.working_copy.working_copy import WorkingCopy


class Transaction:
    """Records on a branch of a repository, with a working copy of it or with none."""

    def __init__(self, repository: Repository, branch: int, copy: WorkingCopy | None = None) -> None:
        self.repository = repository
        self.branch = branch
        self.copy = copy

    def acting(self) -> AbstractContextManager[None]:
        """Any number of acts, durable together, their files in place after them; see Repository.acting."""
        return self.repository.acting()

    def notice(self, path: str) -> None:
        """In the open act: record what somebody else did to the file at a path. Without a folder there is none."""
        if self.copy is not None:
            self.copy.notice(path)

    def record(
        self, act: Act, *, outcome: Outcome | None = None, usage: Usage | None = None, payload: bytes | None = None
    ) -> int:
        """Record an instant operation that edits no document; its number."""
        store = self.repository.store
        return store.record(act, branch=self.branch, outcome=outcome, usage=usage, payload=payload)[0]

    def begin(self, act: Act, *, payload: bytes | None = None) -> int:
        """Record that a long operation begins; its number."""
        return self.repository.store.record(act, branch=self.branch, phase=BEGUN, payload=payload)[0]

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
        """Record that an operation ended; with ``captured``, all that changed in the folder is its work."""
        store = self.repository.store
        first = store.journal.entry(operation)
        act = Act(
            kind=first.kind, actor=first.actor, session=first.session, parent=first.parent, ref=ref,
            detail=detail or {},
        )  # fmt: skip
        if captured and self.copy is not None:
            return list(self.copy.scan(act, ENDED, operation, outcome, usage, payload).versions)
        store.record(
            act, branch=self.branch, phase=ENDED, operation=operation, outcome=outcome, usage=usage, payload=payload
        )
        return []

    def commit(self, act: Act, edits: Sequence[Edit]) -> list[Version]:
        """In the open act: record edits as one operation. Raises WorkspaceError where two would share a path."""
        moving = {edit.document for edit in edits}
        taken: set[str] = set()
        entered: set[str] = set()  # folders that hold something new
        for edit in edits:
            if edit.state is None:
                continue
            head = self._head(edit.document) if edit.document is not None else None
            stays = head is not None and head.exists and head.path == edit.state.path
            other = None if stays else self._find(edit.state.path)
            if edit.state.path in taken or (other is not None and other.document not in moving):
                raise WorkspaceError(f"{edit.state.path} exists; move it away or choose another name.")
            taken.add(edit.state.path)
            entered.update(() if stays else folders(edit.state.path))
        for folder in {folder for path in taken for folder in folders(path)}:
            other = self._find(folder) if folder in entered else None
            if folder in taken or (other is not None and other.document not in moving):
                raise WorkspaceError(f"{folder} is a document, so nothing can be below it; choose another name.")
        return self.repository.record(act, edits, branch=self.branch)[1]

    # -- inside

    def _head(self, document: int) -> Version | None:
        store = self.repository.store
        return store.versions.at(document, self.branch, store.journal.last())

    def _find(self, path: str) -> Version | None:
        store = self.repository.store
        return store.versions.find(path, self.branch, store.journal.last())
