"""Addresses: ``path@12``, ``path@-1``, ``@{14:03:22}``, ``path@{10m ago}``, ``op:1234``, ``branch:name``."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from workspace.errors import NotFound, WorkspaceError
from workspace.operations.history import History
from workspace.records import Operation, Version

_DIGITS = r"(?:[0-9]{1,18}|[0-9]{1,3}(?:,[0-9]{3}){1,5})"
_SUFFIX = re.compile(rf"^(?P<path>.*)@(?P<at>-?{_DIGITS}|\{{[^{{}}]+\}})$", re.DOTALL)
_NUMBER = re.compile(rf"^{_DIGITS}$")
_AGO = re.compile(r"^([0-9]{1,9})\s*(s|sec|secs|seconds?|m|min|mins|minutes?|h|hours?|d|days?|w|weeks?)\s+ago$")
_CLOCK = re.compile(r"^([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Address:
    """What an address names: a path or None for the whole workspace, a cursor, perhaps one version.

    ``version`` is the path's version at the cursor, None where nothing exists there; with
    ``numbered`` the address names that very version (``path@12``, ``path@-1``,
    ``branch:name:path``). ``operation`` is set for ``op:1234``, ``branch`` for ``branch:name``.
    """

    path: str | None
    cursor: int
    version: Version | None = None
    numbered: bool = False
    operation: int | None = None
    branch: int | None = None


def resolve(history: History, text: str, *, now: float | None = None, here: Path | None = None) -> Address:
    """What ``text`` names in this history. Raises NotFound, or WorkspaceError for a form it is not.

    ``path:`` in front takes the rest literally, for a document whose name looks like an
    address. ``op:12^`` is the moment before operation 12. Numbers may be grouped, as they
    are shown: ``op:3,057``. Paths start in the folder ``here``, by default in the workspace
    itself.
    """
    now = time.time() if now is None else now
    here = history.root if here is None else here
    if text.startswith("path:"):
        return _document(history, workspace_path(history.root, here, text[5:]), history.cursor)
    if text.startswith("op:"):
        return _operation(history, text[3:])
    if text.startswith("branch:"):
        name, _, path = text[7:].partition(":")
        branch = history.store.versions.branch(name)
        if not path:
            return Address(None, history.cursor, branch=branch.id)
        path = workspace_path(history.root, here, path)
        version = history.store.versions.find(path, branch.id, history.cursor)
        if version is None:
            raise NotFound(f"There is no {path} on branch {name}.")
        return Address(path, history.cursor, version, numbered=True)
    whole = workspace_path(history.root, here, text) if text else ""
    match = _SUFFIX.match(text)
    if match is None:
        return _document(history, whole, history.cursor)
    at = match["at"]
    path = workspace_path(history.root, here, match["path"]) if match["path"] else ""
    literal = history.store.versions.ever_at(whole)
    if literal and path and history.store.versions.ever_at(path):
        raise WorkspaceError(
            f"{whole} is a document, and {path} is one too: write path:{text} for the first,"
            f" {path}@{{10m ago}} for the second."
        )
    if literal:
        return _document(history, whole, history.cursor)
    if at.startswith("{"):
        cursor = at_time(history, at[1:-1], now)
        return _document(history, path, cursor) if path else Address(None, cursor)
    if not path:
        raise WorkspaceError(f"{text} names no document; write PATH{text}, or @{{time}} for the whole workspace.")
    return _numbered(history, path, int(at.replace(",", "")))


def number(text: str) -> int | None:
    """The number that ``3057`` or ``3,057`` is; None for anything else."""
    return int(text.replace(",", "")) if _NUMBER.match(text) else None


def workspace_path(root: Path, here: Path, text: str) -> str:
    """The workspace path of a file named from the folder ``here``; "" is the workspace itself.

    Nothing has to exist there. Raises NotFound outside the workspace.
    """
    whole = os.path.normpath(os.path.join(here, text))
    for place in (whole, os.path.join(os.path.realpath(os.path.dirname(whole)), os.path.basename(whole))):
        if place == str(root):
            return ""
        if place.startswith(str(root).rstrip("/") + "/"):
            return place[len(str(root).rstrip("/")) + 1 :]
    raise NotFound(f"{text} is not inside {root}.")


def at_time(history: History, text: str, now: float) -> int:
    """The newest entry at a time: ``14:03:22``, ``10m ago``, ``2026-11-20 14:03``, ``op:12``, a number."""
    if text.startswith("op:"):
        return _operation(history, text[3:]).cursor
    moment = parse_time(text, now)
    cursor = history.store.journal.at_time(round(moment * 1_000_000))
    if cursor == 0:
        first = history.store.journal.entry(1) if history.cursor else None
        since = datetime.fromtimestamp(first.time / 1e6).strftime("%Y-%m-%d %H:%M:%S") if first else "never"
        raise NotFound(f"Nothing is recorded from {text}; the history begins at {since}.")
    return cursor


def parse_time(text: str, now: float) -> float:
    """Seconds since 1970 of a local time in any form an address takes. Raises WorkspaceError."""
    text = text.strip()
    if text == "now":
        return now
    if match := _AGO.match(text):
        return now - int(match[1]) * _SECONDS[match[2][0]]
    here = datetime.fromtimestamp(now)
    if match := _CLOCK.match(text):
        hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
        if hour > 23 or minute > 59 or second > 59:
            raise WorkspaceError(f"{text} is no time of day.")
        then = here.replace(hour=hour, minute=minute, second=second, microsecond=999_999)
        if then - timedelta(microseconds=999_999) > here:
            then -= timedelta(days=1)
        return then.timestamp()
    if text in ("today", "yesterday"):
        start = here.replace(hour=0, minute=0, second=0, microsecond=0)
        return (start - timedelta(days=text == "yesterday")).timestamp()
    try:
        then = datetime.fromisoformat(text)
        if ":" in text and "." not in text:
            then += timedelta(microseconds=999_999)  # all of the second that was named
        return then.timestamp()
    except (ValueError, OverflowError):
        raise WorkspaceError(
            f"{text!r} is no time; write 14:03:22, 10m ago, yesterday or 2026-11-20 14:03."
        ) from None


def _document(history: History, path: str, cursor: int) -> Address:
    if not path:
        return Address(None, cursor)
    version = history.find(path, cursor=cursor)
    if version is None:
        ever = history.store.versions.ever_at(path)
        if not ever:
            folder = any(p.startswith(path + "/") for p in history.tree(cursor=cursor))
            if folder:
                return Address(path, cursor)
            raise NotFound(f"No document was ever at {path}; `wukong log` lists what there is.")
        version = history.head(ever[0], cursor=cursor)
    return Address(path, cursor, version)


def _numbered(history: History, path: str, number: int) -> Address:
    document = history.document(path)
    if number >= 0:
        newest = history.store.versions.history(document, limit=1)[0].number
        if not 1 <= number <= newest:
            raise NotFound(f"{path} has no version {number}; its newest is {newest}.")
        version = history.store.versions.get(document, number)
        return Address(path, version.entry, version, numbered=True)
    at = history.head(document)
    for _ in range(-number):
        if at is None or at.parent is None:
            raise NotFound(f"{path} has no version that far back.")
        at = history.store.versions.get(document, at.parent)
    if at is None:
        raise NotFound(f"{path} has no version on branch {history.branch.name}.")
    return Address(path, at.entry, at, numbered=True)


def _operation(history: History, text: str) -> Address:
    before = text.endswith("^")
    operation = operation_of(history, "op:" + text.removesuffix("^"))
    if before:
        return Address(None, operation.id - 1)
    return Address(None, operation.last, operation=operation.id)


def operation_of(history: History, text: str) -> Operation:
    """The operation that ``op:12`` or ``12`` names. Raises NotFound, or WorkspaceError where it is no number."""
    id_ = number(text.removeprefix("op:"))
    if id_ is None:
        raise WorkspaceError(f"{text} names no operation; write its number, such as op:12.")
    if not 1 <= id_ <= history.cursor:
        raise NotFound(f"There is no op:{id_}; the newest is op:{history.cursor}.")
    return history.operation(id_)
