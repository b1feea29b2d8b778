"""Combining two changes to one document: path, mode and content, each three ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from workspace.records import Conflict, State
from workspace.store.contents import Contents
from workspace.store.merge3 import merge3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Combined:
    """``state`` is the outcome (None: deleted) and means nothing where there are conflicts."""

    state: State | None
    conflicts: tuple[Conflict, ...] = ()


def combine(
    contents: Contents, base: State | None, ours: State | None, theirs: State | None, document: int | None = None
) -> Combined:
    """Bring the change from ``base`` to ``theirs`` onto ``ours``; fitted contents are stored.

    Call it inside a transaction. Nothing of ours is given up: where both changed the same
    thing in different ways, the answer is a conflict.
    """
    if ours == theirs or theirs == base:
        return Combined(ours)
    if ours == base:
        return Combined(theirs)
    known = ours or theirs or base
    assert known is not None  # else all three were equal
    path = known.path
    if ours is None or theirs is None:
        gone = "here" if ours is None else "there"
        return Combined(None, (Conflict(path, f"deleted {gone}, edited on the other side", document),))
    try:
        place = _pick(base.path if base else None, ours.path, theirs.path)
        mode = _pick(base.mode if base else None, ours.mode, theirs.mode)
    except _Differ:
        return Combined(None, (Conflict(path, "renamed or changed in mode in two ways", document),))
    try:
        return Combined(State(place, mode, _pick(base.content if base else None, ours.content, theirs.content)))
    except _Differ:
        pass
    if ours.is_link or theirs.is_link:
        return Combined(None, (Conflict(path, "two different link targets", document),))
    get = contents.get
    fitted = merge3(get(base.content) if base and not base.is_link else b"", get(ours.content), get(theirs.content))
    if fitted.content is None:
        return Combined(
            None,
            tuple(
                Conflict(path, "both sides changed the same lines", document, o.line, o.base, o.ours, o.theirs)
                for o in fitted.overlaps
            ),
        )
    return Combined(State(place, mode, contents.put(fitted.content, ours.content)))


class _Differ(Exception):
    pass


def _pick(base: T | None, ours: T, theirs: T) -> T:
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    raise _Differ
