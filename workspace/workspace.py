"""RealDoc: a directory of documents whose every edit is a version."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from . import capture, coverage, location, takeback
from .disk import Placed
from .errors import NeedsConsent, NotFound, WorkspaceError
from .files import Stamp
from .history import History, existing_folder
from .ignore import is_ours
from .merge import combine
from .models import (
    BEGUN,
    ENDED,
    INSTANT,
    REGULAR,
    Act,
    Branch,
    Conflict,
    Edit,
    Operation,
    State,
    Usage,
    Version,
)  # fmt: skip
from .placing import OUTSIDE, Conflicted, Placing
from .store import Store
from .takeback import Plan
from .walk import Skipped, walk

SCAN = Act(kind="scan", name="scan", actor="person")


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan found. ``operation`` is None where nothing had changed; sizes in bytes."""

    operation: int | None
    versions: tuple[Version, ...]
    skipped: tuple[Skipped, ...]
    files: int
    bytes: int
    conflicts: tuple[Conflict, ...] = ()


class Workspace(History):
    """A directory of documents and its history, open for writing; use it as a context manager.

    One writer at a time, in one thread at a time; any number of readers beside it.

    >>> folder = getfixture("tmp_path")
    >>> with Workspace.open(folder) as work:
    ...     first = work.write("notes.txt", b"one\\n")
    ...     second = work.write("notes.txt", b"one\\ntwo\\n")
    ...     [(v.number, v.change, v.added) for v in work.history("notes.txt")]
    [(1, 'create', 1), (2, 'edit', 1)]
    >>> with History.open(folder) as past:
    ...     past.content(past.version("notes.txt", 1))
    b'one\\n'
    """

    def __init__(self, root: Path, store: Store, branch: str, lock: location.Lock, folder: Path) -> None:
        """Use ``open``: this takes an open store and its lock."""
        super().__init__(root, store, branch)
        self.folder = folder
        self.step: Callable[[str], None] = lambda _: None
        """Called with the name of each point of the write path; tests crash there."""
        self._lock = lock
        self._placing = Placing(store, self._disk, self._files, self.branch.id, lambda point: self.step(point))
        self._to_bring: dict[int, None] = {}
        self._batch = False
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
        stuck = {version.document for version in self.unplaced()}
        placed = [document for document in self._disk.pending() if document not in stuck]
        if placed:
            self._files.sync()
            self._disk.clear(placed)
        self._save()

    # -- editing

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Many acts in one transaction, durable and on disk when the block ends.

        Each act is all or nothing by itself; one that is refused leaves the others.
        """
        with self._placed():
            yield

    def write(
        self, path: str, data: bytes, *, read: int | None = None, mode: int | None = None, act: Act = Act()
    ) -> Version:
        """Write a document; the version that holds it, or the present one where nothing changes.

        ``read`` is the version the writer had read, by default the newest recorded one. If
        the document has moved on since, by whomever, both changes are merged; where that
        is impossible nothing is written and Conflicted is raised. ``mode``: permissions.
        """
        self._check_path(path)
        with self._placed():
            known = self.find(path)
            if read is not None and known is not None and known.number != read:
                known = self.store.versions.get(known.document, read)
            self._notice(path)
            with self.store.transaction():
                head = self.find(path)
                kind = stat.S_IMODE(known.mode) if known and known.mode else 0o644
                content = self.store.contents.put(data, known.content if known else None)
                theirs = State(path, REGULAR | (kind if mode is None else mode & 0o777), content)
                if head is None:
                    if known is not None and read is not None:
                        raise NotFound(f"{path} was deleted meanwhile; leave out the version to write it anew.")
                    document, parent = capture.continued(self.store, path, self.branch.id)
                    return self._commit(act, [Edit(document, path, theirs, parent)])[0]
                base = known.state if known else None
                combined = combine(self.store.contents, base, head.state, theirs, head.document)
                if combined.conflicts or combined.state is None:
                    raise Conflicted(
                        f"{path} was changed meanwhile where you changed it too; read it again and repeat the edit.",
                        combined.conflicts,
                    )
                if combined.state == head.state:
                    return head
                return self._commit(act, [Edit(head.document, path, combined.state, head.number)])[0]

    def move(self, path: str, to: str, *, act: Act = Act(name="move")) -> Version:
        """Rename a document; it keeps its identity and history. Raises NotFound, WorkspaceError."""
        self._check_path(to)
        with self._placed():
            self._notice(path)
            self._notice(to)
            head = self._existing(path)
            return self._commit(act, [Edit(head.document, to, replace(_state(head), path=to), head.number)])[0]

    def delete(self, path: str, *, act: Act = Act(name="delete")) -> Version:
        """Delete a document; all its versions stay. Raises NotFound."""
        with self._placed():
            self._notice(path)
            head = self._existing(path)
            return self._commit(act, [Edit(head.document, path, None, head.number)])[0]

    def set_mode(self, path: str, mode: int, *, act: Act = Act(name="mode")) -> Version:
        """Set a file's permissions (``0o777`` at most). Raises NotFound."""
        with self._placed():
            self._notice(path)
            head = self._existing(path)
            state = replace(_state(head), mode=REGULAR | mode & 0o777)
            if head.state == state or _state(head).is_link:
                return head
            return self._commit(act, [Edit(head.document, path, state, head.number)])[0]

    def commit(self, act: Act, edits: Sequence[Edit]) -> list[Version]:
        """Record edits as one instant operation and bring the files to them. Raises Conflicted."""
        with self._placed():
            return self._commit(act, edits)

    # -- taking back

    def restore(
        self,
        *,
        cursor: int | None = None,
        version: Version | None = None,
        paths: Collection[str] = (),
        act: Act = Act(kind="restore", name="restore"),
    ) -> list[Version]:
        """Make the documents (those at or below ``paths``) equal to a cursor, or one to a version.

        Edits that nobody recorded yet are recorded first, so that nothing is lost; the
        restore itself can be undone. Raises NotFound, Conflicted.
        """
        self._scan(OUTSIDE)
        if version is not None:
            plan = takeback.restore_version(self, version)
        else:
            plan = takeback.restore(self, self.cursor if cursor is None else cursor, paths)
        return self._take_back(plan, act, "restored")

    def revert(
        self, operations: Collection[int], *, act: Act = Act(kind="revert", name="revert"), consent: bool = False
    ) -> list[Version]:
        """Take out what operations and all they caused did, and keep everything later.

        Raises NeedsConsent where an edit may be somebody else's work, unless ``consent``;
        Conflicted where later edits overlap, and then nothing is written.
        """
        family = [member for o in operations for member in self.store.journal.family(self.operation(o).id)]
        with self._placed():
            for path in takeback.touched(self, family):
                self._notice(path)
            with self.store.transaction():
                plan = takeback.revert(self, family)
                if plan.uncertain and not consent:
                    paths = ", ".join(edit.path for edit in plan.uncertain)
                    raise NeedsConsent(f"Someone else may have edited {paths} meanwhile; add --yes to revert it.")
                detail = {"reverts": sorted(operations), **act.detail}
                return self._take_back(plan, replace(act, detail=detail), "reverted")

    def undo(self, *, session: str | None = None, act: Act = Act(kind="undo", name="undo")) -> Operation:
        """Revert the newest top-level act, with all it caused; the undo. Raises NotFound, Conflicted."""
        return self._revert_one(takeback.undoable(self, session), session, act)

    def redo(self, *, session: str | None = None, act: Act = Act(kind="redo", name="redo")) -> Operation:
        """Revert the newest undo; the redo. Raises NotFound, Conflicted."""
        return self._revert_one(takeback.redoable(self, session), session, act)

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
    ) -> list[Version]:
        """Record that an operation ended; with ``captured``, all that changed on disk is its work."""
        first = self.store.journal.entry(operation)
        act = Act(kind=first.kind, actor=first.actor, session=first.session, parent=first.parent)
        if captured:
            return list(self._scan(act, ENDED, operation, outcome, usage, payload).versions)
        self.store.record(
            act, branch=self.branch.id, phase=ENDED, operation=operation, outcome=outcome,
            usage=usage, payload=payload,
        )  # fmt: skip
        return []

    def scan(
        self, act: Act = SCAN, *, named: Collection[str] = (), largest: int | None = None, consent: bool = False
    ) -> Scanned:
        """Record all that changed on disk since we last looked, as one operation.

        ``named`` paths are captured although ignored or likely secret, now and later;
        ``largest`` bytes is the limit for a file from now on. A first scan of the home
        directory or ``/`` raises NeedsConsent without ``consent``.
        """
        if self.cursor == 0 and not consent and self.root in (Path.home().resolve(), Path("/")):
            raise NeedsConsent(f"{self.root} holds far more than one piece of work; add --yes to record all of it.")
        if named:
            coverage.name(self.store, named)
        if largest is not None:
            coverage.set_largest(self.store, largest)
        return self._scan(act)

    def fork(self, name: str, *, at: int | None = None, act: Act = Act()) -> Branch:
        """Add a branch that up to entry ``at`` (by default now) is this one. Raises WorkspaceError."""
        with self.store.transaction():
            fork = self.cursor if at is None else at
            branch = self.store.versions.add_branch(name, self.branch.id, fork)
            detail = {"branch": branch.id, "parent": self.branch.id, "fork": fork}
            self.record(replace(act, kind="branch", name=name, detail=detail))
        return branch

    # -- inside

    def _revert_one(self, target: Operation, session: str | None, act: Act) -> Operation:
        detail = {**act.detail, "target": target.id}
        act = replace(act, session=session or act.session, detail=detail)
        made = self.revert([target.id], act=act, consent=True)
        return self.operation(made[0].operation if made else self.record(act))

    def _take_back(self, plan: Plan, act: Act, verb: str) -> list[Version]:
        if plan.conflicts:
            paths = ", ".join(sorted({conflict.path for conflict in plan.conflicts}))
            raise Conflicted(f"Nothing was {verb}: {paths}: {plan.conflicts[0].reason}.", plan.conflicts)
        return self.commit(act, plan.edits) if plan.edits else []

    def _start(self) -> None:
        db = self.store.db
        recorded = dict(db.execute("SELECT key, value FROM meta").fetchall())
        location.check_same_place(self.root, recorded.get("root"))
        now = {"root": str(self.root), "boot": _boot_id()}
        if any(recorded.get(key) != value for key, value in now.items()):
            with self.store.transaction():
                db.executemany("INSERT OR REPLACE INTO meta (key, value) VALUES (?,?)", now.items())
        if not self.folder.is_relative_to(self.root):
            location.ensure_link(self.root, self.folder)
        for operation in self.store.journal.unfinished():
            self.end(operation, "unknown")
        self._placing.recover(power_failed=recorded.get("boot") not in (None, now["boot"]))
        self._save()

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
                except WorkspaceError as error:
                    refusal = error
        except BaseException:
            self._to_bring.clear()
            raise
        finally:
            self._batch = False
        self.step("committed")
        documents = list(self._to_bring)
        self._to_bring.clear()
        conflicts = self._placing.bring(documents) if documents else []
        self.step("placed")
        if refusal:
            raise refusal
        if conflicts:
            raise Conflicted.over(conflicts)

    def _commit(self, act: Act, edits: Sequence[Edit]) -> list[Version]:
        moving = {edit.document for edit in edits}
        taken: set[str] = set()
        for edit in edits:
            if edit.state is None:
                continue
            other = self.find(edit.state.path)
            if edit.state.path in taken or (other is not None and other.document not in moving):
                raise WorkspaceError(f"{edit.state.path} exists; move it away or choose another name.")
            taken.add(edit.state.path)
        _, made = self.store.record(act, edits, branch=self.branch.id)
        for version in made:
            self._disk.pend(version.document)
            self._to_bring[version.document] = None
        return made

    def _notice(self, path: str) -> None:
        """Look at one path and record what somebody else did there."""
        checked = time.time_ns()
        found = capture.look(self.store, self._disk, self._files, path)
        placed = self._disk.get(path)
        if isinstance(found, Placed) or (found is None and placed is None):
            return
        if placed is not None and self._is_pending(placed):
            return  # our own newer version is on its way there
        with self.store.transaction():
            document: int | None
            parent: int | None
            if placed is not None:
                document, parent = placed.document, placed.number
            elif self.find(path) is not None:
                return  # its file is not there yet; placing it looks again
            else:
                document, parent = capture.continued(self.store, path, self.branch.id)
            state: State | None = None
            if found is not None:
                before = self.store.versions.get(document, parent).content if document and parent else None
                state = State(path, found.mode, self.store.contents.put(found.data, before))
            made, _ = self._placing.record_outside([Edit(document, path, state, parent)])
            self._learn(made[0], found.stamp if found else None, checked)

    def _learn(self, version: Version, stamp: Stamp | None, checked: int) -> None:
        """Remember that a recorded outside edit is what is on disk; bring what was merged with it."""
        if stamp is None:
            self._disk.remove(version.path)
        else:
            self._disk.put(Placed(version.path, version.document, version.number, stamp, checked))
        if (head := self.head(version.document)) is None or head.number != version.number:
            self._to_bring[version.document] = None

    def _is_pending(self, placed: Placed) -> bool:
        return placed.document in self._to_bring

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
        seen = walk(
            self.root,
            self._disk.all(),
            largest=coverage.largest(self.store),
            named=coverage.named(self.store),
        )
        made: list[Version] = []
        conflicts: list[Conflict] = []
        entry = None
        with self._placed():
            found = capture.compare(self.store, self._disk, self._files, seen, self.branch.id, checked)
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

    def _existing(self, path: str) -> Version:
        head = self.find(path)
        if head is None:
            raise NotFound(f"There is no document at {path}.")
        return head

    def _check_path(self, path: str) -> None:
        parts = path.split("/")
        if any(part in ("", ".", "..") for part in parts) or "\0" in path:
            raise WorkspaceError(f"{path!r} is not a path inside the workspace.")
        if any(is_ours(part) for part in parts):
            raise WorkspaceError(f"{path!r} belongs to version control or to the history itself.")


def _state(version: Version) -> State:
    assert version.state is not None
    return version.state


def _boot_id() -> str:
    """Names the present run of the machine; empty where that cannot be told."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""
