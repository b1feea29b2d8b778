"""Laying in: the changes that an execution made on an overlay become versions, and their files go into the folder.

Nothing is written over what a person did meanwhile. A file below that was not changed since the mount is what the
execution saw, so its present bytes are the base of the change; else the base is what was recorded at the mount, and
both changes are merged. What cannot be merged stays the person's, and the execution's text is a version beside it.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from workspace.entries import EvictEntry
from workspace.errors import Conflicted, WorkspaceError
from workspace.kinds import Kind
from workspace.operations.history import History
from workspace.operations.workspace import Workspace
from workspace.records import Act, Conflict, Edit, State, Version
from workspace.store.contents import digest
from workspace.store.merge import combine
from workspace.working_copy import changeset, coverage, snapshot, transfer
from workspace.working_copy.changeset import Change, ChangeSet, Taken, Upper
from workspace.working_copy.checkout import Source
from workspace.working_copy.files import Blocked, Files, Found, Stamp
from workspace.working_copy.outside import DONE, REFUSED, UNKEPT, Outside, OutsideFiles, noted
from workspace.working_copy.working_copy import WorkingCopy

STAYS = Act(kind=Kind.MERGE, name="what was on disk stays", actor="wukong")
SLICE = 16
"""Documents that are recorded in one transaction, at most, but for a group."""
SLICE_BYTES = 2 << 20
"""Bytes of theirs, at most."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A change and what was read of it; ``renamed`` is the path that the document had before."""

    change: Change
    found: Found | None
    renamed: str | None = None


