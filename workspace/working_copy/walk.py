"""One walk over a working directory: what is there, and what is left out and why."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from workspace.working_copy.files import Stamp
from workspace.working_copy.ignore import (
    DEFAULT_CACHES,
    IGNORE_FILES,
    VERSION_CONTROL,
    Caches,
    Rules,
    is_editors,
    is_ours,
    is_secret,
)

Reason = Literal[
    "ignored", "cache", "git object", "secret", "too large", "unreadable", "outside", "not a file", "version control"
]  # fmt: skip
LARGEST = 64 << 20
"""Bytes of the largest file that is captured unless the owner says otherwise."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A path that is not captured. A folder stands for all below it; its size is not known."""

    path: str
    reason: Reason
    bytes: int | None


@dataclass(slots=True)
class Walk:
    """Regular files and symlinks by path, and everything that was passed over."""

    present: dict[str, tuple[int, Stamp]] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    """The folders whose entries were all looked at; ``""`` is the root."""
    within: frozenset[str] | None = None
    """The paths that were looked at, with all below them; None: the whole folder."""
    _passed: tuple[set[str], set[str]] | None = None

    def hides(self, path: str) -> bool:
        """Whether a path that was not seen may still be there: it or a folder above was passed over."""
        if self._passed is None:
            below = {s.path for s in self.skipped if s.bytes is None}  # nothing is below a file or a pipe
            self._passed = {s.path for s in self.skipped}, below
        names, below = self._passed
        return "" in below or path in names or any(folder in below for folder in folders(path))


def walk(
    root: Path,
    known: Collection[str],
    *,
    largest: int = LARGEST,
    named: Collection[str] = (),
    without: Collection[str] = (),
    within: Collection[str] | None = None,
    caches: Caches = DEFAULT_CACHES,
) -> Walk:
    """Walk the directory, or the paths ``within`` with all below them, without following links.

    ``known`` paths are documents already and stay captured whatever the ignore files say;
    ``named`` paths are captured although ignored or likely secret, and below a named folder
    all that is ignored, but no likely secret; ``without`` folders hold
    histories and are never looked into, nor is what version control keeps. Sizes in bytes.
    """
    parents = {path.rpartition("/")[0] for path in (*known, *named)}
    wanted_folders = parents.union(folder for path in parents for folder in folders(path))
    leads = None if within is None else _leads(within)
    result = Walk(within=None if within is None else frozenset(within))
    start = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    _folder(
        start, "", Rules(caches=caches), result, (known, set(named), wanted_folders, set(without), largest), leads
    )
    return result


_Options = tuple[Collection[str], set[str], set[str], set[str], int]
_Leads = dict[str, "_Leads | None"]
"""The names in a folder that lead to the paths of a walk; None: the path itself, and all below it."""


def _leads(paths: Collection[str]) -> _Leads:
    top: _Leads = {}
    for path in sorted(paths):  # a folder comes before what is below it
        *above, name = path.split("/")
        at: _Leads | None = top
        for folder in above:
            at = at.setdefault(folder, {}) if at is not None else None
        if at is not None:
            at[name] = None
    return top


class _Named:
    """An entry of a folder that is not listed, as ``os.scandir`` gives it."""

    def __init__(self, handle: int, name: str) -> None:
        self.name = name
        self._status = os.stat(name, dir_fd=handle, follow_symlinks=False)

    def is_dir(self, *, follow_symlinks: bool = False) -> bool:
        return stat.S_ISDIR(self._status.st_mode)

    def stat(self, *, follow_symlinks: bool = False) -> os.stat_result:
        return self._status


_Entry = os.DirEntry[str] | _Named


def _entries(handle: int, leads: _Leads | None) -> list[_Entry]:
    if leads is None:
        with os.scandir(handle) as listing:
            return list(listing)
    found: list[_Entry] = []
    for name in leads:
        with suppress(FileNotFoundError):
            found.append(_Named(handle, name))
    return found


def _folder(
    handle: int, folder: str, rules: Rules, out: Walk, options: _Options, leads: _Leads | None, asked: bool = False
) -> None:
    known, named, wanted_folders, without, largest = options
    prefix = f"{folder}/" if folder else ""
    below: list[tuple[str, str]] = []
    try:
        entries = _entries(handle, leads)
        if leads is None:
            out.folders.append(folder)
        names = {entry.name for entry in entries} if leads is None else set(IGNORE_FILES)
        if not names.isdisjoint(IGNORE_FILES):
            rules = rules.below(folder, lambda path: _read_small(handle, path.rpartition("/")[2]), names)
        for entry in entries:
            name, path = entry.name, prefix + entry.name
            if name in VERSION_CONTROL:
                out.skipped.append(_version_control(entry, path))
                continue
            if is_ours(name) or path in without:
                continue
            if entry.is_dir(follow_symlinks=False):
                wanted = asked or path in wanted_folders or path in named
                if not wanted and (why := _ignored(name, rules.verdict(path, folder=True), rules.caches)):
                    out.skipped.append(Skipped(path, why, None))
                else:
                    below.append((name, path))
                continue
            if leads is not None and leads[name] is not None:
                continue  # a file where there was a folder: nothing is left below
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # it went while we looked; the others are still there
            reason = None if path in known or path in named else _unwanted(name, path, rules, asked)
            reason = reason or _impossible(status, largest)
            if reason is None:
                out.present[path] = (status.st_mode, Stamp.of(status))
            else:
                out.skipped.append(Skipped(path, reason, status.st_size))
        for name, path in below:
            try:
                inside = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            except FileNotFoundError:
                continue
            except OSError:
                out.skipped.append(Skipped(path, "unreadable", None))
                continue
            _folder(inside, path, rules, out, options, leads[name] if leads else None, asked or path in named)
    except PermissionError:
        out.skipped.append(Skipped(folder, "unreadable", None))
    except FileNotFoundError:
        return
    finally:
        os.close(handle)


def _unwanted(name: str, path: str, rules: Rules, asked: bool) -> Reason | None:
    verdict = rules.verdict(path)
    if not asked and (why := _ignored(name, verdict, rules.caches)):
        return why
    return "secret" if verdict is not False and is_secret(name) else None


def _ignored(name: str, verdict: bool | None, caches: Caches) -> Reason | None:
    if verdict is not False and name in caches:
        return "cache"
    return "ignored" if verdict or (verdict is None and is_editors(name)) else None


def _version_control(entry: _Entry, path: str) -> Skipped:
    """Another program's store, or the file or link that leads to it, which is never looked into."""
    if entry.is_dir(follow_symlinks=False):
        return Skipped(path, "version control", None)
    try:
        return Skipped(path, "version control", entry.stat(follow_symlinks=False).st_size)
    except OSError:
        return Skipped(path, "version control", None)


def _impossible(status: os.stat_result, largest: int) -> Reason | None:
    if stat.S_ISREG(status.st_mode):
        return "too large" if status.st_size > largest else None
    return None if stat.S_ISLNK(status.st_mode) else "not a file"


def folders(path: str) -> list[str]:
    """The folders above a path, outermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _read_small(folder: int, name: str) -> bytes | None:
    """An ignore file's bytes; links and anything over 1 MiB are not followed."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return None
    try:
        return os.read(handle, 1 << 20)
    except OSError:
        return None
    finally:
        os.close(handle)
