"""Importing git history: each commit along the first parents is an operation, each file it changed a version.

An imported version's parent is the version that the parent commit left behind. Where the
workspace has edits of its own, both sides are merged before a transaction ends. Only the
final heads are put on disk.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from workspace.entries import CaptureEntry, Passed
from workspace.errors import WorkspaceError
from workspace.kinds import Kind
from workspace.operations.git_objects import Commit, File, GitRepository
from workspace.operations.workspace import Workspace
from workspace.records import LINK, REGULAR, Act, Edit, State, Version
from workspace.store.contents import digest
from workspace.store.merge import combine
from workspace.working_copy import coverage
from workspace.working_copy.ignore import is_ours
from workspace.working_copy.walk import Skipped

if TYPE_CHECKING:
    from dulwich.objects import ObjectID

GROUP = 200
"""Commits in one transaction, at most."""
GROUP_BYTES = 32 << 20
"""Bytes of files after which a transaction ends with the commit at hand."""
MERGE = Act(kind=Kind.MERGE, name="merge with the imported history", actor="wukong")

_KIND = f"(SELECT id FROM term WHERE value = '{Kind.IMPORT}')"
_EXECUTABLE = 0o100


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought in: commits, the versions they made, and what was left out and why.

    ``kept``: paths where the workspace's own content stands, because both sides changed the
    same lines or something else was in the way; the imported version is in the history.
    """

    commits: int
    versions: int
    skipped: tuple[Skipped, ...]
    kept: tuple[str, ...]


