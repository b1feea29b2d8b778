"""What merging another branch would do, document by document, three ways from the best common ancestor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workspace.operations.ancestry import Ancestry, Point
from workspace.operations.undo import UndoPlan
from workspace.records import Conflict, Edit, State, Version
from workspace.store.merge import combine
from workspace.store.store import Store

Tree = Mapping[int, State | None]
"""What a branch holds at an entry: the state of each document it ever had, None where it is deleted."""


@dataclass(frozen=True, slots=True)
class BranchMerge:
    """The plan of a merge and the two points that it joins, ours first."""

    plan: UndoPlan
    parents: tuple[Point, Point]


def plan(store: Store, ancestry: Ancestry, ours: int, theirs: int) -> BranchMerge | None:
    """What bringing all of branch ``theirs`` into branch ``ours`` takes; None where it is all there.

    Call it inside a transaction: merged contents are stored.
    """
    last = store.journal.last()
    parents = ancestry.tip(ours, last), ancestry.tip(theirs, last)
    if ancestry.holds(*parents):
        return None
    base = _common(store, ancestry, *parents)
    mine, yours = store.versions.tree(ours, last), store.versions.tree(theirs, last)
    edits: list[Edit] = []
    conflicts: list[Conflict] = []
    at_path = {head.path: head for head in mine.values() if head.exists}
    for document, their_head in yours.items():
        head, before = mine.get(document), base.get(document)
        if head is None and (same_path := at_path.get(their_head.path)) is not None:
            # Both made a document of this name: ours takes what theirs became.
            if same_path.document not in yours:
                head, before = same_path, before or base.get(same_path.document)
        their_state = their_head.state
        if their_state == before:
            continue
        state = head.state if head else None
        combined = combine(store.contents, before, state, their_state, document)
        conflicts += combined.conflicts
        if combined.conflicts or combined.state == state:
            continue
        path = combined.state.path if combined.state else their_head.path
        same = head is None or head.document == document
        edits.append(
            Edit(
                document if head is None else head.document,
                path,
                combined.state,
                head.number if head else None,
                their_head.number if same else None,
            )
        )
    conflicts += _collisions(mine, edits)
    return BranchMerge(UndoPlan(tuple(edits), tuple(conflicts)), parents)


def _common(store: Store, ancestry: Ancestry, one: Point, other: Point) -> Tree:
    """The tree of the best common ancestor; where there are several, they are merged first.

    Source of the scheme: git's recursive merge. Where two ancestors conflict over a document,
    it counts as it was before both.
    """
    bases = ancestry.bases(one, other)
    if not bases:
        return {}
    tree = _tree(store, bases[0])
    for at, base in enumerate(bases[1:], start=1):
        before: dict[int, State | None] = {}
        for earlier in bases[:at]:
            before |= _common(store, ancestry, earlier, base)
        tree = _joined(store, before, tree, _tree(store, base))
    return tree


def _tree(store: Store, point: Point) -> Tree:
    return {document: v.state for document, v in store.versions.tree(*point).items()}


def _joined(store: Store, base: Tree, ours: Tree, theirs: Tree) -> Tree:
    out: dict[int, State | None] = {}
    for document in ours.keys() | theirs.keys():
        if document not in theirs or document not in ours:
            out[document] = (ours if document in ours else theirs)[document]
            continue
        before = base.get(document)
        combined = combine(store.contents, before, ours[document], theirs[document], document)
        out[document] = before if combined.conflicts else combined.state
    return out


def _collisions(mine: Mapping[int, Version], edits: Sequence[Edit]) -> list[Conflict]:
    """Documents that would share a path, or lie below one."""
    states: dict[int, State | None] = {document: head.state for document, head in mine.items()}
    states |= {edit.document: edit.state for edit in edits if edit.document is not None}
    holders: dict[str, int] = {}
    conflicts = []
    for document, state in states.items():
        if state is not None and holders.setdefault(state.path, document) != document:
            conflicts.append(Conflict(state.path, "another document is there", document))
    below = {folder for path in holders for folder in _above(path)}
    for edit in edits:
        path = edit.state.path if edit.state else ""
        if path in below:
            conflicts.append(Conflict(path, "a folder here, a document on the other side", edit.document))
        above = [folder for folder in _above(path) if folder in holders]
        conflicts += [Conflict(f, "a document here, a folder on the other side", edit.document) for f in above]
    return list({(conflict.path, conflict.reason): conflict for conflict in conflicts}.values())


def _above(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]
