"""What a host answers, as records of JSON: the keys of each, and what they hold."""

from __future__ import annotations

from typing import TypedDict

from workspace.working_copy.walk import Reason


class TouchAnswer(TypedDict):
    """A document that an act would touch; ``added`` and ``removed`` are lines, None where they are not counted."""

    path: str
    to: str
    change: str
    added: int | None
    removed: int | None


class ConflictAnswer(TypedDict):
    """Where an act cannot be done, and why; ``line`` is None for a document as a whole."""

    path: str
    line: int | None
    reason: str


class MadeAnswer(TypedDict):
    """A version that an act made."""

    document: str
    version: int
    change: str
    added: int | None
    removed: int | None


class AboutAnswer(TypedDict):
    """An operation that an act is about."""

    operation: int
    label: str
    actor: str | None


class OutsideAnswer(TypedDict):
    """A path that no version holds, and what an act does to it."""

    path: str
    change: str
    reason: str


class StuckAnswer(TypedDict):
    """A path that no version holds and that an act cannot bring back."""

    path: str
    reason: str


class SkippedAnswer(TypedDict):
    """A path that is not captured; ``bytes`` is None for a folder."""

    path: str
    reason: Reason
    bytes: int | None


class SeenAnswer(MadeAnswer):
    """A version that was recorded before a scan, and by which operation."""

    operation: int


class BegunAnswer(TypedDict):
    """A history that a scan began."""

    root: str
    folder: str


class ActAnswer(TypedDict, total=False):
    """What an act did, or with ``dry_run`` would do; which keys there are depends on the act."""

    operation: int | None
    target: int
    name: str
    note: str
    expect: str
    versions: list[MadeAnswer]
    touched: list[TouchAnswer]
    conflicts: list[ConflictAnswer]
    uncertain: list[str]
    outside: list[OutsideAnswer]
    stuck: list[StuckAnswer]
    about: list[AboutAnswer]
    files: int
    bytes: int
    seen: list[SeenAnswer]
    skipped: list[SkippedAnswer]
    begun: BegunAnswer | None
    branch: str
    parent: str
    fork: int
    folder: str


class SessionAnswer(TypedDict):
    """A session that a host works for."""

    session: str
    held: bool


class WaitingAnswer(TypedDict):
    """An approval that waits for a person: its operation, and exactly what would be done."""

    approval: int
    capability: str
    arguments: dict[str, object]


class TextAnswer(TypedDict):
    """The text so far of a reply in flight."""

    operation: int
    text: str


class AttachAnswer(TypedDict):
    """How things stand when somebody attaches."""

    entry: int
    texts: list[TextAnswer]
    sessions: list[SessionAnswer]
    approvals: list[WaitingAnswer]


class WatchingAnswer(TypedDict):
    """How a host sees what others change in the folder: ``live``, ``polling`` or ``off``, and why not live."""

    watching: str
    why: str


class StatusAnswer(WatchingAnswer):
    """A host: its process, since when it runs (microseconds since 1970), its clients, sessions at work."""

    pid: int
    since: int
    clients: int
    running: list[str]
