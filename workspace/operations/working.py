"""The working directory of an open workspace: one writer, capture, and files that follow commits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from workspace.errors import Failed, WorkspaceError
from workspace.operations.history import History
from workspace.records import BEGUN, ENDED, INSTANT, Act, Conflict, Edit, State, Usage, Version  # fmt: skip
from workspace.store import location
from workspace.store.location import existing_folder
from workspace.store.store import Store
from workspace.working_copy import coverage, snapshot
from workspace.working_copy.checkout import Conflicted
from workspace.working_copy.files import Stamp
from workspace.working_copy.git_exclude import exclude_link
from workspace.working_copy.recovery import Recovery
from workspace.working_copy.stat_table import Placed
from workspace.working_copy.walk import Skipped, folders


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan found. ``operation`` is None where nothing had changed; sizes in bytes."""

    operation: int | None
    versions: tuple[Version, ...]
    skipped: tuple[Skipped, ...]
    files: int
    bytes: int
    conflicts: tuple[Conflict, ...] = ()


class Working(History):
    """A workspace open for writing: what every act on it needs. See Workspace for the acts."""

    def __init__(self, root: Path, store: Store, branch: str, lock: location.Lock, folder: Path) -> None:
        """Use ``open``: this takes an open store and its lock."""
        super().__init__(root, store, branch)
        self.folder = folder
        self.step: Callable[[str], None] = lambda _: None
        """Called with the name of each point of the write path; tests crash there."""
        self._lock = lock
        self._placing = Recovery(store, self._disk, self._files, self.branch.id, lambda point: self.step(point))
        self._batch = False
        self._found: list[Conflict] = []
        """Conflicts found on opening, until a scan has told them."""
        store.disk = self._disk

    @classmethod
    def open(cls, root: Path | str, *, store: Path | None = None, branch: str = "main", wait: float = 5.0) -> Self:
        """Open ``root`` for writing, starting a history if it has none, and finish what a crash cut short.

        ``store`` puts a new history elsewhere than in the user's state directory. Waits
        ``wait`` seconds for another writer. Raises NotFound, Busy or WorkspaceError.
        """
        root = existing_folder(root)
        folder = store.resolve() if store else location.store_of(root) or location.default_store(root)
        lock = location.Lock(folder, wait)
        try:
            work = cls(root, Store.open(folder), branch, lock, folder)
        except BaseException:
            lock.release()
            raise
        try:
            work._start()
        except BaseException:
            work.abandon()
            raise
        return work

    def close(self) -> None:
        """Make everything durable, files included, and let go of the workspace."""
        try:
            self.settle()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of the workspace without syncing files: opening it again checks them."""
        super().close()
        self._lock.release()

    def settle(self) -> None:
        """Sync the files that were put in place, in one call, and remember that they are there."""
        stuck = {version.document for version in self._unsure()}
        placed = [document for document in self._disk.pending() if document not in stuck]
        if placed:
            self._files.sync()
            self._disk.clear(placed)
        self._save()

    def place(self) -> list[Conflict]:
        """Bring the files of all pending documents to their heads; what stood in the way and was kept.

        Files that already stand where a head belongs are never overwritten.
        """
        documents = self._disk.pending()
        conflicts = self._placing.adopt(documents) + self._placing.bring(documents)
        self._disk.take_due()
        self._save()
        return conflicts

    def adopt(self) -> list[Conflict]:
        """Take the folder as it stands, and write nothing: another program keeps its files.

        What differs from a head is the newest version now; the conflicts say which.
        """
        conflicts = self._placing.adopt_folder()
        self._disk.take_due()
        return conflicts

    # -- operations

    def record(
        self, act: Act, *, outcome: str | None = None, usage: Usage | None = None, payload: bytes | None = None
    ) -> int:
        """Record an instant operation that edits no document; its number."""
        return self.store.record(act, branch=self.branch.id, outcome=outcome, usage=usage, payload=payload)[0]

    def begin(self, act: Act, *, payload: bytes | None = None) -> int:
        """Record that a long operation begins; its number, for ``end``."""
        return self.store.record(act, branch=self.branch.id, phase=BEGUN, payload=payload)[0]

    def end(
        self,
        operation: int,
        outcome: str = "done",
        *,
        usage: Usage | None = None,
        payload: bytes | None = None,
        captured: bool = False,
        ref: bytes | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> list[Version]:
        """Record that an operation ended; with ``captured``, all that changed on disk is its work.

        Ending it again corrects what was recorded: the newest end counts.
        """
        first = self.store.journal.entry(operation)
        act = Act(
            kind=first.kind, actor=first.actor, session=first.session, parent=first.parent, ref=ref,
            detail=detail or {},
        )  # fmt: skip
        if captured:
            return list(self._scan(act, ENDED, operation, outcome, usage, payload).versions)
        self.store.record(
            act, branch=self.branch.id, phase=ENDED, operation=operation, outcome=outcome,
            usage=usage, payload=payload,
        )  # fmt: skip
        return []

    def notice(self, path: str) -> None:
        """Record what somebody else did to the file at a path, if anything. Raises WorkspaceError."""
        with self._placed():
            self._notice(path)

    def pend(self, document: int) -> None:
        """In the open transaction: this document's file is about to change."""
        self._disk.pend(document)

    @property
    def due(self) -> int:
        """How many documents wait for the open batch to end before their files are placed."""
        return self._disk.due_count

    def due_since(self, count: int) -> set[int]:
        """The documents that came to wait since ``due`` was ``count``."""
        return self._disk.due_since(count)

    # -- inside

    def _start(self) -> None:
        db = self.store.db
        recorded = dict(db.execute("SELECT key, value FROM meta").fetchall())
        location.check_same_place(self.root, self.folder, self.last_root())
        if recorded.get("root") != os.fsencode(self.root):
            self._set("root", os.fsencode(self.root))
        self._files.largest = coverage.largest(self.store)
        if not self.folder.is_relative_to(self.root) and location.ensure_link(self.root, self.folder):
            exclude_link(self.root)
        for operation in self.store.journal.unfinished():
            self.end(operation, "unknown")
        boot = _boot_id()
        self._found = self._placing.recover(power_failed=recorded.get("boot") not in (None, boot))
        self._disk.take_due()
        self._save()
        if recorded.get("boot") != boot:
            self._set("boot", boot)  # not before: recovery that is cut short has to know of the power failure too

    def _set(self, key: str, value: str | bytes) -> None:
        with self.store.transaction():
            self.store.db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?,?)", (key, value))

    def _save(self) -> None:
        if self._disk.dirty:
            with self.store.transaction():
                pass  # what was learnt of the disk rides along with any transaction

    @contextmanager
    def _placed(self) -> Iterator[None]:
        """One transaction around the block, then the files. A refusal keeps what was recorded before it."""
        if self._batch:
            yield
            return
        refusal: WorkspaceError | None = None
        self._batch = True
        try:
            with self.store.transaction():
                try:
                    yield
                except Failed:
                    raise
                except WorkspaceError as error:
                    refusal = error
        finally:
            self._batch = False
        self.step("committed")
        conflicts = self._placing.bring(self._disk.take_due())
        self._disk.take_due()  # what was merged while placing is placed too
        self.step("placed")
        if refusal:
            raise refusal
        if conflicts:
            raise Conflicted.over(conflicts)

    def _commit(self, act: Act, edits: Sequence[Edit]) -> list[Version]:
        moving = {edit.document for edit in edits}
        taken: set[str] = set()
        entered: set[str] = set()  # folders that hold something new
        for edit in edits:
            if edit.state is None:
                continue
            head = self.head(edit.document) if edit.document is not None else None
            stays = head is not None and head.exists and head.path == edit.state.path
            other = None if stays else self.find(edit.state.path)
            if edit.state.path in taken or (other is not None and other.document not in moving):
                raise WorkspaceError(f"{edit.state.path} exists; move it away or choose another name.")
            taken.add(edit.state.path)
            entered.update(() if stays else folders(edit.state.path))
        for folder in {folder for path in taken for folder in folders(path)}:
            other = self.find(folder) if folder in entered else None
            if folder in taken or (other is not None and other.document not in moving):
                raise WorkspaceError(f"{folder} is a document, so nothing can be below it; choose another name.")
        _, made = self.store.record(act, edits, branch=self.branch.id)
        for version in made:
            self._disk.pend(version.document)
        return made

    def _notice(self, path: str) -> None:
        """Look at one path and record what somebody else did there."""
        checked = time.time_ns()
        found = snapshot.look(self.store, self._disk, self._files, path)
        placed = self._disk.get(path)
        if isinstance(found, Placed) or (found is None and placed is None):
            return
        if placed is not None and self._is_pending(placed):
            return  # our own newer version is on its way there
        if placed is not None and found is None and self.find(path) is None:
            self._disk.remove(path)  # it was to leave anyway
            return
        with self.store.transaction():
            document: int | None
            parent: int | None
            if placed is not None:
                document, parent = placed.document, placed.number
            elif self.find(path) is not None:
                return  # its file is not there yet; placing it looks again
            else:
                document, parent = snapshot.continued(self.store, path, self.branch.id)
            state: State | None = None
            if found is not None:
                before = self.store.versions.get(document, parent).content if document and parent else None
                state = State(path, found.mode, self.store.contents.put(found.data, before))
            made, _ = self._placing.record_outside([Edit(document, path, state, parent)])
            self._learn(made[0], found.stamp if found else None, checked)

    def _learn(self, version: Version, stamp: Stamp | None, checked: int) -> None:
        """Remember that a recorded outside edit is what is on disk; what was merged with it is due."""
        if stamp is None:
            self._disk.remove(version.path)
        else:
            self._disk.put(Placed(version.path, version.document, version.number, stamp, checked))

    def _is_pending(self, placed: Placed) -> bool:
        return self._disk.is_due(placed.document)

    def _scan(
        self,
        act: Act,
        phase: int = INSTANT,
        operation: int | None = None,
        outcome: str | None = None,
        usage: Usage | None = None,
        payload: bytes | None = None,
    ) -> Scanned:
        if self._batch:
            raise WorkspaceError("A scan cannot be part of a batch: files are written when the batch ends.")
        checked = time.time_ns()
        seen = self._walk()
        made: list[Version] = []
        conflicts: list[Conflict] = []
        entry = None
        with self._placed():
            found = snapshot.compare(self.store, self._disk, self._files, seen, self.branch.id, checked)
            change = coverage.changes(self.store, self.branch.id, found.skipped)
            if found.edits or change or operation is not None:
                if self.cursor == 0:
                    change["first"] = True
                entry = self.store.journal.next_id()
                made, conflicts = self._placing.record_outside(
                    [edit for edit, _ in found.edits],
                    replace(act, detail={**act.detail, **change}),
                    phase=phase, operation=operation, outcome=outcome, usage=usage, payload=payload,
                )  # fmt: skip
                coverage.apply(self.store, self.branch.id, entry, change)
            for path in found.vacated:
                self._disk.remove(path)
            for version, (_, stamp) in zip(made, found.edits, strict=True):
                self._learn(version, stamp, checked)
            for placed in found.refreshed:
                self._disk.put(placed)
        sizes = sum(stamp.size for _, stamp in seen.present.values())
        return Scanned(
            operation or entry, tuple(made), tuple(found.skipped), len(seen.present), sizes, tuple(conflicts)
        )


def _boot_id() -> str:
    """Names the present run of the machine; empty where that cannot be told."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""
