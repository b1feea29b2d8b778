"""Recovery: finish what the last writer was placing when it died, mistaking nothing for somebody's edit.

After the death of a process the directory holds all that was done; only what we knew of it
may be one act behind. After a power failure files that were never synced may be missing,
be back, hold an older version of ours, or remains of one: cut short, or with zeros.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Unpack

from workspace.entries import ConflictEntry
from workspace.kinds import Kind, Outcome
from workspace.records import Act, Conflict, Edit, State, Version
from workspace.store.store import Recording
from workspace.working_copy.checkout import OUTSIDE, Checkout
from workspace.working_copy.files import OLD, PART, Blocked, Found
from workspace.working_copy.snapshot import same_content
from workspace.working_copy.stat_table import Placed

CONFLICT = Act(kind=Kind.CONFLICT, name="found on opening", actor="wukong")
"""Stands for what nobody was there to be told; its detail lists the conflicts."""
SECTOR = 512
"""Bytes that a disk writes as a whole."""


class Recovery(Checkout):
    """Checkout that can go on where another process stopped."""

    _power_failed = False
    _told: list[Conflict] | None = None
    """While recovering: what stood in conflict, each recorded with the edit that it is about."""

    def recover(self, *, power_failed: bool = False) -> list[Conflict]:
        """Finish what was pending when the last writer stopped, first recording the edits of others.

        After a power failure what may be remains of our own writing is not taken for an edit.
        The edits that could not be merged are returned, and recorded as an entry of kind
        ``conflict``: the act that they are about was acknowledged, or died, long ago.
        """
        self._power_failed = power_failed
        told: list[Conflict] = []
        self._told = told
        documents = self._disk.pending()
        for document in documents:
            with suppress(OSError, Blocked):
                self._rescue(document)
        self._find_astray(documents)
        for act in (self._recognise, self._notice):
            for document in documents:
                with suppress(OSError, Blocked):
                    act(document)
        self.bring(documents)  # what stands in the way of a head stays pending, and is shown as such
        self._power_failed, self._told = False, None
        return told

    def record_outside(
        self, edits: Sequence[Edit], act: Act = OUTSIDE, **how: Unpack[Recording]
    ) -> tuple[list[Version], list[Conflict]]:
        with self._store.transaction():
            made, conflicts = super().record_outside(edits, act, **how)
            self._tell(conflicts)
        return made, conflicts

    def _adopt(self, head: Version, state: State) -> list[Conflict]:
        with self._store.transaction():
            conflicts = super()._adopt(head, state)
            self._tell(conflicts)
        return conflicts

    def _tell(self, conflicts: Sequence[Conflict]) -> None:
        """While recovering: record conflicts with the edit that they are about, in its transaction."""
        if self._told is None or not conflicts:
            return
        rows = tuple((conflict.path, conflict.line, conflict.reason) for conflict in conflicts)
        self._store.record(
            replace(CONFLICT, detail=ConflictEntry(rows).detail()), branch=self._branch, outcome=Outcome.CONFLICT
        )
        self._told += conflicts

    def _recognise(self, document: int) -> None:
        """Remember a head that already stands in its place, whoever's file we believed to be there."""
        head = self._head(document)
        found = self._files.read(head.path) if head.exists else None
        if found is not None:
            row = Placed(head.path, document, head.number, found.stamp, 0)
            if same_content(self._store, row, found):
                self._disk.put(row)

    def _notice(self, document: int) -> None:
        """Record outside edits of a pending document's file before its head is put there."""
        for path, placed in self._places(document).items():
            head = self._head(document)
            found = self._files.read(path)
            if found is None:
                if placed and head.exists and head.path == path and not self._power_failed:
                    self._outside(document, placed, None)
                if placed:
                    self._disk.remove(path)
                continue
            if placed and same_content(self._store, placed, found):
                continue
            since = placed.number if placed and not self._power_failed else 1
            if (number := self._version_like(document, found, since)) is not None:
                self._disk.put(Placed(path, document, number, found.stamp, 0))
            elif self._power_failed and self._was_ours(path, found):
                self._discard(document, path, found)
            elif placed and self._holder(path) in (None, document):
                version, _ = self._outside(document, placed, found)
                self._disk.put(Placed(path, document, version.number, found.stamp, 0))
            elif placed:
                self._disk.remove(path)  # another document belongs there now: it takes this for its newest version

    def _places(self, document: int) -> dict[str, Placed | None]:
        """Where the document's file may be: where it was placed; after a power failure wherever it was."""
        places: dict[str, Placed | None] = {placed.path: placed for placed in self._disk.of_document(document)}
        if self._power_failed:
            for path in self._earlier_paths(document):
                row = self._disk.get(path)
                if (row is None or row.document == document) and self._holder(path) in (None, document):
                    places.setdefault(path, row)
        return places

    def _find_astray(self, documents: Sequence[int]) -> None:
        """Show what lies under a temporary name of ours where somebody moved the folder in which a file was placed.

        Which file it belongs to there nobody knows: what no version holds gets a name that can be
        seen, and is a new document at the next scan, if nothing ignores it.
        """
        names = {self._temporary(document) + suffix: document for document in documents for suffix in (b"", OLD)}
        for name, folder in self._files.lying({*names, *(name + PART for name in names)}):
            temporary = name.removesuffix(PART)
            path = "/".join(filter(None, (folder, self._head(names[temporary]).path.rpartition("/")[2])))
            with suppress(OSError, Blocked):
                if name == temporary and not self._is_known(names[temporary], path, temporary):
                    self._surface(names[temporary], path, temporary)
                self._files.drop_temporary(path, name)

    def _is_known(self, document: int, path: str, temporary: bytes) -> bool:
        """Whether nothing but a version of ours is under the temporary name beside a path."""
        try:
            found = self._files.read_temporary(path, temporary)
        except Blocked:  # a folder, a pipe, or more than is read
            return False
        return found is None or self._is_ours(document, path, found, 1)

    def _surface(self, document: int, path: str, temporary: bytes) -> None:
        """Give somebody's file a name beside ``path``, and tell of it."""
        folder, slash, name = path.rpartition("/")
        for number in count(1):
            shown = f"{folder}{slash}{name[:40]}.displaced" + (f"-{number}" if number > 1 else "")
            try:
                self._files.settle(shown, temporary)
            except FileExistsError:
                continue
            except OSError:
                shown = f"{folder}{slash}{os.fsdecode(temporary)}"
                self._told_of(shown, path, document)
                raise
            self._step("surfaced")
            self._told_of(shown, path, document)
            return

    def _told_of(self, shown: str, path: str, document: int) -> None:
        with self._store.transaction():
            self._tell([Conflict(shown, f"it was displaced while the folder of {path} was moved", document)])

    def _discard(self, document: int, path: str, remains: Found) -> None:
        """Remove remains of our own writing, unless they change under our hands."""
        found = self._take_away(document, path)
        if found is not None and (found.mode, found.data) != (remains.mode, remains.data):
            self._put_back(path, self._temporary(document))
            return
        self._files.drop_temporary(path, self._temporary(document))
        self._vacated.append(path)
        self._disk.remove(path)

    def _earlier_paths(self, document: int) -> list[str]:
        return self._store.versions.paths_of(document) if self._power_failed else []

    def _is_ours(self, document: int, path: str, found: Found, since: int) -> bool:
        if not self._power_failed:
            return super()._is_ours(document, path, found, since)
        return super()._is_ours(document, path, found, 1) or self._was_ours(path, found)

    def _was_ours(self, path: str, found: Found) -> bool:
        """Whether a file is a version that was at the path once, or what a power failure left of one."""
        versions = self._store.versions
        for document in versions.ever_at(path):
            if self._version_like(document, found) is not None:
                return True
            before = None
            while page := versions.history(document, before=before, limit=100):
                for version in page:
                    if version.path == path and version.state and (version.size or 0) >= len(found.data):
                        if torn(found.data, versions.bytes_of(version)):
                            return True
                before = page[-1].number
        return False


def torn(found: bytes, written: bytes) -> bool:
    """Whether ``found`` is what a power failure leaves of ``written``: cut short, or zeros in its place."""
    if len(found) > len(written) or found == written:
        return False
    return all(written.startswith(found[at : at + SECTOR].rstrip(b"\0"), at) for at in range(0, len(found), SECTOR))
