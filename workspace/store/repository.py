"""A repository: one history open for writing. Several branches are written by it; folders only follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, Self, Unpack

from workspace.errors import Conflicted, Failed, WorkspaceError
from workspace.kinds import Outcome
from workspace.records import ENDED, Act, Conflict, Edit, Version
from workspace.store import location
from workspace.store.store import Participant, Recording, Store


class Follower(Protocol):
    """A folder that follows the commits on a branch: an open working copy."""

    @property
    def branch(self) -> int: ...

    @property
    def participant(self) -> Participant:
        """What it knows of its files: saved with each transaction."""
        ...

    @property
    def due_count(self) -> int:
        """How many documents wait for the open transaction to end before their files are placed."""
        ...

    def due_since(self, count: int) -> set[int]:
        """The documents that came to wait since ``due_count`` was ``count``."""
        ...

    def pend(self, document: int) -> None:
        """In the open transaction: this document's file is about to change."""
        ...

    def bring_due(self) -> list[Conflict]:
        """After the transaction: bring the files that wait to their heads; what stood in the way and was kept."""
        ...

    def close(self) -> None:
        """Sync the files that were put in place, and let go of the folder."""
        ...

    def abandon(self) -> None:
        """Let go of the folder without a sync."""
        ...


class Repository:
    """Store, journal and lock of one history; it needs no folder.

    One thread at a time. Acts on any branch share its transactions, and once one is durable
    the files of every open working copy follow.
    """

    def __init__(self, store: Store, lock: location.Lock, folder: Path) -> None:
        """Use ``open``: this takes an open store and its lock."""
        self.store = store
        self.folder = folder
        """Where the history lies."""
        self.followers: list[Follower] = []
        self.step: Callable[[str], None] = lambda _: None
        """Called with the name of each point of the write path; tests crash there."""
        self._lock = lock
        self._acting = False
        self._copies = store.working_copies()

    @classmethod
    def open(cls, folder: Path, *, wait: float = 5.0) -> Self:
        """Open the history in ``folder`` for writing, made where there is none.

        Waits ``wait`` seconds for another process that writes. Raises Busy, WorkspaceError.
        """
        lock = location.Lock(folder, wait)
        try:
            return cls(Store.open(folder), lock, folder)
        except BaseException:
            lock.release()
            raise

    def start(self) -> None:
        """Note what the last writer left behind: operations without an end, a power failure."""
        for operation in self.store.journal.unfinished():
            first = self.store.journal.entry(operation)
            act = Act(kind=first.kind, actor=first.actor, session=first.session, parent=first.parent)
            self.store.record(act, branch=first.branch, phase=ENDED, operation=operation, outcome=Outcome.UNKNOWN)
        boot = _boot_id()
        row = self.store.db.execute("SELECT value FROM meta WHERE key = 'boot'").fetchone()
        if row is None or row[0] != boot:
            with self.store.transaction():  # each folder keeps the mark until it has recovered
                if row is not None:
                    self.store.db.execute("UPDATE working_copy SET power_failed = 1")
                self.store.db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('boot', ?)", (boot,))

    def close(self) -> None:
        """Make everything durable, the files of open working copies included, and let go of the lock."""
        try:
            for follower in list(self.followers):
                follower.close()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go without syncing files: opening the folders again checks them."""
        for follower in list(self.followers):
            follower.abandon()
        self.store.close()
        self._lock.release()

    # -- branches and their folders

    def folder_of(self, branch: int) -> str | None:
        """The folder in which a branch is checked out, open or not."""
        known = self._copies.get(branch)
        return known.root if known else None

    def branch_in(self, root: Path) -> int | None:
        """The branch that is checked out in a folder."""
        return next((branch for branch, known in self._copies.items() if known.root == str(root)), None)

    def follower_on(self, branch: int) -> Follower | None:
        """The open working copy of a branch."""
        return next((follower for follower in self.followers if follower.branch == branch), None)

    def register(self, branch: int, root: Path) -> None:
        """Remember that a branch is checked out in a folder, or by now in another one."""
        inode = root.stat().st_ino
        known = self._copies.get(branch)
        if known is None or (known.root, known.inode) != (str(root), inode):
            self.store.set_working_copy(branch, root, inode)
            self._copies = self.store.working_copies()

    def unregister(self, branch: int) -> None:
        """Forget the folder of a branch and all that is known of its files; none of them is touched."""
        with self.store.transaction():
            for table in ("working_copy", "disk", "pending"):
                self.store.db.execute(f"DELETE FROM {table} WHERE branch = ?", (branch,))
        self._copies = self.store.working_copies()

    def join(self, follower: Follower) -> None:
        """Have a working copy follow the commits on its branch. Raises WorkspaceError inside a transaction."""
        if self.store.in_transaction:
            raise WorkspaceError("A folder cannot be opened in the middle of a transaction.")
        self.followers.append(follower)
        self.store.participants.append(follower.participant)

    def leave(self, follower: Follower) -> None:
        """End that; what it still has to place stays pending."""
        with suppress(ValueError):
            self.followers.remove(follower)
            self.store.participants.remove(follower.participant)

    # -- acts

    @contextmanager
    def acting(self) -> Iterator[None]:
        """One transaction around the block, then the files of all working copies.

        Inside another one it does nothing by itself. A refusal keeps what was recorded before
        it. Raises Conflicted where a file could not be brought to its head.
        """
        if self._acting:
            yield
            return
        refusal: WorkspaceError | None = None
        self._acting = True
        try:
            with self.store.transaction():
                try:
                    yield
                except Failed:
                    raise
                except WorkspaceError as error:
                    refusal = error
        finally:
            self._acting = False
        self.step("committed")
        conflicts = [conflict for follower in list(self.followers) for conflict in follower.bring_due()]
        self.step("placed")
        if refusal:
            raise refusal
        if conflicts:
            raise Conflicted.over(conflicts)

    def due(self) -> tuple[int, ...]:
        """How many documents wait in each open working copy, for ``due_since``."""
        return tuple(follower.due_count for follower in self.followers)

    def due_since(self, before: tuple[int, ...]) -> set[int]:
        """The documents that came to wait since ``due`` was ``before``."""
        waiting = zip(self.followers, before, strict=True)
        return {document for follower, count in waiting for document in follower.due_since(count)}

    @property
    def is_acting(self) -> bool:
        return self._acting

    def record(
        self, act: Act, edits: Sequence[Edit] = (), *, branch: int, **how: Unpack[Recording]
    ) -> tuple[int, list[Version]]:
        """Write one entry and the versions it makes, and mark their files; see Store.record."""
        with self.store.transaction():
            entry, made = self.store.record(act, edits, branch=branch, **how)
            for version in made:
                self.pend(branch, version.document)
        return entry, made

    def pend(self, branch: int, document: int) -> None:
        """In the open transaction: a document's file in the branch's folder, if it has one, is about to change."""
        follower = self.follower_on(branch)
        if follower is not None:
            follower.pend(document)
        elif branch in self._copies:  # its folder is not open: placed when it is
            self.store.db.execute("INSERT OR IGNORE INTO pending (branch, document) VALUES (?,?)", (branch, document))


def _boot_id() -> str:
    """Names the present run of the machine; empty where that cannot be told."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""
