"""What the workspace speaks of, as plain immutable records."""

from __future__ import annotations

import base64
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from workspace.entries.detail import Detail, Record
from workspace.kinds import Kind, Outcome

Change = Literal["create", "edit", "rename", "delete", "mode"]
CHANGES: tuple[Change, ...] = ("create", "edit", "rename", "delete", "mode")

INSTANT, BEGUN, ENDED, PART = 0, 1, 2, 3
"""Phases of an entry: a whole instant act; the start, the end and a part of a long one."""

MAIN = 1
"""The branch that every history begins with."""

REGULAR = stat.S_IFREG
LINK = stat.S_IFLNK


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one operation as the provider reported them; None is unknown, never 0.

    ``estimated`` counts tokens that nobody reported; ``cost`` is in 1e-9 USD.
    """

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    estimated: int | None = None
    cost: int | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether nobody knows how many tokens: they were neither reported nor estimated."""
        return self.estimated is None and (self.input is None or self.output is None)


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something, on what occasion and why: what every operation is recorded with."""

    kind: Kind = Kind.EDIT
    name: str | None = None
    actor: str | None = None
    session: str | None = None
    parent: int | None = None
    operation: int | None = None
    """The begun operation that this is a part of; by default it is one of its own."""
    step: int | None = None
    attempt: int | None = None
    decision: str | None = None
    model: str | None = None
    ref: bytes | None = None
    """What it is called elsewhere: a git commit's digest, a provider's message id."""
    detail: Detail = field(default_factory=dict)
    at: int | None = None
    """When it happened, in microseconds since 1970, if not now: imported history."""

    def saying(self, record: Record) -> Act:
        """The same act, with what a record says in its detail."""
        return replace(self, detail={**self.detail, **record.detail()})


@dataclass(frozen=True, slots=True)
class Entry:
    """One immutable, numbered line of the journal."""

    id: int
    operation: int
    phase: int
    time: int
    kind: Kind
    name: str | None
    actor: str | None
    session: str | None
    parent: int | None
    branch: int
    step: int | None
    attempt: int | None
    decision: str | None
    outcome: Outcome | None
    model: str | None
    usage: Usage
    ref: bytes | None
    payload: int | None
    detail: Detail
    chain: bytes


@dataclass(frozen=True, slots=True)
class Operation:
    """One atomic act by one actor, put together from its first and its last entry.

    ``outcome`` is None while it runs, and unknown where its end never came. Times are microseconds since 1970.
    """

    id: int
    last: int
    kind: Kind
    name: str | None
    actor: str | None
    session: str | None
    parent: int | None
    branch: int
    step: int | None
    attempt: int | None
    decision: str | None
    outcome: Outcome | None
    model: str | None
    usage: Usage
    ref: bytes | None
    started: int
    ended: int | None
    detail: Detail

    @property
    def well(self) -> bool:
        """Whether it has ended, and did what it was to do."""
        return self.outcome is not None and self.outcome.well

    @property
    def failed(self) -> bool:
        """Whether it has ended otherwise, for whatever reason."""
        return self.outcome is not None and self.outcome.failed

    @property
    def refused(self) -> bool:
        """Whether it was never begun, for want of permission or of sense."""
        return self.outcome is not None and self.outcome.refused


@dataclass(frozen=True, slots=True)
class State:
    """What a document is at one moment: None in its place means that it does not exist."""

    path: str
    mode: int
    content: int

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)


@dataclass(frozen=True, slots=True)
class Version:
    """One state of one document. ``mode`` and ``content`` are None where it is deleted.

    ``mode`` is ``st_mode``: the type (file or symlink) and the permissions. ``added`` and
    ``removed`` count lines against the parent, None for binary; ``size`` is in bytes.
    """

    document: int
    number: int
    branch: int
    parent: int | None
    merged: int | None
    entry: int
    operation: int
    change: Change
    path: str
    mode: int | None
    content: int | None
    added: int | None
    removed: int | None
    size: int | None

    @property
    def exists(self) -> bool:
        return self.content is not None

    @property
    def state(self) -> State | None:
        if self.mode is None or self.content is None:
            return None
        return State(self.path, self.mode, self.content)


@dataclass(frozen=True, slots=True)
class Branch:
    """A named line of versions; before entry ``fork`` it is its parent."""

    id: int
    name: str
    parent: int | None
    fork: int | None


@dataclass(frozen=True, slots=True)
class Edit:
    """A version about to be recorded: document None makes a new one; state None deletes."""

    document: int | None
    path: str
    state: State | None
    parent: int | None = None
    merged: int | None = None
    lines: tuple[int | None, int | None] | None = None
    """Lines added and removed against the parent, where they were counted before; None in it for binary."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why a document was left alone: both sides changed it. Contents are ids; None is absence."""

    path: str
    reason: str
    document: int | None = None
    line: int | None = None
    base: bytes = b""
    ours: bytes = b""
    theirs: bytes = b""

    def record(self) -> dict[str, object]:
        """The conflict as JSON values, its contents in base64."""
        texts = {name: base64.b64encode(getattr(self, name)).decode("ascii") for name in ("base", "ours", "theirs")}
        return {"path": self.path, "reason": self.reason, "document": self.document, "line": self.line, **texts}

    @classmethod
    def of(cls, record: Mapping[str, object]) -> Conflict:
        """The conflict that was written as a record."""
        texts = {name: base64.b64decode(str(record.get(name, ""))) for name in ("base", "ours", "theirs")}
        document, line = record.get("document"), record.get("line")
        return cls(
            str(record.get("path", "")), str(record.get("reason", "")),
            document if isinstance(document, int) else None, line if isinstance(line, int) else None, **texts,
        )  # fmt: skip


def to_bytes(path: str) -> bytes:
    """The name on disk of a workspace path; names that are not UTF-8 survive the round trip."""
    return path.encode("utf-8", "surrogateescape")


def to_path(name: bytes) -> str:
    """The workspace path of a name on disk."""
    return name.decode("utf-8", "surrogateescape")
