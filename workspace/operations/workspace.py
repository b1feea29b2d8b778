"""RealDoc: documents whose every edit is a version, and the folder they live in."""

from __future__ import annotations

import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from workspace.errors import Changed, Conflicted, NeedsConsent, NotFound, WorkspaceError
from workspace.kinds import Kind, Outcome
from workspace.operations import undo
from workspace.operations.history import History
from workspace.operations.transaction import Transaction
from workspace.operations.undo import Plan, Touch
from workspace.records import REGULAR, Act, Branch, Conflict, Edit, Operation, State, Usage, Version
from workspace.store import location
from workspace.store.location import existing_folder
from workspace.store.merge import combine
from workspace.store.repository import Repository
from workspace.working_copy import coverage, snapshot
from workspace.working_copy.checkout import OUTSIDE
from workspace.working_copy.files import Blocked
from workspace.working_copy.ignore import is_ours
from workspace.working_copy.working_copy import Scanned, WorkingCopy

SCAN = Act(kind=Kind.SCAN, name="scan", actor="person")


class Workspace(History):
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

    copy: WorkingCopy | None

    def __init__(self, root: Path, repository: Repository, branch: str | None = None, *, owner: bool = True) -> None:
        """Use ``open``: this takes an open repository, which it closes if it is the ``owner``."""
        self.repository = repository
        self._owner = owner
        self._opened = False
        super().__init__(root, repository.store, branch)
        self._on = Transaction(repository, self.branch.id, self.copy)

    @classmethod
    def open(
        cls, root: Path | str, *, store: Path | None = None, branch: str | None = None, wait: float = 5.0
    ) -> Self:
        """Open ``root`` for writing, starting a history if it has none, and finish what a crash cut short.

        ``store`` puts a new history elsewhere than in the user's state directory. ``branch`` is
        by default the one that the folder is on; another one is written without a folder. Waits
        ``wait`` seconds for another writer. Raises NotFound, Busy or WorkspaceError.
        """
        root = existing_folder(root)
        folder = store.resolve() if store else location.store_of(root) or location.default_store(root)
        work = cls(root, Repository.open(folder, wait=wait), branch)
        try:
            work.repository.start()
            if work.copy is not None:
                work.copy.start()
        except BaseException:
            work.abandon()
            raise
        return work

    def on(self, branch: str) -> Workspace:
        """The same history on another branch, with its folder where it has one, else with none.

        To be closed before this one, and used in the same thread. Raises NotFound.
        """
        number = self.store.versions.branch(branch).id
        known = self.repository.folder_of(number)
        root = Path(known) if known is not None and Path(known).is_dir() else self.root
        return self._beside(root, branch)

    def checkout(self, folder: Path | str, branch: str, *, at: int | None = None, act: Act = Act()) -> Workspace:
        """Lay a branch out in a folder of its own; a branch of that name is forked where there is none.

        The fork is at entry ``at``, by default now. Raises WorkspaceError where the folder holds
        anything, the branch is checked out elsewhere, or exists and ``at`` is given; Conflicted
        where somebody writes in the folder meanwhile.
        """
        root = Path(folder).absolute()
        if self.store.in_transaction:
            raise WorkspaceError("A checkout cannot be part of a batch: it writes files.")
        found = next((known for known in self.store.versions.branches() if known.name == branch), None)
        if found is not None and at is not None:
            raise WorkspaceError(f"There is already a branch {branch!r}; choose another name.")
        known = self.repository.folder_of(found.id) if found is not None else None
        if known is not None and Path(known).is_dir():
            raise WorkspaceError(f"Branch {branch} is checked out in {known}.")
        root = _empty_folder(root, self.repository.folder)
        found = found or self.fork(branch, at=at, act=act)
        self.repository.unregister(found.id)
        self.repository.register(found.id, root)
        other = self._beside(root, branch)
        try:
            with other.batch():
                for head in other.tree().values():
                    self.repository.pend(found.id, head.document)
        except BaseException:
            other.close()
            raise
        return other

    def _beside(self, root: Path, branch: str) -> Workspace:
        other = Workspace(root, self.repository, branch, owner=False)
        if other.copy is not None and other._opened:
            other.copy.start()
        return other

    def close(self) -> None:
        """Make everything durable, files included, and let go of the workspace."""
        if self._owner:
            self.repository.close()
        elif self.copy is not None and self._opened:
            self.copy.close()

    def abandon(self) -> None:
        """Let go of the workspace without syncing files: opening it again checks them."""
        if self._owner:
            self.repository.abandon()
        elif self.copy is not None and self._opened:
            self.copy.abandon()

    @property
    def folder(self) -> Path:
        """Where the history lies."""
        return self.repository.folder

    @property
    def step(self) -> Callable[[str], None]:
        """Called with the name of each point of the write path; tests crash there."""
        return self.repository.step

    @step.setter
    def step(self, step: Callable[[str], None]) -> None:
        self.repository.step = step

    # -- the folder

    def settle(self) -> None:
        """Sync the files that were put in place, in one call, and remember that they are there."""
        if self.copy is not None:
            self.copy.settle()

    def place(self) -> list[Conflict]:
        """Bring the files of all pending documents to their heads; what stood in the way and was kept.

        Files that already stand where a head belongs are never overwritten.
        """
        return self.copy.place() if self.copy is not None else []

    def adopt(self) -> list[Conflict]:
        """Take the folder as it stands, and write nothing: another program keeps its files.

        What differs from a head is the newest version now; the conflicts say which.
        """
        return self.copy.adopt() if self.copy is not None else []

    def notice(self, path: str) -> None:
        """Record what somebody else did to the file at a path, if anything. Raises WorkspaceError."""
        with self._on.acting():
            self._on.notice(path)

    def pend(self, document: int) -> None:
        """In the open transaction: this document's file is about to change."""
        self.repository.pend(self.branch.id, document)

    # -- operations

    def record(
        self, act: Act, *, outcome: Outcome | None = None, usage: Usage | None = None, payload: bytes | None = None
    ) -> int:
        """Record an instant operation that edits no document; its number."""
        return self._on.record(act, outcome=outcome, usage=usage, payload=payload)

    def begin(self, act: Act, *, payload: bytes | None = None) -> int:
        """Record that a long operation begins; its number, for ``end``."""
        return self._on.begin(act, payload=payload)

    def end(
        self,
        operation: int,
        outcome: Outcome = Outcome.DONE,
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
        return self._on.end(
            operation, outcome, usage=usage, payload=payload, captured=captured, ref=ref, detail=detail
        )

    # -- editing

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Many acts in one transaction, durable and on disk when the block ends.

        Each act is all or nothing by itself; one that is refused leaves the others.
        """
        with self._on.acting():
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
        family = [member for o in operations for member in self.store.journal.family(self.operation(o).id)]
        with self._on.acting():
            for path in undo.touched(self, family):
                try:
                    self._on.notice(path)
                except Blocked:
                    if self.find(path) is not None:
                        raise  # else it is deleted, and what stands there now is no document
            with self.store.transaction():
                plan = undo.revert(self, family)
                self._check_expected(plan, expect)
                if plan.uncertain and not consent:
                    paths = ", ".join(edit.path for edit in plan.uncertain)
                    raise NeedsConsent(f"Someone else may have edited {paths} meanwhile; add --yes to revert it.")
                detail = {"reverts": sorted(operations)} if "target" not in act.detail else {}
                return self._take_back(plan, replace(act, detail={**detail, **act.detail}), "reverted")

    def preview_revert(self, operations: Collection[int]) -> tuple[list[Touch], Plan, str]:
        """What ``revert`` would do, without doing it, and the plan's token."""
        family = [member for o in operations for member in self.store.journal.family(self.operation(o).id)]
        with suppress(_Dropped), self.store.transaction():
            plan = undo.revert(self, family)
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

    def scan(
        self, act: Act = SCAN, *, named: Collection[str] = (), largest: int | None = None, consent: bool = False
    ) -> Scanned:
        """Record all that changed on disk since we last looked, as one operation.

        ``named`` paths are captured although ignored or likely secret, now and later;
        ``largest`` bytes is the limit for a file from now on. A first scan of the home
        directory, or of one that holds it, raises NeedsConsent without ``consent``.
        """
        if self.cursor == 0 and not consent:
            check_not_too_wide(self.root)
        if named:
            coverage.name(self.store, named)
        if largest is not None:
            coverage.set_largest(self.store, largest)
            self._files.largest = largest
        if self.copy is None:
            raise WorkspaceError(f"Branch {self.branch.name} has no folder here; `wukong checkout` gives it one.")
        scanned = self.copy.scan(act)
        found = self.copy.take_found()
        return replace(scanned, conflicts=(*found, *scanned.conflicts)) if found else scanned

    def catch_up(self) -> Scanned:
        """Record what others changed on disk, as nobody's act in particular."""
        return self.copy.scan(OUTSIDE) if self.copy is not None else Scanned(None, (), (), 0, 0)

    def fork(self, name: str, *, at: int | None = None, act: Act = Act()) -> Branch:
        """Add a branch that up to entry ``at`` (by default now) is this one. Raises WorkspaceError."""
        with self.store.transaction():
            fork = self.cursor if at is None else at
            branch = self.store.versions.add_branch(name, self.branch.id, fork)
            detail = {"branch": branch.id, "parent": self.branch.id, "fork": fork}
            self.record(replace(act, kind=Kind.BRANCH, name=name, detail=detail))
        return branch

    # -- inside

    def _revert_one(self, target: int, session: str | None, act: Act, expect: str | None) -> Operation:
        detail = {**act.detail, "target": target}
        act = replace(act, session=session or act.session, detail=detail)
        made = self.revert([target], act=act, consent=True, expect=expect)
        return self.operation(made[0].operation if made else self.record(act))

    def _check_expected(self, plan: Plan, expect: str | None) -> None:
        if expect is not None and expect != undo.token(self, plan):
            raise Changed

    def _take_back(self, plan: Plan, act: Act, verb: str) -> list[Version]:
        if plan.conflicts:
            paths = ", ".join(sorted({conflict.path for conflict in plan.conflicts}))
            raise Conflicted(f"Nothing was {verb}: {paths}: {plan.conflicts[0].reason}.", plan.conflicts)
        return self.commit(act, plan.edits) if plan.edits else []

    def _folder(self, root: Path) -> WorkingCopy:
        open_already = self.repository.follower_on(self.branch.id)
        if isinstance(open_already, WorkingCopy):
            return open_already
        self._opened = True
        return WorkingCopy(self.repository, root, self.branch.id)

    def _let_go(self) -> None:
        if self._owner:
            self.repository.abandon()

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


def _empty_folder(root: Path, store: Path) -> Path:
    """A folder with nothing in it, made where there is none. Raises WorkspaceError."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        root = root.resolve()
        if any(root.iterdir()):
            raise WorkspaceError(f"{root} holds files already; choose an empty folder.")
    except OSError as error:
        raise WorkspaceError(f"{root} cannot be used: {error.strerror}.") from error
    if root.is_relative_to(store):
        raise WorkspaceError(f"{root} lies in the history itself; choose another folder.")
    return root


def check_not_too_wide(root: Path) -> None:
    """Raise NeedsConsent for the home directory and what holds it."""
    home = Path.home().resolve()
    if root == home or root in home.parents:
        raise NeedsConsent(f"{root} holds far more than one piece of work; add --yes to record all of it.")


class _Dropped(Exception):
    pass


def _state(version: Version) -> State:
    assert version.state is not None
    return version.state