@dataclass(slots=True)
class Laid:
    """What a change set became.

    ``beside`` are versions that lost a conflict; ``outside`` is what no version holds, of which ``stuck`` did not go
    in; ``caches`` are named only; ``refused`` are paths that never go in, such as git's settings.
    """

    versions: list[Version] = field(default_factory=list)
    beside: list[Version] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    outside: list[Outside] = field(default_factory=list)
    caches: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class LayingIn:
    """One change set on its way into the folder, in steps that each hold the writer shortly or not at all.

    In this order: ``read`` (a history, any thread); for each part of ``parts``: ``load`` (a history), then ``record``
    (the writer); then ``intend`` (the writer), ``put`` (any thread) and ``finish`` (the writer). Until ``finish`` is
    durable the upper folder has to stay: opening goes on from what it holds.
    """

    def __init__(self, upper: Upper, act: Act, *, taken: Taken | None = None) -> None:
        """``act.operation`` is the operation whose work it is; ``taken`` what is known of a live upper folder."""
        self.upper = upper
        self.act = act
        self.laid = Laid()
        self.set = ChangeSet(upper)
        self._taken = taken
        self._stamps = dict(taken.stamps) if taken is not None else None
        """With those of what is read now: they count as taken once all of it went in."""
        self._files = Files(upper.folder)
        self._copy = upper.live or not upper.same_filesystem
        self._renamed: dict[str, str] = {}
        self._documents: list[Change] = []

    def close(self) -> None:
        """Let go of the upper folder."""
        self._files.close()

    def read(self, history: History) -> ChangeSet:
        """Read what was changed."""
        self.set = changeset.read(
            history.root,
            self.upper,
            known=lambda path: history.find(path) is not None,
            known_below=lambda path: history.store.versions.any_below(path, history.branch.id, history.cursor),
            largest=coverage.largest(history.store),
            caches=coverage.caches(history.store),
            seen=self._stamps,
        )
        wanted = [change for change in self.set.of("document") if change.kind != "touched"]
        self._documents, self._renamed = _with_renames(history, self._files, wanted)
        self.laid.caches = [change.path for change in self.set.of("cache")]
        self.laid.refused = [change.path for change in self.set.of("refused")]
        return self.set

    def parts(self) -> list[list[Change]]:
        """The documents in parts, each group whole."""
        out: list[list[Change]] = []
        for part in changeset.slices(self._documents, SLICE):
            now: list[Change] = []
            size, group = 0, ""
            for change in part:
                if size > SLICE_BYTES and (not change.group or change.group != group):
                    out.append(now)
                    now, size = [], 0
                now.append(change)
                group = change.group
                size += change.upper.size if change.upper is not None else 0
            out.append(now)
        return [part for part in out if part]

    def load(self, part: Sequence[Change]) -> list[Reading]:
        """The bytes of a part."""
        readings = []
        for change in part:
            found = None
            with suppress(OSError, Blocked):
                found = self._files.read(change.path) if change.kind != "deleted" else None
            readings.append(Reading(change, found, self._renamed.get(change.path)))
        return readings

    def record(self, work: Workspace, part: Sequence[Reading]) -> None:
        """Record a part under the operation and put its files in place. Raises Failed."""
        laid, checkout = self.laid, _copy_of(work).checkout
        try:
            with work.batch():
                plan = _Plan(work, self.upper, self._taken)
                edits = plan.edits(part)
                laid.conflicts += plan.conflicts
                if edits:
                    versions = work.commit(self.act, [edit for edit, _ in edits])
                    for version, (_, path) in zip(versions, edits, strict=True):
                        if path is not None and version.exists:
                            source = Source(version.number, self._files, path, self._copy)
                            checkout.sources[version.document] = source
                    laid.versions += versions
                    self._note(versions, edits)
                self._note_same(plan.settled)
                for edit, head in plan.beside:
                    laid.beside += self._record_beside(work, edit, head)
        except Conflicted as error:  # somebody wrote just now: theirs is kept
            laid.conflicts += error.conflicts
        finally:
            checkout.forget_sources()

    def _note(self, versions: Sequence[Version], edits: Sequence[Planned]) -> None:
        """What is seen inside of a live overlay is, for these paths, what was just recorded."""
        if self._taken is not None:
            for version, (_, path) in zip(versions, edits, strict=True):
                if path is not None:
                    self._taken.entries[path] = version.entry

    def _note_same(self, paths: Sequence[str]) -> None:
        """What a live overlay holds at these paths has gone in, so what comes there later is to be seen inside."""
        if self._taken is not None and (stamps := self._stamps) is not None:
            self._taken.same.update((path, stamps[path]) for path in paths if path in stamps)

    def intend(self, work: Workspace) -> list[Outside]:
        """Record what is changed outside of the history, before any of it moves."""
        assert self.act.operation is not None
        source = os.fspath(self.upper.folder.relative_to(work.repository.folder))
        with work.store.transaction():
            going = self._going(work)
            rows = _copy_of(work).outside.intend(self.act.operation, going, source, copied=self._copy)
            if rows or self.laid.refused or self.laid.caches:
                told = noted(rows, self.laid.caches, self.laid.refused)
                work.record(replace(self.act, detail=told.detail()))
        return rows

    def put(self, work_root: Path, outside: OutsideFiles, rows: Sequence[Outside]) -> list[Outside]:
        """Put in place what no version holds, and folders and times; the writer is not needed."""
        root = Files(work_root)
        try:
            for path, mode in self.set.folders:
                with suppress(OSError, Blocked):
                    root.make_folder(path, mode & 0o777)
            done = outside.put(rows)
            for change in self.set.changes:
                if change.kind == "touched" and change.lower is not None and change.upper is not None:
                    with suppress(OSError, Blocked):
                        transfer.set_times(root, change.path, change.lower, change.upper.mtime)
            for path in sorted(self.set.removed, key=len, reverse=True):
                with suppress(OSError, Blocked):
                    root.remove_folder(path)
            if self._copy or any(row.state == DONE and row.reason not in UNKEPT for row in done):
                root.sync()  # no version holds it: this is its only copy
            return done
        finally:
            root.close()

    def finish(self, work: Workspace, done: Sequence[Outside]) -> Laid:
        """Remember what became of it, and let go of what does not fit the budget of kept files."""
        outside = _copy_of(work).outside
        with work.store.transaction():
            outside.save(done)
            work.record_coverage(done, self.act)
            gone = outside.evict(coverage.budget(work.store))
            if gone:
                detail = EvictEntry(tuple((row.operation, row.path, row.size) for row in gone[:200])).detail()
                work.record(Act(kind=Kind.EVICT, name=f"{len(gone):,} kept files", actor="wukong", detail=detail))
        outside.drop(gone)
        if self._taken is not None and self._stamps is not None:
            self._taken.stamps.update(self._stamps)
        self.laid.outside = list(done)
        self.laid.conflicts += [
            Conflict(row.path, "somebody else changed it meanwhile; it was left as it is")
            for row in done
            if row.state == REFUSED
        ]
        return self.laid

    def _going(self, work: Workspace) -> list[Change]:
        """What goes in outside of the history: not what changed below since the mount, and of git all or nothing."""
        changes = [change for change in self.set.of("outside", "cache", "git") if change.kind != "touched"]
        stuck = {change.path for change in changes if not self._is_free(work, change)}
        groups = {change.group for change in changes if change.group and change.path in stuck}
        out = []
        for change in changes:
            if change.path in stuck or change.group in groups:
                self.laid.conflicts.append(Conflict(change.path, "somebody else changed it meanwhile"))
            else:
                out.append(change)
        return out

    def _record_beside(self, work: Workspace, edit: Edit, stays: Version) -> list[Version]:
        """Record a version that lost a conflict, and after it the one that stays."""
        branch = work.branch.id
        _, beside = work.repository.record(self.act, [edit], branch=branch)
        again = Edit(stays.document, stays.path, stays.state, stays.number)
        act = replace(STAYS, session=self.act.session, parent=self.act.operation)
        work.repository.record(act, [again], branch=branch)
        return beside

    def _is_free(self, work: Workspace, change: Change) -> bool:
        status = _copy_of(work).files.status(change.path)
        if change.lower is None:
            return status is None
        if status is None:
            return False
        return Stamp.of(status) == change.lower and status.st_ctime_ns < self.upper.mounted