def import_git(
    work: Workspace,
    repository: Path,
    *,
    ref: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Imported:
    """Import the first-parent history of HEAD, or of ``ref``, oldest first; again: only what is new.

    ``progress`` gets the commits done and their number. An import that stops goes on where
    it stopped. A line that leaves what was imported before, as after ``git commit --amend``,
    goes on from the last commit they share. Raises NotFound for a repository or ref that
    does not exist, WorkspaceError where an imported document has no place in the workspace.
    """
    if work.store.in_transaction:
        raise WorkspaceError("An import cannot be part of a batch: it has transactions of its own.")
    with GitRepository(repository) as source:
        inside = source.folder == work.root  # there git keeps the files, and none is written
        run = _Import(work, source, follow=not inside)
        try:
            commits, versions = run.all(source.resolve(ref), progress)
        except BaseException:
            if not inside:
                work.place()
            raise
        blocked = [conflict.path for conflict in (work.adopt() if inside else work.place())]
    kept = sorted({*run.kept.values(), *blocked})
    return Imported(commits, versions, tuple(run.skipped[path] for path in sorted(run.skipped)), tuple(kept))


@dataclass(slots=True)
class _Tip:
    """Where the imported line of a document stands: state None where it is deleted or only begins."""

    document: int | None
    number: int | None
    state: State | None
    blob: ObjectID | None = None
    base: int | None = None
    """The content that the next one most likely resembles."""


@dataclass(slots=True)
class _Own:
    """The workspace's side of a document: the state both sides began from, ours, and our version."""

    base: State | None
    ours: State | None
    number: int


class _Import:
    """One run: its tips by path, and the documents that have two sides."""

    def __init__(self, work: Workspace, source: GitRepository, *, follow: bool) -> None:
        self.kept: dict[int, str] = {}
        self.skipped: dict[str, Skipped] = {}
        self._work = work
        self._store = work.store
        self._source = source
        self._follow = follow
        """Whether files follow what is imported."""
        self._largest = coverage.largest(work.store)
        lineage = work.store.versions.lineage(work.branch.id, 1 << 62)
        self._on_branch = " OR ".join(["(branch = ? AND entry <= ?)"] * len(lineage))
        self._lineage = [value for line in lineage for value in line]
        self._known = self._refs()
        self._tips: dict[str, _Tip] = {}
        self._own: dict[int, _Own] = {}
        self._uncovered = {s.path: s.reason for s in work.coverage()}
        # Of the open transaction:
        self._made: dict[int, Version] = {}
        self._moved: set[int] = set()
        self._bytes = 0

    def all(self, head: ObjectID, progress: Callable[[int, int], None]) -> tuple[int, int]:
        """Import what is new up to ``head``; the number of commits and of versions."""
        new: list[ObjectID] = []
        at: ObjectID | None = head
        while at is not None and bytes.fromhex(at.decode("ascii")) not in self._known:
            new.append(at)
            at = self._source.commit(at).parent
        new.reverse()
        if self._known and at is None:
            self._refuse_collisions(new)
        tree = self._source.commit(at).tree if at is not None else None
        done = versions = 0
        while done < len(new):
            with self._store.transaction():
                self._made.clear()
                self._moved.clear()
                self._bytes = 0
                for id_ in new[done : done + GROUP]:
                    commit = self._source.commit(id_)
                    versions += self._commit(commit, tree)
                    tree = commit.tree
                    done += 1
                    progress(done, len(new))
                    if self._bytes > GROUP_BYTES:
                        break
                self._merge()
                self._check_places()
        return done, versions

    # -- one commit

    def _commit(self, commit: Commit, before: ObjectID | None) -> int:
        changes: list[tuple[File | None, File | None]] = []
        left_out: list[Skipped] = []
        touched: set[str] = set()
        for old, new in self._source.changes(before, commit.tree):
            touched.update(file.path for file in (old, new) if file)
            if new and (unfit := _unfit(new)):
                left_out.append(unfit)
                new = None
            if old and _unfit(old):
                old = None
            if old or new:
                changes.append((old, new))
        edits: list[tuple[Edit, File | None]] = []
        same: dict[str, _Tip] = {}
        renamed: set[str] = set()
        pairs = _pair_renames(changes)
        vanishing = {old.path: old for old, new in pairs if old and not new}
        for old, new in pairs:
            if new is None:
                continue
            tip = (self._tip(old) if old else None) or self._home(new.path, vanishing)
            content = self._content(tip, new)
            if isinstance(content, Skipped):
                left_out.append(content)
                if old and tip.state:
                    edits.append((Edit(tip.document, tip.state.path, None, tip.number), None))
                continue
            if old is None and tip.state and tip.state.path in vanishing:
                renamed.add(tip.state.path)
            state = State(new.path, _mode(new, tip.state), content)
            if state == tip.state:
                same[new.path] = tip
            else:
                edits.append((Edit(tip.document, new.path, state, tip.number), new))
        for path, old in vanishing.items():
            gone = self._tip(old)
            if gone is not None and gone.state and path not in renamed:
                edits.append((Edit(gone.document, path, None, gone.number), None))
        change = self._coverage(left_out, touched)
        act = commit.act.saying(change)
        entry, made = self._store.record(act, [edit for edit, _ in edits], branch=self._work.branch.id)
        if change.covers:
            coverage.apply(self._store, self._work.branch.id, entry, change)
        for path in touched:
            self._tips.pop(path, None)
        self._tips |= same
        for version, (_, file) in zip(made, edits, strict=True):
            self._made[version.document] = version
            if version.change in ("create", "rename"):
                self._moved.add(version.document)
            if file:
                self._tips[file.path] = _Tip(version.document, version.number, version.state, file.blob)
        return len(made)

    def _content(self, tip: _Tip, new: File) -> int | Skipped:
        """Store a file's bytes; its content, or why it is left out."""
        if tip.state is not None and tip.blob == new.blob:
            return tip.state.content
        data = self._source.blob(new.blob)
        if data is None:
            return Skipped(new.path, "unreadable", None)
        if len(data) > self._largest:
            return Skipped(new.path, "too large", len(data))
        self._bytes += len(data)
        base = tip.state.content if tip.state else tip.base
        return self._store.contents.put(data, base)

    def _coverage(self, left_out: Sequence[Skipped], touched: Collection[str]) -> CaptureEntry:
        """What a commit changes in what the versions do not hold."""
        now = {s.path: s for s in left_out}
        self.skipped |= now
        came = [Passed(s.path, s.reason, s.bytes) for s in left_out if self._uncovered.get(s.path) != s.reason]
        gone = sorted(path for path in touched if path in self._uncovered and path not in now)
        self._uncovered |= {s.path: s.reason for s in left_out}
        for path in gone:
            del self._uncovered[path]
        return CaptureEntry(tuple(came), tuple(gone))

    # -- which document a file is

    def _tip(self, file: File) -> _Tip | None:
        """The imported version that holds a file of the parent commit; None where none does."""
        if (known := self._tips.get(file.path)) is not None or not self._known:
            return known
        data = self._source.blob(file.blob)
        content = self._store.contents.find(digest(data)) if data is not None else None
        path, documents = self._store.versions.known_path(file.path), self._store.versions.ever_at(file.path)
        for document in documents:
            same = self._latest(document, "AND path = ? AND content = ?", path, content)
            if same is not None:
                tip = self._meet(same)
                tip.blob = file.blob
                return tip
        for document in documents:
            latest = self._latest(document)
            if latest is not None and latest.exists and latest.path == file.path:
                return self._meet(latest)
        return None

    def _home(self, path: str, vanishing: Collection[str]) -> _Tip:
        """Where a file that appears belongs: the document that is or was at its path, or a new one.

        A document that the workspace has renamed to where the commit renames it is found by
        its old path among the ``vanishing`` ones.
        """
        heads = [self._work.head(document) for document in self._store.versions.ever_at(path)]
        here = [head for head in heads if head is not None and head.path == path]
        for head in sorted(here, key=lambda head: not head.exists):
            latest = self._latest(head.document)
            if latest is not None and latest.exists and latest.path != path:
                if head.exists and latest.path in vanishing:
                    return self._meet(latest)
                if head.exists:
                    raise _occupied(path)
            elif not head.exists:
                return _Tip(head.document, head.number, None, base=self._last_content(head.document))
            elif latest is not None and latest.exists:
                return self._meet(latest)
            else:
                head = self._seen(head)
                self._own.setdefault(head.document, _Own(None, head.state, head.number))
                return _Tip(head.document, latest.number if latest else None, None, base=head.content)
        return _Tip(None, None, None)

    def _meet(self, imported: Version) -> _Tip:
        """Go on from an imported version, noting what the workspace did to the document since."""
        tip = _Tip(imported.document, imported.number, imported.state)
        head = self._head(imported.document)
        if head.number == imported.number or self._is_import(head):
            return tip
        if not _alike(head.state, imported.state):
            head = self._seen(head)
        if _alike(head.state, imported.state):
            tip.number, tip.state = head.number, head.state
        else:
            self._own.setdefault(imported.document, _Own(imported.state, head.state, head.number))
        return tip

    def _seen(self, head: Version) -> Version:
        """The head after its file was looked at: our side is what stands on the disk."""
        if head.exists and self._work.copy is not None:
            self._work.copy.notice(head.path)  # within our transaction: files follow when all is imported
        return self._head(head.document)

    def _head(self, document: int) -> Version:
        head = self._work.head(document)
        assert head is not None  # the document was found on this branch
        return head

    def _latest(self, document: int, condition: str = "", *values: object) -> Version | None:
        """The newest imported version of a document on this branch."""
        row = self._store.db.execute(
            f"SELECT number FROM version WHERE document = ? {condition} AND ({self._on_branch})"
            f" AND (SELECT kind FROM entry WHERE id = version.entry) = {_KIND} ORDER BY number DESC LIMIT 1",
            (document, *values, *self._lineage),
        ).fetchone()
        return self._store.versions.get(document, row[0]) if row else None

    def _is_import(self, version: Version) -> bool:
        return self._store.journal.entry(version.entry).kind == Kind.IMPORT

    def _last_content(self, document: int) -> int | None:
        recent = self._store.versions.history(document, limit=8)
        return next((version.content for version in recent if version.content is not None), None)

    # -- before a transaction ends

    def _merge(self) -> None:
        """Merge what was imported with what the workspace did; where that is impossible, ours stands.

        The outcome follows from where both sides began and from their ends, so that it does
        not depend on how the commits were grouped.
        """
        edits: list[Edit] = []
        for document, theirs in self._made.items():
            own = self._own.get(document)
            if own is None:
                continue
            ours = own.ours
            combined = combine(self._store.contents, _as(own.base, ours), ours, _as(theirs.state, ours), document)
            state = ours if combined.conflicts else combined.state
            if combined.conflicts:
                self.kept[document] = ours.path if ours else theirs.path
            else:
                self.kept.pop(document, None)
            if state != theirs.state:
                path = state.path if state else theirs.path
                edits.append(Edit(document, path, state, own.number, theirs.number))
        if edits:
            _, merged = self._store.record(MERGE, edits, branch=self._work.branch.id)
            for version in merged:
                self._own[version.document].number = version.number
                self._moved.add(version.document)

    def _check_places(self) -> None:
        """Refuse what would put two documents at one path; else their files are about to change."""
        if self._follow:
            for document in self._made:
                self._work.pend(document)
        for document in self._moved:
            head = self._work.head(document)
            if head is None or not head.exists:
                continue
            for other in self._store.versions.ever_at(head.path):
                there = self._work.head(other) if other != document else None
                if there is not None and there.exists and there.path == head.path:
                    raise _occupied(head.path)

    def _refuse_collisions(self, new: Sequence[ObjectID]) -> None:
        """Another repository's history may join this one only where no path is in both."""
        taken = {path for path, head in self._work.tree().items() if self._latest(head.document)}
        tree, both = None, set()
        for id_ in new:
            commit = self._source.commit(id_)
            both |= {new.path for old, new in self._source.changes(tree, commit.tree) if new and new.path in taken}
            tree = commit.tree
        if both:
            some = ", ".join(sorted(both)[:3]) + (" …" if len(both) > 3 else "")
            raise WorkspaceError(
                f"{some}: imported from another history already; import this one into a folder of its own."
            )

    def _refs(self) -> set[bytes]:
        """The commits that this branch has."""
        rows = self._store.db.execute(
            f"SELECT ref FROM (SELECT ref, branch, id AS entry FROM entry WHERE kind = {_KIND} AND ref IS NOT NULL)"
            f" WHERE {self._on_branch}",
            self._lineage,
        )
        return {ref for (ref,) in rows.fetchall()}


def _pair_renames(changes: Sequence[tuple[File | None, File | None]]) -> list[tuple[File | None, File | None]]:
    """The changes with a path that vanished and one that appeared joined, where the bytes are equal, uniquely."""

    def key(file: File) -> tuple[bool, ObjectID]:
        return stat.S_ISLNK(file.mode), file.blob

    left = Counter(key(old) for old, new in changes if old and not new)
    came = Counter(key(new) for old, new in changes if new and not old)
    moved = {key(old): old for old, new in changes if old and not new and left[key(old)] == came[key(old)] == 1}
    out: list[tuple[File | None, File | None]] = []
    for old, new in changes:
        if old is None and new is not None:
            out.append((moved.get(key(new)), new))
        elif new is not None or (old is not None and key(old) not in moved):
            out.append((old, new))
    return out


def _mode(file: File, before: State | None) -> int:
    """The mode of an imported file: git knows a link and one executable bit, the rest stays as it was."""
    if stat.S_ISLNK(file.mode):
        return LINK | 0o777
    mode = REGULAR | (0o755 if file.mode & _EXECUTABLE else 0o644)
    return before.mode if before and _same_kind(before.mode, mode) else mode


def _same_kind(mode: int, other: int) -> bool:
    return stat.S_IFMT(mode) == stat.S_IFMT(other) and not (mode ^ other) & _EXECUTABLE


def _as(state: State | None, ours: State | None) -> State | None:
    """A state with our permissions, where git could not tell the two apart."""
    if state and ours and _same_kind(state.mode, ours.mode):
        return replace(state, mode=ours.mode)
    return state


def _alike(ours: State | None, imported: State | None) -> bool:
    """Whether two states are equal as far as git can tell."""
    return ours == _as(imported, ours)


def _occupied(path: str) -> WorkspaceError:
    return WorkspaceError(
        f"{path} is another document in this workspace, and the repository has a file of that name;"
        " move it away and import again."
    )


def _unfit(file: File) -> Skipped | None:
    """Why a file of a tree can be no document, whatever its content."""
    parts = file.path.split("/")
    if not (stat.S_ISREG(file.mode) or stat.S_ISLNK(file.mode)):
        return Skipped(file.path, "outside", None)
    if any(part in ("", ".", "..") or is_ours(part) for part in parts) or "\0" in file.path:
        return Skipped(file.path, "outside", None)
    return None
