"""Materialising: bring files on disk to the heads of their documents, losing nobody's bytes.

Every step first puts the new file beside its target and exchanges the two, then looks at
what was displaced. If that is not what we last put there, it is recorded as an outside
edit and merged; where it cannot be merged, the outside edit stands and ours stays in the
history. A document is marked pending from the commit of a version until its file is known
to be on the disk, so that opening can finish what a crash cut short.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Unpack

from workspace.entries import CaptureEntry
from workspace.errors import Conflicted as Conflicted
from workspace.errors import WorkspaceError
from workspace.kinds import Kind
from workspace.records import Act, Conflict, Edit, State, Version
from workspace.store.contents import digest
from workspace.store.merge import combine
from workspace.store.store import Recording, Store
from workspace.working_copy import transfer
from workspace.working_copy.files import OLD, TEMPORARY, Blocked, Files, Found, Stamp, folders
from workspace.working_copy.snapshot import same_content
from workspace.working_copy.stat_table import Placed, StatTable

OUTSIDE = Act(kind=Kind.OUTSIDE, name="outside edit", actor="outside")
WATCHED = replace(OUTSIDE, detail=CaptureEntry(watched=True).detail())
"""What was seen while nothing of ours looked for it: the next scan by a person may claim it."""
MERGE = Act(kind=Kind.MERGE, name="merge with an outside edit", actor="wukong")


@dataclass(frozen=True, slots=True)
class Source:
    """A file of an upper folder that is a document's version ``number``; ``copy``: it has to stay there."""

    number: int
    files: Files
    path: str
    copy: bool


