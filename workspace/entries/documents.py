"""Records of what happens to documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from workspace.entries.detail import (
    Detail,
    Record,
    Recorded,
    flag,
    items,
    number,
    numbers,
    of_type,
    text,
    texts,
)


class Passed(NamedTuple):
    """A path that is not captured, and why; bytes are None for a folder."""

    path: str
    reason: str
    bytes: int | None


@dataclass(frozen=True, slots=True)
class CaptureEntry(Record):
    """What a look at the folder found: a scan, an outside edit, the end of a command, an imported commit."""

    skipped: tuple[Passed, ...] = ()
    """Paths that are not captured from now on."""
    covered: tuple[str, ...] = ()
    """Paths that are captured again, or gone."""
    first: bool = False
    """It began the history with what was there."""
    watched: bool = False
    """It was seen as it happened."""
    claims: tuple[int, ...] = ()
    """Operations whose work it took over."""

    @classmethod
    def of(cls, entry: Recorded) -> Self:
        return cls.read(entry.detail)

    @classmethod
    def read(cls, detail: Detail) -> Self:
        rows = [row for row in items(detail, "skipped") if isinstance(row, list) and len(row) == 3]
        return cls(
            tuple(Passed(str(path), str(reason), of_type(int, size)) for path, reason, size in rows),
            texts(detail, "covered"), flag(detail, "first"), flag(detail, "watched"), numbers(detail, "claims"),
        )  # fmt: skip

    @property
    def covers(self) -> bool:
        """Whether it changes what is captured."""
        return bool(self.skipped or self.covered)


@dataclass(frozen=True, slots=True)
class ImportEntry(Record):
    """A commit of another system; ``message`` where it is more than the name."""

    message: str = ""

    @classmethod
    def of(cls, entry: Recorded) -> Self:
        return cls(text(entry.detail, "message"))


@dataclass(frozen=True, slots=True)
class BranchEntry(Record):
    """A branch, and the entry at which it leaves its parent."""

    branch: int
    parent: int
    fork: int


@dataclass(frozen=True, slots=True)
class MergeEntry(Record):
    """A merge of branches: the (branch, entry) pairs that it joined, ours first. Other merges join none."""

    parents: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, entry: Recorded) -> Self:
        pairs = (numbers({"pair": pair}, "pair") for pair in items(entry.detail, "parents"))
        return cls(tuple((pair[0], pair[1]) for pair in pairs if len(pair) == 2))


@dataclass(frozen=True, slots=True)
class ConflictEntry(Record):
    """Conflicts that nobody was there to be told of: path, line, reason."""

    conflicts: tuple[tuple[str, int | None, str], ...] = ()


@dataclass(frozen=True, slots=True)
class OutsideEntry(Record):
    """What an operation changed that no version holds; of long lists the beginning, and their lengths."""

    outside: tuple[tuple[str, str, str], ...] = ()
    """Paths with what was done to them, and why no version holds it."""
    caches: tuple[str, ...] = ()
    """Paths of caches and builds, which are only named."""
    refused: tuple[str, ...] = ()
    """Paths that never go in."""
    counts: tuple[int, int, int] | None = None
    """How many there were of each, where a list is cut."""

    @classmethod
    def of(cls, entry: Recorded) -> Self:
        detail = entry.detail
        rows = (texts({"row": row}, "row") for row in items(detail, "outside"))
        counts = detail.get("counts")
        given = [number(counts, key) for key in _LISTS] if isinstance(counts, Mapping) else []
        known = [count for count in given if count is not None]
        return cls(
            tuple((row[0], row[1], row[2]) for row in rows if len(row) == 3), texts(detail, "caches"),
            texts(detail, "refused"), (known[0], known[1], known[2]) if len(known) == 3 else None,
        )  # fmt: skip

    def detail(self) -> dict[str, object]:
        counts = {} if self.counts is None else {"counts": dict(zip(_LISTS, self.counts, strict=True))}
        return {**Record.detail(self), **counts}


_LISTS = ("outside", "caches", "refused")


@dataclass(frozen=True, slots=True)
class EvictEntry(Record):
    """Kept files that were let go: the operation that displaced each, its path and its size in bytes."""

    evicted: tuple[tuple[int, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class UndoEntry(Record):
    """An undo or a redo: which operation it takes back; 0 for none that is known."""

    target: int = 0

    @classmethod
    def of(cls, entry: Recorded) -> Self:
        return cls(number(entry.detail, "target") or 0)


@dataclass(frozen=True, slots=True)
class RevertEntry(Record):
    """A revert: the operations that it takes out."""

    reverts: tuple[int, ...] = ()

    @classmethod
    def of(cls, entry: Recorded) -> Self:
        return cls(numbers(entry.detail, "reverts"))


def said(entry: Recorded) -> str:
    """What anybody recorded of why an operation did not end well; empty where nobody did."""
    return next(filter(None, (text(entry.detail, key) for key in ("error", "why", "reason"))), "")


def is_probable(entry: Recorded) -> bool:
    """Whether somebody else may have made some of the changes of an operation."""
    return entry.detail.get("attribution") in ("probable", "joint")


def dated(entry: Recorded) -> int | None:
    """When it happened, in microseconds since 1970, where that was not when it was recorded."""
    return number(entry.detail, "dated")
