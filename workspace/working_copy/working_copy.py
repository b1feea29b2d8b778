"""A working copy: a folder that follows a branch. What others do in it is recorded, what is committed is placed."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

from workspace.errors import WorkspaceError
from workspace.kinds import Kind, Outcome
from workspace.records import INSTANT, Act, Conflict, Edit, State, Usage, Version
from workspace.store import location
from workspace.store.contents import Prepared
from workspace.store.repository import Repository
from workspace.store.store import Recording
from workspace.working_copy import coverage, snapshot
from workspace.working_copy.files import Blocked, Stamp
from workspace.working_copy.folder import Folder
from workspace.working_copy.git_exclude import exclude_link
from workspace.working_copy.outside import OutsideFiles
from workspace.working_copy.recovery import Recovery
from workspace.working_copy.snapshot import Seen, Snapshot
from workspace.working_copy.stat_table import Placed, StatTable
from workspace.working_copy.walk import Skipped

UNRECORDED = "files that are not recorded have changed"
"""What an edit from outside is called that made no version."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan found. ``operation`` is None where nothing had changed; sizes in bytes."""

    operation: int | None
    versions: tuple[Version, ...]
    skipped: tuple[Skipped, ...]
    files: int
    bytes: int
    conflicts: tuple[Conflict, ...] = ()
    claimed: tuple[Version, ...] = ()
    """What was recorded before, seen live, and counts as this scan's work."""
    folders: tuple[str, ...] = ()
    """The folders whose entries were all looked at; ``""`` is the root."""


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What was recorded of a snapshot taken elsewhere. ``stale``: something had changed since, so look again."""

    entry: int | None
    versions: tuple[Version, ...]
    conflicts: tuple[Conflict, ...]
    stale: bool


class WorkingCopy(Folder):
    """The folder of one branch, open for writing; a repository may have any number of them, on a branch each."""

    def __init__(self, repository: Repository, root: Path, branch: int) -> None:
        super().__init__(root, repository.store, branch)
        self.repository = repository
        self.checkout = Recovery(
            repository.store, self.table, self.files, branch, lambda point: repository.step(point)
        )
        self.outside = OutsideFiles(repository.store, root, branch, lambda point: repository.step(point))
        self._found: list[Conflict] = []
        """Conflicts found on opening, until a scan has told them."""
        repository.join(self)

    def start(self) -> None:
        """Take the folder over from whoever wrote here last: finish what was cut short, and remember where it is."""
        store = self.store
        self.repository.register(self.branch, self.root)
        self.files.largest = coverage.largest(store)
        folder = self.repository.folder
        if not folder.is_relative_to(self.root) and location.ensure_link(self.root, folder):
            exclude_link(self.root)
        power_failed = store.working_copies()[self.branch].power_failed
        self._found = self.checkout.recover(power_failed=power_failed)
        self.table.take_due()
        self._save()
        self.outside.recover()
        if power_failed:  # not before: recovery that is cut short has to know of the power failure too
            with store.transaction():
                store.db.execute("UPDATE working_copy SET power_failed = 0 WHERE branch = ?", (self.branch,))

    def close(self) -> None:
        try:
            self.settle()
        finally:
            self.abandon()

    def abandon(self) -> None:
        self.repository.leave(self)
        self.outside.close()
        super().close()

    def settle(self) -> None:
        """Sync the files that were put in place, in one call, and remember that they are there."""
        stuck = {version.document for version in self.unsure()}
        placed = [document for document in self.table.pending() if document not in stuck]
        if placed:
            self.files.sync()
            self.table.clear(placed)
        self._save()

    def place(self) -> list[Conflict]:
        """Bring the files of all pending documents to their heads; what stood in the way and was kept.

        Files that already stand where a head belongs are never overwritten.
        """
        documents = self.table.pending()
        conflicts = self.checkout.adopt(documents) + self.checkout.bring(documents)
        self.table.take_due()
        self._save()
        return conflicts

    def adopt(self) -> list[Conflict]:
        """Take the folder as it stands, and write nothing: another program keeps its files.

        What differs from a head is the newest version now; the conflicts say which.
        """
        conflicts = self.checkout.adopt_folder()
        self.table.take_due()
        return conflicts

    # -- following the branch

    @property
    def participant(self) -> StatTable:
        return self.table

    @property
    def due_count(self) -> int:
        return self.table.due_count

    def due_since(self, count: int) -> set[int]:
        return self.table.due_since(count)

    def pend(self, document: int) -> None:
        self.table.pend(document)

    def bring_due(self) -> list[Conflict]:
        conflicts = self.checkout.bring(self.table.take_due())
        self.table.take_due()  # what was merged while placing is placed too
        return conflicts

    # -- what others do in the folder

    def notice(self, path: str) -> None:
        """In the open act: record what somebody else did to the file at a path, if anything."""
        checked = time.time_ns()
        found = snapshot.look(self.store, self.table, self.files, path)
        placed = self.table.get(path)
        if isinstance(found, Placed) or (found is None and placed is None):
            return
        if placed is not None and self.table.is_due(placed.document):
            return  # our own newer version is on its way there
        if placed is not None and found is None and self._find(path) is None:
            self.table.remove(path)  # it was to leave anyway
            return
        with self.store.transaction():
            document: int | None
            parent: int | None
            if placed is not None:
                document, parent = placed.document, placed.number
            elif self._find(path) is not None:
                return  # its file is not there yet; placing it looks again
            else:
                document, parent = snapshot.continued(self.store, path, self.branch)
            state: State | None = None
            if found is not None:
                before = self.store.versions.get(document, parent).content if document and parent else None
                state = State(path, found.mode, self.store.contents.put(found.data, before))
            made, _ = self.checkout.record_outside([Edit(document, path, state, parent)])
            self._learn(made[0], found.stamp if found else None, checked)

    def scan(
        self,
        act: Act,
        phase: int = INSTANT,
        operation: int | None = None,
        outcome: Outcome | None = None,
        usage: Usage | None = None,
        payload: bytes | None = None,
        within: Collection[str] | None = None,
    ) -> Scanned:
        """Record all that others changed since we last looked, as one operation.

        ``within``: only at and below these paths; what is left out is told of the whole folder alone.
        With ``operation`` it is recorded as that one's end, or part, though nothing had changed.
        """
        if self.repository.is_acting:
            raise WorkspaceError("A scan cannot be part of a batch: files are written when the batch ends.")
        with self.repository.acting():
            found = snapshot.take(self, self.store.contents.put, within=within)
            entry, made, conflicts = self._record(
                found, act, phase=phase, operation=operation, outcome=outcome, usage=usage, payload=payload
            )
        return Scanned(
            operation or entry, tuple(made), tuple(found.skipped), found.files, found.bytes, tuple(conflicts),
            folders=found.folders,
        )  # fmt: skip

    def absorb(self, found: Snapshot, act: Act, contents: Mapping[int, Prepared], *, last: bool = False) -> Absorbed:
        """Record what a snapshot taken elsewhere found, as far as it is still so.

        ``contents`` are what negative numbers in its edits stand for.

        What was placed or recorded since the snapshot is left out, and what was changed again, but
        for the ``last`` time: then the state that it had is recorded, and the next one is found later.
        """
        if self.repository.is_acting:
            raise WorkspaceError("A snapshot cannot be part of a batch: files are written when the batch ends.")
        with self.repository.acting():
            self.files.check()
            now = replace(found, edits=[], vacated=[], refreshed=[])
            stale = False
            for seen in found.edits:
                if not self._still(seen):
                    row = self.table.get(seen.edit.path)
                    stale = stale or row is None or row.stamp != seen.stamp  # else it is ours, placed meanwhile
                elif not last and not self._untouched(seen):
                    stale = True
                else:
                    now.edits.append(self._stored(seen, contents))
            kept = {seen.edit.document for seen in now.edits}
            dropped = {seen.edit.document for seen in found.edits} - kept
            now.vacated = [p for p in found.vacated if p.document not in dropped and self._is_row(p)]
            now.refreshed = [placed for placed in found.refreshed if self._is_row(placed)]
            entry, made, conflicts = self._record(now, act)
        return Absorbed(entry, tuple(made), tuple(conflicts), stale)

    def take_found(self) -> list[Conflict]:
        """The conflicts found on opening, once."""
        found, self._found = self._found, []
        return found

    # -- inside

    def _record(
        self, found: Snapshot, act: Act, **how: Unpack[Recording]
    ) -> tuple[int | None, Sequence[Version], Sequence[Conflict]]:
        """In the open act: record what was found, and remember that it is what is on disk."""
        made: list[Version] = []
        conflicts: list[Conflict] = []
        entry = None
        change = found.coverage
        if found.edits or change.covers or how.get("operation") is not None:
            if self.store.journal.last() == 0:
                change = replace(change, first=True)
            if act.kind == Kind.OUTSIDE and not found.edits:
                act = replace(act, name=UNRECORDED)
            entry = self.store.journal.next_id()
            edits = [seen.edit for seen in found.edits]
            made, conflicts = self.checkout.record_outside(edits, act.saying(change), **how)
            coverage.apply(self.store, self.branch, entry, change)
        for placed in found.vacated:
            self.table.remove(placed.path)
        for version, seen in zip(made, found.edits, strict=True):
            self._learn(version, seen.stamp, found.checked)
        for placed in found.refreshed:
            self.table.put(placed)
        return entry, made, conflicts

    def _stored(self, seen: Seen, contents: Mapping[int, Prepared]) -> Seen:
        """The edit with its content in the store."""
        state = seen.edit.state
        if state is None or state.content >= 0:
            return seen
        state = replace(state, content=self.store.contents.insert(contents[state.content]))
        return replace(seen, edit=replace(seen.edit, state=state))

    def _still(self, seen: Seen) -> bool:
        """Whether what was known of a path when an edit was found there is known of it still."""
        edit = seen.edit
        row = self.table.get(edit.path)
        if seen.basis == "placed":
            return row is not None and (row.document, row.number) == (edit.document, edit.parent)
        live = self._find(edit.path)
        if row is not None or (live is not None) != (seen.basis == "head"):
            return False
        if live is not None:
            return (live.document, live.number) == (edit.document, edit.parent)
        if seen.origin is not None:
            row = self.table.get(seen.origin)
            return row is not None and (row.document, row.number) == (edit.document, edit.parent)
        return edit.document is None or snapshot.continued(self.store, edit.path, self.branch) == (
            edit.document, edit.parent
        )  # fmt: skip

    def _untouched(self, seen: Seen) -> bool:
        """Whether a file is the one that was looked at."""
        try:
            status = self.files.status(seen.edit.path)
        except Blocked:
            return seen.stamp is None
        return (Stamp.of(status) if status is not None else None) == seen.stamp

    def _is_row(self, placed: Placed) -> bool:
        """Whether a version is still what is known to be at its path, or its head where nothing is."""
        row = self.table.get(placed.path)
        if row is None:
            head = self._find(placed.path)
            return head is not None and (head.document, head.number) == (placed.document, placed.number)
        return (row.document, row.number) == (placed.document, placed.number)

    def _find(self, path: str) -> Version | None:
        return self.store.versions.find(path, self.branch, self.store.journal.last())

    def _learn(self, version: Version, stamp: Stamp | None, checked: int) -> None:
        """Remember that a recorded outside edit is what is on disk; what was merged with it is due."""
        if stamp is None:
            self.table.remove(version.path)
        else:
            self.table.put(Placed(version.path, version.document, version.number, stamp, checked))

    def _save(self) -> None:
        if self.table.dirty:
            with self.store.transaction():
                pass  # what was learnt of the disk rides along with any transaction