class Checkout:
    """Brings the directory of one branch to its heads."""

    def __init__(
        self, store: Store, disk: StatTable, files: Files, branch: int, step: Callable[[str], None] = lambda _: None
    ) -> None:
        self._store = store
        self._disk = disk
        self._files = files
        self._branch = branch
        self._step = step
        """Called with the name of each point between two system calls; tests crash there."""
        self._vacated: list[str] = []
        self.sources: dict[int, Source] = {}
        """By document, the file of an overlay that is its newest version already."""
        self._taken: dict[int, Source] = {}
        """Of these what has been put in place, so that its name above is free for what it displaced."""

    def forget_sources(self) -> None:
        """Overlays are done with."""
        self.sources.clear()
        self._taken.clear()

    def bring(self, documents: Sequence[int]) -> list[Conflict]:
        """Make the files of these documents equal their heads; conflicts and obstacles as data."""
        conflicts = self._each(self._vacate, documents)  # first all removals: names may be swapped
        self._prune(documents)
        return conflicts + self._each(self._occupy, documents)

    def adopt(self, documents: Sequence[int]) -> list[Conflict]:
        """Take files that already stand where heads belong for placed, and write none.

        Those that nobody placed and that differ are kept as newest versions, by one
        operation; the conflicts say which.
        """
        return self._adopt_all({document: self._head(document) for document in documents}, self._is_free)

    def adopt_folder(self) -> list[Conflict]:
        """Take the whole folder as it stands, and write nothing: another program keeps its files.

        What differs from a head, or is not there, is the newest version; the conflicts say which.
        """
        heads = self._store.versions.tree(self._branch, self._store.journal.last())
        with self._store.transaction():
            for path, placed in self._disk.all().items():
                head = heads.get(placed.document)
                if head is None or not head.exists or head.path != path:
                    self._disk.remove(path)
                elif head.number == placed.number:
                    del heads[placed.document]
            return self._adopt_all(heads, lambda path: True)

    def _adopt_all(self, heads: Mapping[int, Version], is_theirs: Callable[[str], bool]) -> list[Conflict]:
        theirs: list[tuple[Edit, Stamp | None, int]] = []
        conflicts: list[Conflict] = []
        with self._store.transaction():
            for document, head in heads.items():
                if head.state is None:
                    continue
                checked = time.time_ns()
                try:
                    found = self._files.read(head.path)
                except (OSError, Blocked):
                    continue  # what is in the way there is seen when the file is brought
                row = Placed(head.path, document, head.number, found.stamp if found else None, checked)
                if found is not None and same_content(self._store, row, found):
                    self._disk.put(row)
                elif is_theirs(head.path):
                    state = self._found_state(row, found)
                    theirs.append((Edit(document, head.path, state, head.number), row.stamp, checked))
                    if state is None or state.content != head.content:
                        conflicts.append(
                            Conflict(head.path, "what stands there was kept as the newest version", document)
                        )
            made = self.record_outside([edit for edit, _, _ in theirs])[0] if theirs else []
            for version, (_, stamp, checked) in zip(made, theirs, strict=True):
                if version.exists:
                    self._disk.put(Placed(version.path, version.document, version.number, stamp, checked))
                else:
                    self._disk.remove(version.path)
        return conflicts

    def _is_free(self, path: str) -> bool:
        """Whether something stands at the path that nobody placed."""
        return self._disk.get(path) is None and self._files.status(path) is not None

    def record_outside(
        self, edits: Sequence[Edit], act: Act = OUTSIDE, **how: Unpack[Recording]
    ) -> tuple[list[Version], list[Conflict]]:
        """Record edits that others made, then merge them with heads they did not know.

        One transaction; ``how`` goes to Store.record. Where a merge is impossible the outside edit becomes the head
        and the version that it replaces stays in the history, unless the path is another document's by now.
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
                conflicts += combined.conflicts
                if combined.conflicts and (version.state is None or self._holder(version.path) == version.document):
                    continue
                state = head.state if combined.conflicts else combined.state
                path = state.path if state else version.path
                merge = Edit(version.document, path, state, head.number, version.number)
                self._store.record(MERGE, [merge], branch=self._branch)
                self._disk.pend(version.document)
        return made, conflicts

    # -- one document

    def _head(self, document: int) -> Version:
        head = self._store.versions.at(document, self._branch, self._store.journal.last())
        if head is None:
            raise WorkspaceError(f"Document {document} has no version on this branch.")
        return head

    def _holder(self, path: str) -> int | None:
        """The existing document whose head is at the path, the newest one where there are two for a moment."""
        head = self._store.versions.find(path, self._branch, self._store.journal.last())
        return head.document if head else None

    def _each(self, act: Callable[[int], Sequence[Conflict]], documents: Sequence[int]) -> list[Conflict]:
        conflicts: list[Conflict] = []
        for document in documents:
            try:
                with self._files.staying():
                    conflicts += act(document)
            except (OSError, WorkspaceError) as error:
                with suppress(OSError, WorkspaceError):
                    self._rescue(document)
                head = self._head(document)
                reason = f"cannot be written: {error.strerror}" if isinstance(error, OSError) else str(error)
                conflicts.append(Conflict(head.path, reason, document))
        return conflicts

    def _vacate(self, document: int) -> list[Conflict]:
        """Remove the document's file from paths where its head no longer is."""
        conflicts: list[Conflict] = []
        for placed in self._disk.of_document(document):
            try:
                conflicts += self._leave(document, placed)
            except Blocked as error:
                if self._files.is_document(placed.path):
                    conflicts.append(Conflict(placed.path, str(error), document))
                else:
                    self._disk.remove(placed.path)  # a folder or a pipe took the place of our file: it is gone
        return conflicts

    def _leave(self, document: int, placed: Placed) -> list[Conflict]:
        conflicts: list[Conflict] = []
        temporary = self._temporary(document)
        while (head := self._head(document)).state is None or head.path != placed.path:
            try:
                found = self._take_away(document, placed.path)
            except FileNotFoundError:
                self._disk.remove(placed.path)
                break
            if found is None or same_content(self._store, placed, found):
                self._files.drop_temporary(placed.path, temporary)
                self._vacated.append(placed.path)
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

    def _take_away(self, document: int, path: str) -> Found | None:
        """Move what stands at the path aside and look at it; a folder or a pipe goes back, as Blocked."""
        temporary = self._temporary(document)
        try:
            self._files.displace(path, temporary)
        except FileExistsError:
            self._rescue(document)
            self._files.displace(path, temporary)
        self._step("displaced")
        try:
            return self._files.read_temporary(path, temporary)
        except Blocked:
            self._put_back(path, temporary)
            raise

    def _put_back(self, path: str, temporary: bytes) -> None:
        """Return what was displaced to its place; what stands there now takes the temporary name."""
        try:
            self._files.settle(path, temporary)
        except FileExistsError:
            self._files.exchange(path, temporary)

    def _prune(self, documents: Sequence[int]) -> None:
        """Remove folders that are empty now, but for those that the documents' files will need."""
        paths, self._vacated = [path for path in self._vacated if "/" in path], []
        if paths:
            heads = [head for document in documents if (head := self._head(document)).exists]
            needed = {folder for head in heads for folder in folders(head.path)}
            for path in paths:
                self._files.prune(path, needed)

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
            self._stage(document, state)
            self._step("staged")
            if placed is None:
                try:
                    self._files.settle(state.path, temporary)
                except FileNotFoundError:
                    continue  # its folder went, and the file with it: once more
                except FileExistsError:
                    self._files.drop_temporary(state.path, temporary)
                    if not self._files.clear_folders(state.path):
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

    def _stage(self, document: int, state: State) -> None:
        if (source := self.sources.pop(document, None)) is not None and source.number == self._head(document).number:
            with suppress(OSError):  # else it is written from the history
                self._take_over(document, state, source)
                return
        content = self._store.contents.get(state.content)
        try:
            self._files.stage(state.path, self._temporary(document), state.mode, content)
        except FileExistsError:  # an attempt that failed left something there
            self._rescue(document)
            self._files.stage(state.path, self._temporary(document), state.mode, content)

    def _take_over(self, document: int, state: State, source: Source) -> None:
        """Give an execution's own file the temporary name: it keeps its times, and no byte is written."""
        temporary = self._temporary(document)
        transfer.move(source.files, source.path, self._files, state.path, temporary, copy=source.copy)
        self._taken[document] = source
        with self._files.folder_of(state.path) as (parent, _):
            transfer.clear_set_id(parent, temporary)

    def _displaced(self, document: int, placed: Placed, path: str) -> list[Conflict]:
        """Look at what an exchange displaced; an edit that we did not know is recorded first."""
        temporary = self._temporary(document)
        conflicts: list[Conflict] = []
        try:
            found = self._files.read_temporary(path, temporary)
            while found is not None and not same_content(self._store, placed, found):
                version, more = self._outside(document, placed, found)
                conflicts += more
                self._step("recorded")
                placed = Placed(path, document, version.number, None, 0)
                found = self._files.read_temporary(path, temporary)  # whoever has it open may still write
        except WorkspaceError:
            # A folder or a pipe took the place meanwhile, or the history cannot take an edit now.
            self._put_back(path, temporary)
            self._disk.put(placed)
            raise
        self._let_go(document, path)
        self._step("dropped")
        return conflicts

    def _let_go(self, document: int, path: str) -> None:
        """Drop a displaced file that a version holds: a name is cheaper to move than a file to remove.

        It gets a name that nobody takes for a change of the execution.
        """
        temporary = self._temporary(document)
        if (source := self._taken.pop(document, None)) is not None and not source.copy:
            with suppress(OSError, Blocked):
                aside = transfer.beside(source.path, temporary)
                transfer.move(self._files, transfer.beside(path, temporary), source.files, aside)
                return
        self._files.drop_temporary(path, self._temporary(document))

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
        checked = time.time_ns()
        found = self._files.status(state.path)
        stamp = Stamp.of(found) if found else None
        self._disk.put(Placed(state.path, head.document, head.number, stamp, checked))

    def _temporary(self, document: int) -> bytes:
        return TEMPORARY + b"%s-%d-%d" % (self._mark, self._branch, document)

    @cached_property
    def _mark(self) -> bytes:
        """What tells the temporary files of this history from those of another one below the same folder."""
        return self._store.journal.entry(1).chain[:4].hex().encode()

    def _rescue(self, document: int) -> None:
        """Keep what somebody else has under the temporary name, and drop what is only ours."""
        rows = {placed.path: placed for placed in self._disk.of_document(document)}
        head = self._head(document)
        for path in dict.fromkeys([*rows, head.path, *self._earlier_paths(document)]):
            self._files.finish_exchange(path, self._temporary(document))
            for temporary in (self._temporary(document), self._temporary(document) + OLD):
                try:
                    found = self._files.read_temporary(path, temporary)
                except Blocked:  # a folder or a pipe was displaced
                    self._put_back(path, temporary)
                    self._files.drop_empty(path, temporary)  # another one has come there meanwhile
                    found = self._files.read_temporary(path, temporary)
                row = rows.get(path)
                if found is not None and not self._is_ours(document, path, found, row.number if row else 1):
                    try:
                        self._files.settle(path, temporary)  # it was being removed
                        self._step("returned")
                    except FileExistsError:
                        self._outside(document, row or Placed(path, document, head.number, None, 0), found)
                        self._step("recorded")
                self._files.drop_temporary(path, temporary)

    def _earlier_paths(self, document: int) -> list[str]:
        """Beside which other paths a temporary file of the document may lie."""
        return []

    def _is_ours(self, document: int, path: str, found: Found, since: int) -> bool:
        """Whether a file beside the path holds what a version of the document, from ``since`` on, holds."""
        return self._version_like(document, found, since) is not None

    def _version_like(self, document: int, found: Found, since: int = 1) -> int | None:
        content = self._store.contents.find(digest(found.data))
        if content is None:
            return None
        return self._store.versions.holding(document, found.mode, content, since)