def _with_renames(history: History, upper: Files, documents: Sequence[Change]) -> tuple[list[Change], dict[str, str]]:
    """Group what vanished with what came with the same content, both uniquely; also the old path by the new one."""
    gone: dict[bytes, list[Change]] = defaultdict(list)
    for change in documents:
        if change.kind == "deleted" and (head := history.find(change.path)) is not None and head.content is not None:
            gone[history.store.contents.digest_of(head.content)].append(change)
    if not gone:
        return list(documents), {}
    sizes = {change.lower.size for pair in gone.values() for change in pair if change.lower is not None}
    came: dict[bytes, list[Change]] = defaultdict(list)
    for change in documents:
        if change.kind == "created" and change.upper is not None and change.upper.size in sizes:
            with suppress(OSError, Blocked):
                if (found := upper.read(change.path)) is not None:
                    came[digest(found.data)].append(change)
    renamed = {
        came[name][0].path: olds[0].path
        for name, olds in gone.items()
        if len(olds) == 1 and len(came.get(name, ())) == 1
    }
    groups = {path: new for new, old in renamed.items() for path in (new, old)}
    grouped = [
        replace(change, group=change.group or f"rename {groups[change.path]}") if change.path in groups else change
        for change in documents
    ]
    return grouped, renamed


def _copy_of(work: Workspace) -> WorkingCopy:
    if work.copy is None:
        raise WorkspaceError(f"Branch {work.branch.name} has no folder here.")
    return work.copy


def lay_in(work: Workspace, upper: Upper, act: Act) -> Laid:
    """Lay a change set in at once, for who has the writer; the upper folder is the caller's to remove after it."""
    laying = LayingIn(upper, act)
    try:
        laying.read(work)
        for part in laying.parts():
            laying.record(work, laying.load(part))
        rows = laying.intend(work)
        return laying.finish(work, laying.put(work.root, _copy_of(work).outside, rows))
    finally:
        laying.close()


Planned = tuple[Edit, str | None]
"""An edit, and the path in the upper folder of what is put in place for it as it is."""


