"""Materialising: bring files on disk to the heads of their documents, losing nobody's bytes.

Every step first puts the new file beside its target and exchanges the two, then looks at
what was displaced. If that is not what we last put there, it is recorded as an outside
edit and merged; where it cannot be merged, the outside edit stands and ours stays in the
history. A document is marked pending from the commit of a version until its file is known
to be on the disk, so that opening can finish what a crash cut short.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Self

from .capture import same_content
from .disk import Disk, Placed
from .errors import Failed, WorkspaceError
from .files import OLD, TEMPORARY, Blocked, Files, Found, Stamp
from .merge import combine
from .models import Act, Conflict, Edit, State, Version
from .store import Store

OUTSIDE = Act(kind="outside", name="outside edit", actor="outside")
MERGE = Act(kind="merge", name="merge with an outside edit", actor="wukong")


class Conflicted(WorkspaceError):
    """Both sides changed the same thing; what was on disk stands. ``conflicts`` says where."""

    def __init__(self, message: str, conflicts: Sequence[Conflict]) -> None:
        super().__init__(message)
        self.conflicts = tuple(conflicts)

    @classmethod
    def over(cls, conflicts: Sequence[Conflict]) -> Self:
        """What there is to say of files that could not be brought to their heads."""
        paths = ", ".join(sorted({conflict.path for conflict in conflicts}))
        return cls(
            f"{paths}: {conflicts[0].reason}; what is on disk was kept, and our version is in the history.",
            conflicts,
        )


class Placing:
    """Brings the directory of one branch to its heads, and finishes interrupted placing."""

    def __init__(
        self, store: Store, disk: Disk, files: Files, branch: int, step: Callable[[str], None] = lambda _: None
    ) -> None:
        self._store = store
        self._disk = disk
        self._files = files
        self._branch = branch
        self._step = step
        """Called with the name of each point between two system calls; tests crash there."""
        self._power_failed = False

    def bring(self, documents: Sequence[int]) -> list[Conflict]:
        """Make the files of these documents equal their heads; conflicts and obstacles as data."""
        conflicts: list[Conflict] = []
        for act in (self._vacate, self._occupy):  # first all removals: names may be swapped
            for document in documents:
                try:
                    conflicts += act(document)
                except (OSError, Blocked, Failed) as error:
                    head = self._head(document)
                    reason = f"cannot be written: {error.strerror}" if isinstance(error, OSError) else str(error)
                    conflicts.append(Conflict(head.path, reason, document))
        return conflicts

    def recover(self, *, power_failed: bool = False) -> list[Conflict]:
        """Finish what was pending when the last writer stopped, first saving displaced edits.

        After a power failure a file that was never synced may hold a part of what we
        wrote: that is not taken for somebody's edit.
        """
        self._power_failed = power_failed
        documents = self._disk.pending()
        for document in documents:
            with suppress(Blocked):
                self._save_displaced(document)
        for document in documents:
            with suppress(OSError, Blocked):
                self._notice(document)
        return self.bring(documents)

    def record_outside(
        self, edits: Sequence[Edit], act: Act = OUTSIDE, **how: Any
    ) -> tuple[list[Version], list[Conflict]]:
        """Record edits that others made, then merge them with heads they did not know.

        One transaction; ``how`` goes to Store.record. Where a merge is impossible the outside edit becomes the head
        and the version that it replaces stays in the history.
        """
        conflicts: list[Conflict] = []
        with self._store.transaction():
            heads = {
                edit.document: self._head(edit.document)
                for edit in edits
                if edit.document is not None and edit.parent is not None
            }
            _, made = self._store.record(act, edits, branch=self._branch, **how)
            for version in made:
                head = heads.get(version.document)
                if head is None or head.number == version.parent or version.parent is None:
                    continue
                base = self._store.versions.get(version.document, version.parent).state
                combined = combine(self._store.contents, base, head.state, version.state, version.document)
                if combined.conflicts:
                    conflicts += combined.conflicts
                    continue
                merge = Edit(
                    version.document,
                    combined.state.path if combined.state else version.path,
                    combined.state,
                    head.number,
                    version.number,
                )
                self._store.record(MERGE, [merge], branch=self._branch)
                self._disk.pend(version.document)
        return made, conflicts

    # -- one document

    def _head(self, document: int) -> Version:
        head = self._store.versions.at(document, self._branch, self._store.journal.last())
        if head is None:
            raise WorkspaceError(f"Document {document} has no version on this branch.")
        return head

    def _vacate(self, document: int) -> list[Conflict]:
        """Remove the document's file from paths where its head no longer is."""
        conflicts: list[Conflict] = []
        temporary = self._temporary(document)
        for placed in self._disk.of_document(document):
            while (head := self._head(document)).state is None or head.path != placed.path:
                try:
                    self._files.displace(placed.path, temporary)
                except FileNotFoundError:
                    self._disk.remove(placed.path)
                    break
                self._step("displaced")
                found = self._files.read_temporary(placed.path, temporary)
                if found is None or same_content(self._store, placed, found):
                    self._files.drop_temporary(placed.path, temporary)
                    self._files.prune(placed.path)
                    self._disk.remove(placed.path)
                    self._step("removed")
                    break
                with suppress(FileExistsError):
                    self._files.settle(placed.path, temporary)  # it is somebody's: back at once
                version, more = self._outside(document, placed, found)
                conflicts += more
                self._step("recorded")
                self._files.drop_temporary(placed.path, temporary)
                placed = Placed(placed.path, document, version.number, found.stamp, 0)
                self._disk.put(placed)
        return conflicts

    def _occupy(self, document: int) -> list[Conflict]:
        """Put the document's head at its path."""
        conflicts: list[Conflict] = []
        temporary = self._temporary(document)
        while (state := (head := self._head(document)).state) is not None:
            placed = self._disk.get(state.path)
            if placed is not None and placed.document != document:
                placed = None  # a row of a document that has left this path
            if placed is not None and placed.number == head.number:
                break
            if placed is not None and self._adjust(head, state, placed):
                break
            self._files.stage(state.path, temporary, state.mode, self._store.contents.get(state.content))
            self._step("staged")
            if placed is None:
                try:
                    self._files.settle(state.path, temporary)
                except FileExistsError:
                    self._files.drop_temporary(state.path, temporary)
                    conflicts += self._adopt(head, state)
                    continue
                self._step("settled")
                self._note(head, state)
                break
            try:
                self._files.exchange(state.path, temporary)
            except FileNotFoundError:
                self._files.drop_temporary(state.path, temporary)
                conflicts += self._outside(document, placed, None)[1]
                self._disk.remove(state.path)
                continue
            self._step("exchanged")
            self._note(head, state)
            conflicts += self._displaced(document, placed, state.path)
        return conflicts

    def _displaced(self, document: int, placed: Placed, path: str) -> list[Conflict]:
        """Look at what an exchange displaced; an edit that we did not know is recorded first."""
        temporary = self._temporary(document)
        try:
            found = self._files.read_temporary(path, temporary)
        except Blocked:
            self._files.exchange(path, temporary)  # a folder or pipe took the place meanwhile
            self._files.drop_temporary(path, temporary)
            self._disk.put(placed)
            raise
        conflicts: list[Conflict] = []
        if found is not None and not same_content(self._store, placed, found):
            try:
                conflicts = self._outside(document, placed, found)[1]
            except Failed:
                self._files.exchange(path, temporary)  # it cannot be kept in the history now: back with it
                self._files.drop_temporary(path, temporary)
                self._disk.put(placed)
                raise
            self._step("recorded")
        self._files.drop_temporary(path, temporary)
        self._step("dropped")
        return conflicts

    def _outside(self, document: int, placed: Placed, found: Found | None) -> tuple[Version, list[Conflict]]:
        """Record what someone did to a file whose placed version we know."""
        with self._store.transaction():
            state = self._found_state(placed, found)
            made, conflicts = self.record_outside([Edit(document, placed.path, state, placed.number)])
        return made[0], conflicts

    def _found_state(self, placed: Placed, found: Found | None) -> State | None:
        if found is None:
            return None
        old = self._store.versions.get(document=placed.document, number=placed.number).content
        return State(placed.path, found.mode, self._store.contents.put(found.data, old))

    def _adopt(self, head: Version, state: State) -> list[Conflict]:
        """A file stands where nothing of ours was: equal to the head, or somebody's work to keep."""
        checked = time.time_ns()
        found = self._files.read(state.path)
        if found is None:
            return []
        row = Placed(state.path, head.document, head.number, found.stamp, checked)
        if same_content(self._store, row, found):
            self._disk.put(row)
            return []
        with self._store.transaction():
            kept = State(state.path, found.mode, self._store.contents.put(found.data, state.content))
            made, _ = self.record_outside([Edit(head.document, state.path, kept, head.number)])
        self._disk.put(Placed(state.path, head.document, made[0].number, found.stamp, checked))
        return [Conflict(state.path, "a file was already there; it was kept as the newest version", head.document)]

    def _adjust(self, head: Version, state: State, placed: Placed) -> bool:
        """Where only the permissions differ, or nothing does, no bytes are written."""
        old = self._store.versions.get(placed.document, placed.number).state
        if old is None or old.content != state.content or old.is_link != state.is_link:
            return False
        status = self._files.status(state.path)
        found = self._files.read(state.path) if status else None
        if found is None or not same_content(self._store, placed, found):
            return False
        if old.mode != state.mode:
            self._files.set_mode(state.path, state.mode)
        self._note(head, state)
        return True

    def _note(self, head: Version, state: State) -> None:
        """Remember the file that was just put in place."""
        found = self._files.status(state.path)
        stamp = Stamp.of(found) if found else None
        self._disk.put(Placed(state.path, head.document, head.number, stamp, time.time_ns()))

    def _temporary(self, document: int) -> bytes:
        return TEMPORARY + b"%d-%d" % (self._branch, document)

    # -- after a crash

    def _save_displaced(self, document: int) -> None:
        """Keep an outside edit that an interrupted exchange left under the temporary name."""
        placed = {p.path: p for p in self._disk.of_document(document)}
        for path in {self._head(document).path, *placed}:
            for temporary in (self._temporary(document), self._temporary(document) + OLD):
                found = self._files.read_temporary(path, temporary)
                row = placed.get(path)
                if found is not None and not self._is_ours(found, document, row):
                    try:
                        self._files.settle(path, temporary)  # it was being removed: _notice sees it
                    except FileExistsError:
                        # It was exchanged for the head of then, which stands there now.
                        head = self._head(document)
                        self._outside(document, row or Placed(path, document, head.number, None, 0), found)
                        self._disk.put(Placed(path, document, head.number, None, 0))
                self._files.drop_temporary(path, temporary)

    def _is_ours(self, found: Found, document: int, placed: Placed | None) -> bool:
        """Whether a temporary file holds only what we know: the version displaced, or the head."""
        if placed is not None and same_content(self._store, placed, found):
            return True
        head = self._head(document)
        ours = self._store.contents.get(head.content) if head.content is not None else b""
        return (head.content is not None and found.data == ours) or self._is_torn(found.data, ours)

    def _notice(self, document: int) -> None:
        """Record outside edits of a pending document's file before its head is put there."""
        for placed in self._disk.of_document(document):
            head = self._head(document)
            found = self._files.read(placed.path)
            if found is None:
                if head.state is not None and head.path == placed.path:
                    self._outside(document, placed, None)
                self._disk.remove(placed.path)
                continue
            if same_content(self._store, placed, found):
                continue
            written = Placed(placed.path, document, head.number, found.stamp, 0)
            if head.path == placed.path and same_content(self._store, written, found):
                self._disk.put(written)
                continue
            ours = self._store.contents.get(head.content) if head.content is not None else b""
            if head.path == placed.path and self._is_torn(found.data, ours):
                self._rewrite(document, head)
                continue
            version, _ = self._outside(document, placed, found)
            self._disk.put(Placed(placed.path, document, version.number, found.stamp, 0))

    def _rewrite(self, document: int, head: Version) -> None:
        """Put the head over the remains of an earlier attempt to put it there."""
        if head.state is not None:
            temporary = self._temporary(document)
            self._files.stage(head.path, temporary, head.state.mode, self._store.contents.get(head.state.content))
            self._files.exchange(head.path, temporary)
            self._files.drop_temporary(head.path, temporary)
            self._note(head, head.state)

    def _is_torn(self, found: bytes, written: bytes) -> bool:
        """Whether these are our own bytes, cut short by a power failure before they were synced."""
        return self._power_failed and torn(found, written)


def torn(found: bytes, written: bytes) -> bool:
    """Whether ``found`` is what a power failure leaves of ``written``: cut short, or zeros behind."""
    kept = found.rstrip(b"\0")
    return len(found) <= len(written) and found != written and written.startswith(kept)
