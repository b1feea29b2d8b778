"""RealDoc: documents whose every edit is a version, and the folder they live in."""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from workspace.entries import CaptureEntry, MergeEntry, RevertEntry, UndoEntry
from workspace.errors import Changed, Conflicted, NeedsConsent, NotFound, WorkspaceError
from workspace.kinds import Kind
from workspace.operations import branch_merge, undo
from workspace.operations.ancestry import Ancestry
from workspace.operations.branch_merge import BranchMerge
from workspace.operations.opened import Opened
from workspace.operations.undo import Touch, UndoPlan
from workspace.records import REGULAR, Act, Branch, Edit, Operation, State, Version
from workspace.store.merge import combine
from workspace.working_copy import coverage, snapshot
from workspace.working_copy.checkout import OUTSIDE
from workspace.working_copy.files import Blocked
from workspace.working_copy.git_moves import branch_moves
from workspace.working_copy.ignore import is_ours
from workspace.working_copy.outside import Outside, noted
from workspace.working_copy.working_copy import Scanned, WorkingCopy

SCAN = Act(kind=Kind.SCAN, name="scan", actor="person")


class Workspace(Opened):
    """A directory of documents and its history, open for writing; use it as a context manager.

    One process at a time, in one thread at a time; any number of readers beside it. Other
    branches of the same history are written through ``on`` and ``checkout``, whose acts share
    the transaction of this one.

    >>> from workspace import History, Workspace
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

    _looked = False

    # -- editing

    def write(
        self, path: str, data: bytes, *, read: int | None = None, mode: int | None = None, act: Act = Act()
    ) -> Version:
        """Write a document; the version that holds it, or the present one where nothing changes.

        ``read`` is the version the writer had read, by default the newest recorded one. If
        the document has moved on since, by whomever, both changes are merged; where that
        is impossible nothing is written and Conflicted is raised. ``mode``: permissions.
        """
        self._check_path(path)
        if len(data) > self._largest():
            raise WorkspaceError(f"{path} would be too large to keep ({len(data):,} bytes); nothing was written.")
        with self._on.acting():
            known = self.find(path)
            if read is not None and known is not None and known.number != read:
                known = self.store.versions.get(known.document, read)
            self._on.notice(path)
            with self.store.transaction():
                head = self.find(path)
                kind = stat.S_IMODE(known.mode) if known and known.mode and not _state(known).is_link else 0o644
                content = self.store.contents.put(data, known.content if known else None)
                theirs = State(path, REGULAR | (kind if mode is None else mode & 0o777), content)
                if head is None:
                    if known is not None and read is not None:
                        raise NotFound(f"{path} was deleted meanwhile; leave out the version to write it anew.")
                    document, parent = snapshot.continued(self.store, path, self.branch.id)
                    return self._on.commit(act, [Edit(document, path, theirs, parent)])[0]
                base = known.state if known else None
                combined = combine(self.store.contents, base, head.state, theirs, head.document)
                if combined.conflicts or combined.state is None:
                    raise Conflicted(
                        f"{path} was changed meanwhile where you changed it too; read it again and repeat the edit.",
                        combined.conflicts,
                    )
                if combined.state == head.state:
                    return head
                return self._on.commit(act, [Edit(head.document, path, combined.state, head.number)])[0]

    def move(self, path: str, to: str, *, act: Act = Act(name="move")) -> Version:
        """Rename a document; it keeps its identity and history. Raises NotFound, WorkspaceError."""
        self._check_path(to)
        with self._on.acting():
            self._on.notice(path)
            self._on.notice(to)
            head = self._existing(path)
            if path == to:
                return head
            return self._on.commit(act, [Edit(head.document, to, replace(_state(head), path=to), head.number)])[0]

    def delete(self, path: str, *, act: Act = Act(name="delete")) -> Version:
        """Delete a document; all its versions stay. Raises NotFound."""
        with self._on.acting():
            self._on.notice(path)
            head = self._existing(path)
            return self._on.commit(act, [Edit(head.document, path, None, head.number)])[0]

    def set_mode(self, path: str, mode: int, *, act: Act = Act(name="mode")) -> Version:
        """Set a file's permissions (``0o777`` at most). Raises NotFound."""
        with self._on.acting():
            self._on.notice(path)
            head = self._existing(path)
            state = replace(_state(head), mode=REGULAR | mode & 0o777)
            if head.state == state or _state(head).is_link:
                return head
            return self._on.commit(act, [Edit(head.document, path, state, head.number)])[0]

    def commit(self, act: Act, edits: Sequence[Edit]) -> list[Version]:
        """Record edits as one instant operation and bring the files to them. Raises Conflicted."""
        with self._on.acting():
            return self._on.commit(act, edits)

    # -- taking back

    def restore(
        self,
        *,
        cursor: int | None = None,
        version: Version | None = None,
        paths: Collection[str] = (),
        act: Act = Act(kind=Kind.RESTORE, name="restore"),
        expect: str | None = None,
    ) -> list[Version]:
        """Make the documents (those at or below ``paths``) equal to a cursor, or one to a version.

        Edits that nobody recorded yet are recorded first, so that nothing is lost; the
        restore itself can be undone. Raises NotFound, Conflicted; Changed where the plan
        is not the one with the token ``expect``.
        """
        self.catch_up()
        if version is not None:
            plan = undo.restore_version(self, version)
        else:
            plan = undo.restore(self, self.cursor if cursor is None else cursor, paths)
        self._check_expected(plan, expect)
        return self._take_back(plan, act, "restored")

    def revert(
        self,
        operations: Collection[int],
        *,
        act: Act = Act(kind=Kind.REVERT, name="revert"),
        consent: bool = False,
        expect: str | None = None,
    ) -> list[Version]:
        """Take out what operations and all they caused did, and keep everything later.

        Raises NeedsConsent where an edit may be somebody else's work, unless ``consent``;
        Conflicted where later edits overlap, and then nothing is written; Changed where
        the plan is not the one with the token ``expect``.
        """
        family = [member for o in operations for member in undo.family(self, self.operation(o))]
        rows: list[Outside] = []
        part = act
        with self._on.acting():
            for path in undo.touched(self, family):
                try:
                    self._on.notice(path)
                except Blocked:
                    if self.find(path) is not None:
                        raise  # else it is deleted, and what stands there now is no document
            with self.store.transaction():
                plan = self._with_outside(undo.revert(self, family), family)
                self._check_expected(plan, expect)
                if plan.uncertain and not consent:
                    paths = ", ".join(edit.path for edit in plan.uncertain)
                    raise NeedsConsent(f"Someone else may have edited {paths} meanwhile; add --yes to revert it.")
                if not UndoEntry.of(act).target:
                    act = act.saying(RevertEntry(tuple(sorted(operations))))
                made = self._take_back(plan, act, "reverted")
                if plan.outside and self.copy is not None:
                    operation = made[0].operation if made else self.record(act)
                    rows = self.copy.outside.intend_back(operation, plan.outside)
                    part = Act(kind=act.kind, actor=act.actor, session=act.session, operation=operation)
                    self.record(part.saying(noted(rows)))
        self._put_outside(rows, part)
        return made

    def outside_of(self, operations: Collection[int]) -> list[Outside]:
        """What operations changed that no version holds: ignored, secret, too large, git's state."""
        return self.copy.outside.of(operations) if self.copy is not None else []

    def preview_revert(self, operations: Collection[int]) -> tuple[list[Touch], UndoPlan, str]:
        """What ``revert`` would do, without doing it, and the plan's token."""
        family = [member for o in operations for member in undo.family(self, self.operation(o))]
        with suppress(_Dropped), self.store.transaction():
            plan = self._with_outside(undo.revert(self, family), family)
            touches, token = undo.preview(self, plan), undo.token(self, plan)
            raise _Dropped  # contents that were fitted for the preview are not kept
        return touches, plan, token

    def undo(
        self,
        *,
        session: str | None = None,
        target: int | None = None,
        act: Act = Act(kind=Kind.UNDO, name="undo"),
        expect: str | None = None,
    ) -> Operation:
        """Revert the newest top-level act, or ``target``, with all it caused; the undo.

        Raises NotFound, Conflicted where later edits overlap, Changed as ``revert`` does.
        """
        return self._revert_one(target or undo.undoable(self, session).id, session, act, expect)

    def redo(
        self,
        *,
        session: str | None = None,
        target: int | None = None,
        act: Act = Act(kind=Kind.REDO, name="redo"),
        expect: str | None = None,
    ) -> Operation:
        """Revert the newest undo, or the undo ``target``; the redo. Raises NotFound, Conflicted, Changed."""
        return self._revert_one(target or undo.redoable(self, session).id, session, act, expect)

    def configure(
        self, *, named: Collection[str] = (), largest: int | None = None, kept: int | None = None,
        caches: Collection[str] = (), no_caches: Collection[str] = (),
    ) -> None:  # fmt: skip
        """Change what is recorded and kept from now on.

        ``named`` paths are captured although ignored or likely secret; ``largest`` is the size in bytes of the
        largest file that is captured, ``kept`` that of all displaced files that are kept for undo. Names in
        ``caches`` are neither recorded nor kept, those in ``no_caches`` are no longer taken for such.
        """
        if named:
            coverage.name(self.store, named)
        if largest is not None:
            coverage.set_largest(self.store, largest)
            self._files.largest = largest
        if kept is not None:
            coverage.set_budget(self.store, kept)
        if caches or no_caches:
            known = {*coverage.caches(self.store).patterns, *caches} - {*no_caches}
            coverage.set_caches(self.store, known)

    def scan(
        self, act: Act = SCAN, *, named: Collection[str] = (), largest: int | None = None, consent: bool = False
    ) -> Scanned:
        """Record all that changed on disk since we last looked, as one operation.

        What was seen live since the last act on documents counts as its work, too.
        ``named`` paths are captured although ignored or likely secret, now and later;
        ``largest`` bytes is the limit for a file from now on. A first scan of the home
        directory, or of one that holds it, raises NeedsConsent without ``consent``.
        """
        if self.cursor == 0 and not consent:
            check_not_too_wide(self.root)
        self.configure(named=named, largest=largest)
        if self.copy is None:
            raise WorkspaceError(f"Branch {self.branch.name} has no folder here; `wukong checkout` gives it one.")
        claims = undo.unclaimed(self) if act.kind == Kind.SCAN else []
        if claims:
            act = act.saying(CaptureEntry(claims=tuple(claims)))
        scanned = self.copy.scan(act)
        if claims and scanned.operation is None:
            scanned = replace(scanned, operation=self.record(act))
        return replace(
            scanned,
            conflicts=(*self.copy.take_found(), *scanned.conflicts),
            claimed=tuple(version for o in claims for version in self.store.versions.of_operation(o)),
        )

    def catch_up(self, within: Collection[str] | None = None, *, act: Act = OUTSIDE) -> Scanned:
        """Record what others changed on disk, or at and below these paths, as nobody's act in particular."""
        if self.copy is None or self._looked:
            return Scanned(None, (), (), 0, 0)
        return self.copy.scan(act, within=within)

    @contextmanager
    def looked(self) -> Iterator[None]:
        """Inside, nothing is caught up with: a snapshot was taken just before."""
        self._looked = True
        try:
            yield
        finally:
            self._looked = False

    def merge(
        self, branch: str, *, act: Act = Act(kind=Kind.MERGE, name="merge"), expect: str | None = None
    ) -> Operation | None:
        """Bring all that another branch holds into this one; the merge, or None where all of it is here.

        Raises NotFound; Conflicted where both changed the same thing, and then nothing is
        written; Changed where the plan is not the one with the token ``expect``.
        """
        other = self.store.versions.branch(branch)
        if isinstance(copy := self.repository.follower_on(other.id), WorkingCopy):
            copy.scan(OUTSIDE)
        with self._on.acting():
            planned = self._planned_merge(other)
            if planned is not None:
                _refuse_conflicts(planned.plan, "merged")
                self._notice_all(planned.plan)
            with self.store.transaction():
                planned = self._planned_merge(other)
                if planned is None:
                    return None
                self._check_expected(planned.plan, expect)
                _refuse_conflicts(planned.plan, "merged")
                act = replace(act.saying(MergeEntry(planned.parents)), kind=Kind.MERGE)
                entry = self.store.journal.next_id()
                self._on.commit(act, planned.plan.edits)
        return self.operation(entry)

    def preview_merge(self, branch: str) -> tuple[list[Touch], UndoPlan, str]:
        """What ``merge`` would do, without doing it, and the plan's token."""
        other = self.store.versions.branch(branch)
        with suppress(_Dropped), self.store.transaction():
            planned = self._planned_merge(other)
            plan = planned.plan if planned else UndoPlan(())
            touches, token = undo.preview(self, plan), undo.token(self, plan)
            raise _Dropped  # contents that were merged for the preview are not kept
        return touches, plan, token

    def _notice_all(self, plan: UndoPlan) -> None:
        """In the open act: record what somebody else did to the files that a plan touches."""
        heads = [(edit, self.head(edit.document) if edit.document is not None else None) for edit in plan.edits]
        for path in {path for edit, head in heads for path in (edit.path, head.path if head else edit.path)}:
            try:
                self._on.notice(path)
            except Blocked:
                if self.find(path) is not None:
                    raise  # else it is deleted, and what stands there now is no document

    def _planned_merge(self, other: Branch) -> BranchMerge | None:
        ancestry = Ancestry(self.store, undo.undone(self, self.cursor))
        return branch_merge.plan(self.store, ancestry, self.branch.id, other.id)

    # -- inside

    def _revert_one(self, target: int, session: str | None, act: Act, expect: str | None) -> Operation:
        act = replace(act.saying(UndoEntry(target)), session=session or act.session)
        before = self.cursor
        made = self.revert([target], act=act, consent=True, expect=expect)
        if made:
            return self.operation(made[0].operation)
        done = self.store.journal.of_kinds([act.kind], after=before, upto=self.cursor)
        return self.operation(done[-1].id if done else self.record(act))

    def _with_outside(self, plan: UndoPlan, family: Collection[int]) -> UndoPlan:
        """A plan with what of these operations no version holds."""
        if self.copy is None:
            return plan
        ready, stuck = self.copy.outside.plan_back(family)
        moves = branch_moves(self.root, self.folder, ready)
        return replace(plan, outside=tuple(ready), stuck=tuple(stuck), moves=tuple(moves))

    def record_coverage(self, rows: Sequence[Outside], act: Act) -> None:
        """In the open transaction: note, as a part of ``act.operation``, what is passed over differently by now."""
        change = coverage.changes_outside(self.store, self.branch.id, rows)
        if change.skipped or change.covered:
            entry = self.record(act.saying(change))
            coverage.apply(self.store, self.branch.id, entry, change)

    def _put_outside(self, rows: Sequence[Outside], act: Act) -> None:
        """After the transaction that intends them: bring kept files back, and remember what became of it."""
        if rows and self.copy is not None:
            done = self.copy.outside.put(rows)
            with self.store.transaction():
                self.copy.outside.save(done)
                self.record_coverage(done, act)

    def _check_expected(self, plan: UndoPlan, expect: str | None) -> None:
        if expect is not None and expect != undo.token(self, plan):
            raise Changed

    def _take_back(self, plan: UndoPlan, act: Act, verb: str) -> list[Version]:
        _refuse_conflicts(plan, verb)
        return self.commit(act, plan.edits) if plan.edits else []

    def _largest(self) -> int:
        known = self.copy.files.largest if self.copy is not None else None
        return coverage.largest(self.store) if known is None else known

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


def check_not_too_wide(root: Path) -> None:
    """Raise NeedsConsent for the home directory and what holds it."""
    home = Path.home().resolve()
    if root == home or root in home.parents:
        raise NeedsConsent(f"{root} holds far more than one piece of work; add --yes to record all of it.")


def _refuse_conflicts(plan: UndoPlan, verb: str) -> None:
    if plan.conflicts:
        paths = ", ".join(sorted({conflict.path for conflict in plan.conflicts}))
        raise Conflicted(f"Nothing was {verb}: {paths}: {plan.conflicts[0].reason}.", plan.conflicts)


class _Dropped(Exception):
    pass


def _state(version: Version) -> State:
    assert version.state is not None
    return version.state
