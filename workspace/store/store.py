"""The store: one database of journal, versions and contents, with its transactions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypedDict

from workspace.errors import Failed, Outdated, ReadOnly, WorkspaceError
from workspace.kinds import Outcome
from workspace.records import INSTANT, PART, Act, Edit, Usage, Version
from workspace.store import schema
from workspace.store.contents import Contents
from workspace.store.engine import Connection, connect
from workspace.store.journal import Journal
from workspace.store.location import FILE as FILE
from workspace.store.versions import Versions


class Participant(Protocol):
    """What is remembered beside the database and saved with each transaction, or forgotten with it."""

    def mark(self) -> tuple[int, int]:
        """What is unsaved now, to go back to when a transaction is rolled back."""
        ...

    def back_to(self, mark: tuple[int, int]) -> None:
        """Forget what a rolled back transaction had learnt."""
        ...

    def save(self) -> None:
        """Write what was learnt, in the open transaction."""
        ...

    def saved(self) -> None:
        """The transaction that took it along is durable."""
        ...


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """The folder of a branch. ``power_failed``: the power failed since its files were last looked at."""

    root: str
    inode: int | None
    power_failed: bool


class Recording(TypedDict, total=False):
    """What an entry has beside its act and its versions; see Store.record."""

    phase: int
    operation: int | None
    outcome: Outcome | None
    usage: Usage | None
    payload: bytes | None


class Store:
    """Journal, versions and contents of one workspace over one connection.

    Nothing here touches the working directory. A store that was opened read-only
    never writes; many such readers and one writer may be open at once.
    """

    def __init__(self, connection: Connection, *, read_only: bool = False) -> None:
        self.db = connection
        self.read_only = read_only
        self.contents = Contents(connection)
        self.journal = Journal(connection, writing=not read_only)
        self.versions = Versions(connection, self.contents, writing=not read_only)
        self.participants: list[Participant] = []
        """Knowledge of working copies that each transaction takes along."""
        self.folder: Path | None = None
        """Where the database lies, if it lies in a file."""
        self._depth = 0

    @classmethod
    def open(cls, folder: Path, *, read_only: bool = False) -> Store:
        """Open the store in ``folder``, creating or migrating it unless it is read only."""
        if not read_only:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            schema.check_owner(folder / FILE)
        connection = connect(folder / FILE, read_only=read_only)
        try:
            if not read_only:
                schema.migrate(connection)
                (folder / FILE).chmod(0o600)
            else:
                schema.check_ours(connection)
                (have,) = connection.execute("PRAGMA user_version").fetchone()
                if have != len(schema.MIGRATIONS):
                    kind = Outdated if 0 < have < len(schema.MIGRATIONS) else WorkspaceError
                    raise kind(
                        "This history has another schema than this program; any writing command of the"
                        " newer program, such as `wukong scan`, brings it up to date."
                    )
        except BaseException:
            connection.close()
            raise
        made = cls(connection, read_only=read_only)
        made.folder = folder
        return made

    def working_copies(self) -> dict[int, CheckedOut]:
        """The folders in which branches are checked out, by branch number."""
        rows = self.db.execute("SELECT branch, root, inode, power_failed FROM working_copy ORDER BY branch")
        return {branch: CheckedOut(os.fsdecode(root), inode, bool(power)) for branch, root, inode, power in rows}

    def set_working_copy(self, branch: int, root: Path, inode: int | None) -> None:
        """Remember the folder of a branch."""
        with self.transaction():
            self.db.execute(
                "INSERT INTO working_copy (branch, root, inode) VALUES (?,?,?)"
                " ON CONFLICT (branch) DO UPDATE SET root = excluded.root, inode = excluded.inode",
                (branch, os.fsencode(root), inode),
            )

    def close(self) -> None:
        """Fold the write-ahead log into the database and close it."""
        try:
            if not self.read_only:
                self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except Failed:
            pass  # all of it is safe in the log, and the next opening folds it
        finally:
            self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable when the outermost block ends; inner blocks are savepoints.

        Raises Failed where the database cannot be written, ReadOnly.
        """
        if self.read_only:
            raise ReadOnly("This workspace is open for reading only.")
        outer = self._depth == 0
        if not outer and not self.db.in_transaction:  # a savepoint would be a transaction of its own now
            raise Failed("Nothing was saved: a failure before this act has ended the transaction.")
        name = f"s{self._depth}"
        self.db.execute("BEGIN IMMEDIATE" if outer else f"SAVEPOINT {name}")
        marks = [(participant, participant.mark()) for participant in self.participants]
        self._depth += 1
        try:
            yield
            if outer:
                for participant, _ in marks:
                    participant.save()
            self.db.execute("COMMIT" if outer else f"RELEASE {name}")
        except BaseException as error:
            self._roll_back(outer, name)
            for participant, mark in marks:
                participant.back_to(mark)
            if outer and isinstance(error, Failed):
                raise Failed(f"Nothing was saved. {error}") from error
            raise
        finally:
            self._depth -= 1
        if outer:
            for participant, _ in marks:
                participant.saved()

    @property
    def in_transaction(self) -> bool:
        return self._depth > 0

    def record(
        self,
        act: Act,
        edits: Sequence[Edit] = (),
        *,
        branch: int,
        phase: int = INSTANT,
        operation: int | None = None,
        outcome: Outcome | None = None,
        usage: Usage | None = None,
        payload: bytes | None = None,
    ) -> tuple[int, list[Version]]:
        """Write one entry and the versions it makes; ``(entry, versions)``."""
        if act.operation is not None and phase == INSTANT:
            phase, operation = PART, act.operation
        with self.transaction():
            rows = self.versions.rows_for(edits)
            payload_id = self.contents.put(payload) if payload is not None else None
            entry = self.journal.append(
                act,
                branch=branch,
                phase=phase,
                operation=operation,
                outcome=outcome,
                usage=usage,
                payload=payload_id,
                payload_digest=self.contents.digest_of(payload_id) if payload_id else None,
                versions=sorted((row for _, row in rows), key=lambda row: (row[0], row[1])),
            )
            return entry, self.versions.insert(entry, branch, rows)

    def _roll_back(self, outer: bool, name: str) -> None:
        steps = ("ROLLBACK",) if outer else (f"ROLLBACK TO {name}", f"RELEASE {name}")
        try:
            for step in steps:
                if self.db.in_transaction:
                    self.db.execute(step)
        except Failed:
            with suppress(Failed):  # half an act must not stay with those around it: all of it goes
                self.db.execute("ROLLBACK")
        self.contents.clear_cache()
        self.journal.forget_caches()
        self.versions.forget_caches()
