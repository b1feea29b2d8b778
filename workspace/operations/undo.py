"""Taking back: what restore, revert, undo and redo would do, as edits and conflicts.

Nothing here writes a version: a plan is recorded by the workspace as one operation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from workspace.entries import CaptureEntry, MergeEntry, UndoEntry, is_probable
from workspace.errors import NotFound, WorkspaceError
from workspace.kinds import Kind
from workspace.operations.history import History
from workspace.records import Change, Conflict, Edit, Operation, State, Version
from workspace.store.merge import combine
from workspace.working_copy.git_moves import BranchMove
from workspace.working_copy.outside import Outside

RECORDS = frozenset({"outside", "merge", "undo", "redo", "branch"})
"""Kinds of top-level operations that undo passes over: they record or take back, they are no acts.

But for a merge of branches, which somebody asked for.
"""


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """Edits to record, or the conflicts that forbid it; ``uncertain`` edits may be somebody else's.

    ``outside`` is what no version holds and comes back from the kept files; ``stuck`` what of it does not, and why;
    ``moves`` are the branches of git that go back with it.
    """

    edits: tuple[Edit, ...]
    conflicts: tuple[Conflict, ...] = ()
    uncertain: tuple[Edit, ...] = ()
    outside: tuple[Outside, ...] = ()
    stuck: tuple[tuple[Outside, str], ...] = ()
    moves: tuple[BranchMove, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.edits and not self.conflicts and not self.outside


@dataclass(frozen=True, slots=True)
class Touch:
    """One line of a preview: what would happen to a document; ``to`` is its new path on a rename."""

    change: Change
    path: str
    to: str
    added: int | None
    removed: int | None


def restore(history: History, cursor: int, paths: Collection[str] = ()) -> UndoPlan:
    """Make the documents, or those at or below ``paths``, equal to what they were at the cursor.

    Where they are so already, but for what stands in the place of their files, it says that.
    """
    wanted = [_inside(path) for path in paths]
    seen = not wanted
    edits = []
    for document in history.store.versions.changed_after(cursor):
        head, old = history.head(document), history.head(document, cursor=cursor)
        if head is None:
            continue
        if wanted and not any(w(head.path) or (old is not None and w(old.path)) for w in wanted):
            continue
        seen = True
        target = old.state if old is not None else None
        if head.state != target:
            edits.append(Edit(document, target.path if target else head.path, target, head.number))
    if not seen:
        tree = history.store.versions.tree(history.branch.id, cursor)
        if not any(w(version.path) for w in wanted for version in tree.values()):
            raise NotFound(f"No document was ever at {', '.join(sorted(paths))}.")
    return _free(history, edits) if edits else UndoPlan((), _in_the_way(history, wanted))


def restore_version(history: History, version: Version) -> UndoPlan:
    """Make one document equal to one of its versions, at the path where it is now if it exists."""
    head = history.head(version.document)
    if head is None:
        raise NotFound(f"{version.path} does not exist on branch {history.branch.name}.")
    target = version.state
    if target is not None and head.exists:
        target = replace(target, path=head.path)
    if head.state == target:
        return UndoPlan((), _in_the_way(history, [_inside(target.path)]) if target else ())
    return _free(history, [Edit(head.document, target.path if target else head.path, target, head.number)])


def revert(history: History, operations: Collection[int]) -> UndoPlan:
    """Take out what these operations did and keep everything later.

    Where an operation's version is still the head, the content before it comes back; else
    its change is fitted out three ways. Call it inside a transaction: fitted contents
    are stored.
    """
    made = _versions_of(history, operations)
    unsure = {o for o in operations if is_probable(history.operation(o))}
    edits: list[Edit] = []
    conflicts: list[Conflict] = []
    uncertain: list[Edit] = []
    for document, versions in made.items():
        head = history.head(document)
        if head is None:
            continue
        state, found = _without(history, head, {version.number for version in versions})
        conflicts += found
        if found or state == head.state:
            continue
        edit = Edit(document, state.path if state else head.path, state, head.number)
        edits.append(edit)
        if any(version.operation in unsure for version in versions):
            uncertain.append(edit)
    plan = _free(history, edits)
    return UndoPlan(plan.edits, (*conflicts, *plan.conflicts), tuple(uncertain))


def preview(history: History, plan: UndoPlan) -> list[Touch]:
    """What a plan would do, by path."""
    from workspace.store import lines

    touches = []
    for edit in plan.edits:
        head = history.head(edit.document) if edit.document is not None else None
        state = head.state if head else None
        old = history.store.contents.get(state.content) if state else b""
        new = history.store.contents.get(edit.state.content) if edit.state else b""
        counted = lines.count(old, new) or (None, None)
        path = head.path if head else edit.path
        touches.append(Touch(_change(state, edit.state), path, edit.path, *counted))
    return sorted(touches, key=lambda touch: touch.path)


def token(history: History, plan: UndoPlan) -> str:
    """A digest of all that a plan would do, and to which versions: plans with the same one are the same.

    Call it in the transaction in which the plan was made.
    """
    digest_of = history.store.contents.digest_of

    def told(edit: Edit) -> tuple[object, ...]:
        state = edit.state and (edit.state.path, edit.state.mode, digest_of(edit.state.content))
        return edit.document, edit.path, edit.parent, edit.merged, state

    conflicts = [(c.document, c.path, c.line, c.reason) for c in plan.conflicts]
    outside = [(row.id, row.path) for row in plan.outside]
    parts = [told(edit) for edit in plan.edits], conflicts, [told(edit) for edit in plan.uncertain], outside
    return sha256(repr([sorted(map(repr, part)) for part in parts]).encode("utf-8", "surrogatepass")).hexdigest()


def undoable(history: History, session: str | None = None) -> Operation:
    """The newest top-level act that edited documents and is not undone. Raises NotFound."""
    settled = undone(history, history.cursor)
    for operation in _top_level(history, session):
        if _is_act(operation) and operation.id not in settled and _edits(history, operation):
            return operation
    raise NotFound("There is nothing to undo.")


def redoable(history: History, session: str | None = None) -> Operation:
    """The newest undo that is not redone. Raises NotFound."""
    journal, settled = history.store.journal, undone(history, history.cursor)
    redone = {UndoEntry.of(journal.operation(id_)).target for id_ in journal.of_kind(Kind.REDO)}
    for operation in _top_level(history, session):
        if operation.kind == Kind.UNDO and operation.id not in redone and UndoEntry.of(operation).target in settled:
            return operation
    raise NotFound("There is nothing to redo.")


def undone(history: History, cursor: int) -> set[int]:
    """The acts that stand undone at the cursor."""
    journal = history.store.journal
    acts = sorted([*journal.of_kind(Kind.UNDO, cursor), *journal.of_kind(Kind.REDO, cursor)])
    targets: dict[int, int] = {}
    gone: set[int] = set()
    for id_ in acts:
        operation = journal.operation(id_)
        target = UndoEntry.of(operation).target
        if operation.kind == Kind.UNDO:
            targets[id_] = target
            gone.add(target)
        else:
            gone.discard(targets.get(target, 0))
    return gone


def family(history: History, operation: Operation) -> list[int]:
    """An operation with all that it caused, and a scan with what was seen live before it; ascending."""
    family_of = history.store.journal.family
    roots = (operation.id, *CaptureEntry.of(operation).claims)
    return sorted({member for root in roots for member in family_of(root)})


def unclaimed(history: History) -> list[int]:
    """The operations that recorded edits from outside, seen live, since an act last edited documents; ascending."""
    found: list[int] = []
    for operation in _top_level(history, None):
        edited_here = edited(history, history.store.journal.family(operation.id))
        capture = CaptureEntry.of(operation)
        seen_live = operation.kind == Kind.OUTSIDE and capture.watched
        if capture.first or operation.kind == Kind.SCAN or (edited_here and not seen_live):
            break
        if edited_here:
            found.append(operation.id)
    return sorted(found)


def edited(history: History, operations: Collection[int]) -> bool:
    """Whether these operations made a version on this branch; not what they caused."""
    return bool(_versions_of(history, operations))


def touched(history: History, operations: Collection[int]) -> list[str]:
    """Where the documents that these operations edited are now."""
    heads = [history.head(document) for document in _versions_of(history, operations)]
    return [head.path for head in heads if head is not None]


def _top_level(history: History, session: str | None) -> Iterable[Operation]:
    before: int | None = None
    while page := history.store.journal.operations(before=before, limit=200):
        for operation in page:
            if operation.parent is None and operation.branch == history.branch.id:
                if session is None or operation.session == session:
                    yield operation
        before = page[-1].id
        if before == 1:
            return


def _is_act(operation: Operation) -> bool:
    return operation.kind not in RECORDS or bool(MergeEntry.of(operation).parents)


def _edits(history: History, operation: Operation) -> bool:
    if operation.kind == Kind.SCAN and CaptureEntry.of(operation).first:
        return False  # it only began to keep what was there
    if operation.kind == Kind.PROMPT:
        return True  # also one that edited nothing is taken back, out of the conversation
    return edited(history, family(history, operation))


def _versions_of(history: History, operations: Collection[int]) -> dict[int, list[Version]]:
    """The versions that operations made on this branch, by document."""
    store, wanted = history.store, set(operations)
    if len(wanted) > 64:
        last = max(store.journal.operation(o).last for o in (min(wanted), max(wanted)))
        versions: Sequence[Version] = [
            v for v in store.versions.of_entries(min(wanted), last) if v.operation in wanted
        ]
    else:
        versions = [v for o in sorted(wanted) for v in store.versions.of_operation(o)]
    found: dict[int, list[Version]] = {}
    for version in versions:
        if version.branch == history.branch.id:
            found.setdefault(version.document, []).append(version)
    return found


def _without(history: History, head: Version, numbers: set[int]) -> tuple[State | None, list[Conflict]]:
    """The state of a document without some of its versions: each run of them is fitted out, newest first."""
    state, oldest = head.state, min(numbers)
    first_of_run: Version | None = None
    for version in history.store.versions.line(head):
        mine = version.number in numbers or version.merged in numbers
        if mine and first_of_run is None:
            first_of_run = version
        elif not mine and first_of_run is not None:
            combined = combine(history.store.contents, first_of_run.state, state, version.state, head.document)
            if combined.conflicts:
                return None, list(combined.conflicts)
            state, first_of_run = combined.state, None
        if not mine and version.number < oldest:
            return state, []
    if first_of_run is not None:
        combined = combine(history.store.contents, first_of_run.state, state, None, head.document)
        return combined.state, list(combined.conflicts)
    return state, []


def _free(history: History, edits: Sequence[Edit]) -> UndoPlan:
    """The plan of these edits, with a conflict for each path that another document holds now."""
    moving = {edit.document for edit in edits}
    conflicts = []
    for edit in edits:
        if edit.state is None:
            continue
        head = history.head(edit.document) if edit.document is not None else None
        if head is not None and head.exists and head.path == edit.state.path:
            continue
        other = history.find(edit.state.path)
        if other is not None and other.document not in moving:
            conflicts.append(Conflict(edit.state.path, "another document is there now", edit.document))
    return UndoPlan(tuple(edits), tuple(conflicts))


def _in_the_way(history: History, wanted: Collection[_Inside]) -> tuple[Conflict, ...]:
    """What stands where documents at or below these paths (or all) belong, and was left alone there."""
    conflicts = []
    for skipped in history.coverage():
        head = history.find(skipped.path)
        if head is None or (wanted and not any(w(head.path) for w in wanted)):
            continue
        try:
            history.on_disk(head.path)
        except WorkspaceError as error:
            conflicts.append(Conflict(head.path, str(error).rstrip("."), head.document))
    return tuple(conflicts)


def _inside(path: str) -> _Inside:
    return _Inside(path.strip("/"))


@dataclass(frozen=True, slots=True)
class _Inside:
    path: str

    def __call__(self, other: str) -> bool:
        return self.path in ("", ".", other) or other.startswith(self.path + "/")


def _change(old: State | None, new: State | None) -> Change:
    if new is None:
        return "delete"
    if old is None:
        return "create"
    if old.path != new.path:
        return "rename"
    return "edit" if old.content != new.content else "mode"