class _Plan:
    """Turns changes into edits, within the transaction that records them."""

    def __init__(self, work: Workspace, upper: Upper, taken: Taken | None = None) -> None:
        self._work = work
        self._copy = _copy_of(work)
        self._upper = upper
        self._entries = taken.entries if taken is not None else {}
        self._taken: set[int] = set()
        self.conflicts: list[Conflict] = []
        self.beside: list[tuple[Edit, Version]] = []
        """What lost a conflict, and the version that stays."""
        self.settled: list[str] = []
        """The paths whose changes went in, or were there already."""

    def edits(self, part: Sequence[Reading]) -> list[Planned]:
        """The edits of a part; a group with a conflict has none."""
        groups: dict[str, list[Reading]] = {}
        for number, reading in enumerate(part):
            groups.setdefault(reading.change.group or f"\0{number}", []).append(reading)
        return [edit for group in groups.values() for edit in self._group(group)]

    def _group(self, group: Sequence[Reading]) -> list[Planned]:
        before = len(self.beside)
        edits: list[Planned] = []
        conflicts: list[Conflict] = []
        gone = {reading.renamed for reading in group}
        for reading in group:
            if reading.change.path in gone:
                continue  # it is the same document, which has moved
            try:
                edit = self._edit(reading)
            except (Blocked, OSError) as error:
                edit = Conflict(reading.change.path, str(error).rstrip("."))
            if isinstance(edit, Conflict):
                conflicts.append(edit)
            elif edit is not None:
                edits.append(edit)
        self.conflicts += conflicts
        if not conflicts:
            self.settled += [reading.change.path for reading in group]
        if not conflicts or len(group) == 1:
            return edits
        del self.beside[before:]
        told = {conflict.path for conflict in conflicts}
        rest = [reading.change.path for reading in group if reading.change.path not in told]
        self.conflicts += [Conflict(path, "it belongs together with what could not go in") for path in rest]
        return []

    def _edit(self, reading: Reading) -> Planned | Conflict | None:
        change, found, work = reading.change, reading.found, self._work
        if change.kind != "deleted" and found is None:
            return Conflict(change.path, "it was gone before it could be read")
        if reading.renamed is not None and found is not None:
            return self._renamed(reading, reading.renamed, found)
        if change.kind == "created":
            return self._created(reading, found, there=self._is_there(change))
        status = self._copy.files.status(change.path)
        untouched = status is not None and status.st_ctime_ns < self._upper.mounted
        self._copy.notice(change.path)
        head = work.find(change.path)
        if head is None:
            if change.kind == "deleted":
                return None  # both removed it
            return Conflict(change.path, "it was deleted meanwhile, and edited on the other side")
        known = self._entries.get(change.path, self._upper.entry)
        base = head if untouched else work.head(head.document, cursor=known)
        if base is None or not base.exists:
            base = None
        theirs = self._state(change.path, found, head) if found is not None else None
        if base is None:
            return self._lost(head, theirs, None, "it appeared meanwhile too")
        combined = combine(work.store.contents, base.state, head.state, theirs, head.document)
        if combined.conflicts:
            return self._lost(head, theirs, base.number, combined.conflicts[0].reason, combined.conflicts[0].line)
        if combined.state == head.state:
            return None
        edit = Edit(
            head.document, combined.state.path if combined.state else change.path, combined.state, head.number
        )
        return edit, change.path if combined.state == theirs else None

    def _is_there(self, change: Change) -> bool:
        """Whether something stands at the path that does not make way for it."""
        try:
            status = self._copy.files.status(change.path)
        except Blocked:
            if not change.group:
                raise
            return False
        return status is not None and not (change.group and stat.S_ISDIR(status.st_mode))

    def _created(self, reading: Reading, found: Found | None, *, there: bool) -> Planned | Conflict | None:
        path, work = reading.change.path, self._work
        assert found is not None
        if there:
            self._copy.notice(path)
        head = work.find(path)
        if head is not None:
            theirs = self._state(path, found, head)
            if head.state == theirs:
                return None
            return self._lost(head, theirs, None, "it was created meanwhile too")
        if there:
            return Conflict(path, "something else is there")
        document, parent = snapshot.continued(work.store, path, work.branch.id)
        if document in self._taken:
            document, parent = None, None
        elif document is not None:
            self._taken.add(document)
        before = work.store.versions.get(document, parent) if document is not None and parent is not None else None
        return Edit(document, path, self._state(path, found, before), parent), path

    def _renamed(self, reading: Reading, old: str, found: Found) -> Planned | Conflict | None:
        work, path = self._work, reading.change.path
        if self._copy.files.status(path) is not None:
            return Conflict(path, "it was created meanwhile too")
        self._copy.notice(old)
        head = work.find(old)
        if head is None:
            return self._created(replace(reading, renamed=None), found, there=False)
        state = head.state
        assert state is not None
        if not work.store.contents.holds(state.content, found.data):
            return Conflict(path, f"{old} was edited meanwhile, and moved here on the other side", head.document)
        self._taken.add(head.document)
        return Edit(head.document, path, State(path, found.mode, state.content), head.number), path

    def _state(self, path: str, found: Found, before: Version | None) -> State:
        """What was read, as a document's state; its bytes are stored."""
        return State(path, found.mode, self._work.store.contents.put(found.data, before.content if before else None))

    def _lost(
        self, head: Version, theirs: State | None, base: int | None, reason: str, line: int | None = None
    ) -> Conflict:
        if theirs is not None:
            self.beside.append((Edit(head.document, head.path, theirs, base), head))
        return Conflict(head.path, reason, head.document, line)
