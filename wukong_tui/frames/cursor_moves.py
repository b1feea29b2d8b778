"""Moving the cursor: steps by version, operation, plan step and prompt, and where ``:`` goes to.

Functions that take a history run in a reader's thread; the rest is arithmetic. Nothing here
changes anything, and a cursor is one integer, an entry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from workspace import History, NotFound, WorkspaceError
from workspace.kinds import Kind
from workspace.operations import addresses
from workspace.store.journal import Journal


@dataclass(frozen=True, slots=True)
class Target:
    """Where to go: an entry, and the document to look at where that changes.

    ``note`` is one sentence for a person where they get something else than they asked for.
    """

    cursor: int
    document: int | None = None
    note: str = ""


def version_step(history: History, document: int | None, branch: int, cursor: int, steps: int) -> Target:
    """The moment ``steps`` versions of a document after the cursor (before it, where negative).

    As far as there are any; where there is none that way the cursor stays, and the note says so.
    """
    if document is None:
        return Target(cursor, note="No document is shown.")
    if steps == 0:
        return Target(cursor, document)
    version = history.store.versions.step(document, branch, cursor, steps)
    if version is None:
        if steps > 0:
            return Target(cursor, document, "This is the last version of this document.")
        shown = history.store.versions.at(document, branch, cursor)
        here = "This is the first version of this document."
        return Target(cursor, document, here if shown else "This document did not exist yet.")
    return Target(version.entry, document)


def operation_step(history: History, cursor: int, steps: int) -> Target:
    """The moment ``steps`` whole acts after the cursor (before it, where negative), as far as there are any."""
    there = history.store.journal.moment(cursor, steps) if steps else cursor
    if there == cursor and steps:
        return Target(cursor, note="This is the last operation." if steps > 0 else "This is the first operation.")
    return Target(there)


def prompt_step(history: History, cursor: int, steps: int) -> Target:
    """The beginning of the prompt so many after the cursor (before it, where negative)."""
    return _nearest(history.store.journal, Kind.PROMPT, "prompt", cursor, steps)


def plan_step(history: History, cursor: int, steps: int) -> Target:
    """The beginning of the attempt at a plan step so many after the cursor (before it, where negative).

    From within an attempt, one back is its own beginning.
    """
    return _nearest(history.store.journal, Kind.ATTEMPT, "attempt at a plan step", cursor, steps)


def _nearest(journal: Journal, kind: Kind, name: str, cursor: int, steps: int) -> Target:
    at = cursor
    for _ in range(abs(steps)):
        found = journal.nearest((kind,), at, forward=steps > 0)
        if found is None:
            break
        at = found
    if at == cursor and steps:
        return Target(cursor, note=f"There is no {name} {'after' if steps > 0 else 'before'} this.")
    return Target(at)


def first(history: History) -> Target:
    """The first entry; 0 in an empty history."""
    return Target(min(1, history.cursor))


def live(history: History) -> Target:
    """The newest entry."""
    return Target(history.cursor)


def time_of(history: History, cursor: int) -> int | None:
    """When the entry at the cursor was written, in microseconds since 1970; None before the first."""
    return history.store.journal.entry(cursor).time if cursor > 0 else None


def parse_goto(history: History, text: str, document: int | None, branch: int, cursor: int, now: float) -> Target:
    """Where ``text`` leads from here; ``now`` is in seconds since 1970.

    ``12`` is version 12 of the document shown, ``-1`` one version before the one shown,
    ``op:9`` an operation, ``14:03``, ``2026-11-20 14:03`` and ``10m ago`` a time, ``live``
    and ``first`` the ends; a path, ``path@12`` and every other address lead to their
    document. Raises WorkspaceError with one sentence.
    """
    text = text.strip()
    if not text:
        raise WorkspaceError("Write where to go: 12, -1, op:9, 14:03, 10m ago or a document.")
    if text in ("live", "LIVE", "now"):
        return live(history)
    if text == "first":
        return first(history)
    if (number := addresses.number(text)) is not None:
        return _numbered(history, document, number)
    if text[0] in "-−" and (back := addresses.number(text[1:])) is not None:
        if document is None:
            raise WorkspaceError(f"{text} counts versions back, and no document is shown; open one first.")
        return version_step(history, document, branch, cursor, -back)
    if (at := _time(history, text, now)) is not None:
        return Target(at)
    address = addresses.resolve(history, text, now=now, here=history.root)
    if address.version is None:
        if address.path is not None:
            raise NotFound(f"{address.path} is a folder; name a document in it.")
        return Target(address.cursor)
    moved = address.numbered or "@{" in text
    return Target(address.cursor if moved else cursor, address.version.document)


def _numbered(history: History, document: int | None, number: int) -> Target:
    if document is None:
        raise WorkspaceError(f"{number} is a version, and no document is shown; write op:{number} for an operation.")
    newest = history.store.versions.history(document, limit=1)[0].number
    if not 1 <= number <= newest:
        raise NotFound(f"This document has no version {number}; its newest is {newest:,}.")
    return Target(history.store.versions.get(document, number).entry, document)


def _time(history: History, text: str, now: float) -> int | None:
    """The entry at a time; None where the text is no time, or is a document's name."""
    if history.store.versions.ever_at(text):
        return None
    try:
        addresses.parse_time(text, now)
    except WorkspaceError:
        if re.match(r"^[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?$", text):
            raise  # a time of day that is none
        return None
    return addresses.at_time(history, text, now)
