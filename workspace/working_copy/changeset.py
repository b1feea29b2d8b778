"""Change sets: what one execution changed, read from the upper folder of its overlay.

An overlay copies a file up before it changes it, so what lies in the upper folder is not always a change: it is
compared with the file below. A removed name is a character device 0/0; a folder that was removed and made again
carries the attribute ``user.overlay.opaque``. Source: the kernel's Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from workspace.working_copy import git_state
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
from workspace.working_copy.overlay_files import is_opaque, is_whiteout, same_bytes, small
from workspace.working_copy.overlay_files import status as status_of
from workspace.working_copy.walk import Reason

Kind = Literal["created", "edited", "deleted", "touched"]
Treatment = Literal["document", "outside", "cache", "git", "refused"]
Treated = tuple[Treatment, Reason | None]
"""A ``document`` is recorded. What is ``outside`` of the history is put in place, and what it displaces is kept. A
``cache`` is put in place and only named. ``git`` state goes in whole or not at all. What is ``refused`` stays out.
"""
_DOCUMENT: Treated = ("document", None)
_COMPANIONS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database: they mean nothing apart."""


@dataclass(frozen=True, slots=True)
class Upper:
    """The upper folder of an overlay and what is known of its mount.

    ``mounted`` is the time just before the mount, in ns since 1970; ``entry`` the newest entry of the
    journal then. While processes live on it (``live``) it is read and never touched.
    ``hidden`` paths were kept out of sight by a layer of whiteouts, so what lies there is no change of theirs.
    """

    folder: Path
    mounted: int
    entry: int
    operation: int
    session: str
    live: bool = False
    same_filesystem: bool = True
    hidden: frozenset[str] = frozenset()


@dataclass(slots=True)
class Taken:
    """What is known of a live upper folder, by path; brought up to date whenever something is taken or put there.

    ``stamps`` are of what was taken from it, ``same`` of what is there as it is in the workspace. As of the entry in
    ``entries`` a document was what is seen inside: a change that comes later was made from that.
    """

    stamps: dict[str, Stamp] = field(default_factory=dict)
    same: dict[str, Stamp] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one path; a ``folder`` stands for all below it.

    ``lower`` and ``upper`` are the stamps of what lies below and above, None for nothing; ``mode`` is the ``st_mode``
    above. Changes of one ``group`` go in together or not at all.
    """

    path: str
    kind: Kind
    treatment: Treatment
    reason: Reason | None
    lower: Stamp | None
    upper: Stamp | None
    mode: int
    folder: bool = False
    group: str = ""


@dataclass(slots=True)
class ChangeSet:
    """What an upper folder changes, by path.

    ``folders`` were made (path and permissions); ``removed`` ones are to go where they are empty.
    """

    upper: Upper
    changes: list[Change] = field(default_factory=list)
    folders: list[tuple[str, int]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (self.changes or self.folders or self.removed)

    def of(self, *treatments: Treatment) -> list[Change]:
        """The changes that are treated so."""
        return [change for change in self.changes if change.treatment in treatments]


def read(
    root: Path,
    upper: Upper,
    *,
    known: Callable[[str], bool],
    known_below: Callable[[str], bool],
    largest: int,
    caches: Caches = DEFAULT_CACHES,
    seen: dict[str, Stamp] | None = None,
) -> ChangeSet:
    """Compare an upper folder with the folder below it; costs what was changed, whatever the size of the folder.

    ``known`` tells whether a document is at a path, ``known_below`` whether one is below a folder; ``largest`` is the
    size in bytes of the largest file that is captured. ``seen`` are the stamps of what was taken from a live upper
    folder before: that is passed over, and the new stamps are added. Writes nothing.
    """
    reader = _Reader(upper, known, known_below, largest, seen)
    with suppress(FileNotFoundError):
        reader.folder(os.fsencode(upper.folder), os.fsencode(root), "", Rules(caches=caches), fresh=False)
    reader.out.changes = _grouped(reader.out.changes)
    return reader.out


class _Reader:
    """Walks the upper folder and what lies below it side by side."""

    def __init__(
        self,
        upper: Upper,
        known: Callable[[str], bool],
        known_below: Callable[[str], bool],
        largest: int,
        seen: dict[str, Stamp] | None,
    ) -> None:
        self.out = ChangeSet(upper)
        self._known = known
        self._known_below = known_below
        self._largest = largest
        self._seen = seen
        self._touches_rules = False
        """Whether an ignore file was changed: what it says of a cache may be the execution's own word."""

    def folder(
        self, above: bytes, below: bytes | None, path: str, rules: Rules, *, fresh: bool, group: str = "",
        inside: Treated = _DOCUMENT,
    ) -> None:  # fmt: skip
        """Compare two folders. ``fresh``: nothing from below shows through, so what is not above was removed.

        ``inside``: how the folder itself is treated, which holds for all in it that is no document.
        """
        entries = {entry.name: entry for entry in _listing(above)}
        names = _names(below) if below is not None else set()
        if {b"HEAD", b"objects", b"refs"} <= entries.keys() | names:  # git takes such a folder for a repository
            for name in (b"config", b"hooks", b"commondir", b"config.worktree"):
                names.discard(name)
                if (entry := entries.pop(name, None)) is not None:
                    shown = f"{path}/{os.fsdecode(name)}".lstrip("/")
                    stamp = Stamp.of(entry.stat(follow_symlinks=False))
                    self._add(Change(shown, "created", "refused", "version control", None, stamp, 0, True))
        self._touches_rules |= not entries.keys().isdisjoint(map(os.fsencode, IGNORE_FILES))
        rules = self._rules(rules, path, above, below, entries, names, fresh)
        prefix = f"{path}/" if path else ""
        for name in sorted({*entries, *(names if fresh else ())}):
            shown = prefix + os.fsdecode(name)
            if shown in self.out.upper.hidden or (
                is_ours(os.fsdecode(name)) and os.fsdecode(name) not in VERSION_CONTROL
            ):
                continue
            try:
                self._entry(above, below, name, shown, entries.get(name), names, rules, group, inside)
            except (OSError, RecursionError):  # it cannot be looked at, or lies too deep
                self._add(Change(shown, "created", "refused", "unreadable", None, None, 0))

    # -- inside

    def _entry(
        self, above: bytes, below: bytes | None, name: bytes, shown: str, entry: os.DirEntry[bytes] | None,
        names: set[bytes], rules: Rules, group: str, inside: Treated,
    ) -> None:  # fmt: skip
        lower_path = below + b"/" + name if below is not None else None
        lower = status_of(lower_path) if lower_path is not None and name in names else None
        status = status_of(entry.path) if entry is not None else None
        if status is None or is_whiteout(status):
            if lower is not None and lower_path is not None and self._is_removal(shown, status, lower):
                self._deleted(lower_path, lower, shown, rules, group, inside)
        elif os.fsdecode(name) in VERSION_CONTROL:
            self._version_control(above + b"/" + name, lower_path, shown, status, lower)
        elif stat.S_ISDIR(status.st_mode):
            self._folder(above + b"/" + name, lower_path, shown, status, lower, rules, group, inside)
        else:
            self._file(above + b"/" + name, lower_path, shown, status, lower, rules, group, inside)

    def _folder(
        self, above: bytes, below: bytes | None, path: str, status: os.stat_result, lower: os.stat_result | None,
        rules: Rules, group: str, inside: Treated,
    ) -> None:  # fmt: skip
        treatment, reason = treated = self._treatment(path, rules, status, inside, folder=True)
        if lower is not None and below is not None and stat.S_ISDIR(lower.st_mode):
            self.folder(above, below, path, rules, fresh=is_opaque(above), group=group, inside=treated)
            return
        if lower is not None and below is not None:  # a file made way for a folder
            group = group or path
            self._deleted(below, lower, path, rules, group, inside)
        if treatment != "document" and not self._known_below(path) and not _holds_repository(above):
            if self._is_new(path, status):
                self._add(
                    Change(path, "created", treatment, reason, None, Stamp.of(status), status.st_mode, True, group)
                )
            return
        if self._is_new(path, status):
            self.out.folders.append((path, stat.S_IMODE(status.st_mode)))
        self.folder(above, None, path, rules, fresh=True, group=group, inside=treated)

    def _file(
        self, above: bytes, below: bytes | None, path: str, status: os.stat_result, lower: os.stat_result | None,
        rules: Rules, group: str, inside: Treated,
    ) -> None:  # fmt: skip
        if not self._is_new(path, status):
            return
        if lower is not None and below is not None and stat.S_ISDIR(lower.st_mode):  # a folder made way for a file
            group = group or path
            self._deleted(below, lower, path, rules, group, inside)
            lower = None
        treatment, reason = self._treatment(path, rules, status, inside, real=above)
        if treatment == "document" and lower is not None and below is not None and not self._known(path):
            treatment, reason = self._treatment(path, rules, lower, inside, real=below)
        kind: Kind = "created"
        if lower is not None and below is not None:
            same = _same(above, status, below, lower)
            if same and status.st_mtime_ns == lower.st_mtime_ns:
                return  # it was only copied up
            kind = "touched" if same else "edited"
        upper = Stamp.of(status)
        below_ = Stamp.of(lower) if lower is not None else None
        self._add(Change(path, kind, treatment, reason, below_, upper, status.st_mode, group=group))

    def _deleted(
        self, below: bytes, lower: os.stat_result, path: str, rules: Rules, group: str, inside: Treated
    ) -> None:
        is_folder = stat.S_ISDIR(lower.st_mode)
        treatment, reason = treated = self._treatment(path, rules, lower, inside, folder=is_folder, real=below)
        if treatment == "cache" and self._touches_rules:
            treatment, reason = treated = "outside", "ignored"
        if is_folder and path.rpartition("/")[2] in VERSION_CONTROL:
            treatment, reason = "refused", "version control"
        elif is_folder and (treatment == "document" or self._known_below(path)):
            self._deleted_below(below, path, rules, group, treated)
            return
        self._add(Change(path, "deleted", treatment, reason, Stamp.of(lower), None, 0, is_folder, group))

    def _deleted_below(self, below: bytes, path: str, rules: Rules, group: str, inside: Treated) -> None:
        self.out.removed.append(path)
        names = _names(below)
        rules = self._rules(rules, path, None, below, {}, names, False)
        for name in sorted(names):
            shown = f"{path}/{os.fsdecode(name)}"
            status = status_of(below + b"/" + name)
            if status is not None and shown not in self.out.upper.hidden:
                self._deleted(below + b"/" + name, status, shown, rules, group, inside)

    def _is_removal(self, path: str, whiteout: os.stat_result | None, lower: os.stat_result) -> bool:
        """Whether what is not above was removed there, and not put below after it had been."""
        if self._seen is None:
            return True
        if whiteout is None:
            return lower.st_ctime_ns < self.out.upper.mounted
        stamp = Stamp.of(whiteout)
        if self._seen.get(path) == stamp:
            return False
        self._seen[path] = stamp
        return True

    def _version_control(
        self, above: bytes, below: bytes | None, path: str, status: os.stat_result, lower: os.stat_result | None
    ) -> None:
        name = path.rpartition("/")[2]
        if (
            name != ".git"
            or not stat.S_ISDIR(status.st_mode)
            or (lower is not None and not stat.S_ISDIR(lower.st_mode))
        ):
            kind: Kind = "edited" if lower is not None else "created"
            stamp = Stamp.of(lower) if lower is not None else None
            self._add(Change(path, kind, "refused", "version control", stamp, Stamp.of(status), status.st_mode, True))
            return
        for change in git_state.changes(above, below if lower is not None else None, path, live=self.out.upper.live):
            if self._seen is None or change.upper is None or self._seen.get(change.path) != change.upper:
                self._add(_of_git(change))

    def _treatment(
        self, path: str, rules: Rules, status: os.stat_result, inside: Treated, *, folder: bool = False,
        real: bytes = b"",
    ) -> Treated:  # fmt: skip
        """How a path is treated; ``real`` is where it can be looked at."""
        name = path.rpartition("/")[2]
        if not folder and self._known(path):
            large = stat.S_ISREG(status.st_mode) and status.st_size > self._largest
            return ("outside", "too large") if large else ("document", None)
        if inside != _DOCUMENT:
            return inside
        verdict = rules.verdict(path, folder=folder)
        if verdict is not False and name in rules.caches:
            return "cache", "cache"
        if verdict or (verdict is None and is_editors(name)):
            return "outside", "ignored"
        if folder:
            return "document", None
        if verdict is None and is_secret(name):
            return "outside", "secret"
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
            return "outside", "not a file"
        if stat.S_ISREG(status.st_mode) and status.st_size > self._largest:
            return "outside", "too large"
        if stat.S_ISREG(status.st_mode) and real and not os.access(real, os.R_OK):
            return "outside", "unreadable"
        return "document", None

    def _is_new(self, path: str, status: os.stat_result) -> bool:
        """Whether what lies above was not taken from here before."""
        return self._seen is None or self._seen.get(path) != Stamp.of(status)

    def _add(self, change: Change) -> None:
        if self._seen is not None and change.upper is not None:
            self._seen[change.path] = change.upper
        self.out.changes.append(change)

    def _rules(
        self, rules: Rules, path: str, above: bytes | None, below: bytes | None,
        entries: dict[bytes, os.DirEntry[bytes]], names: set[bytes], fresh: bool,
    ) -> Rules:  # fmt: skip
        """The rules in a folder as the execution left it: an ignore file above hides the one below."""
        there = {os.fsdecode(name) for name in {*entries, *(() if fresh else names)}}
        if there.isdisjoint(IGNORE_FILES):
            return rules

        def content(shown: str) -> bytes | None:
            name = os.fsencode(shown.rpartition("/")[2])
            folder = above if name in entries else below
            return small(folder + b"/" + name) if folder is not None else None

        return rules.below(path, content, there)


def _of_git(change: git_state.GitChange) -> Change:
    treatment: Treatment = "git" if change.goes_in else "refused"
    reason: Reason = "git object" if git_state.is_object(change.path) else "version control"
    return Change(
        change.path, change.kind, treatment, reason, change.lower, change.upper, change.mode, group=change.repository
    )


def _grouped(changes: Sequence[Change]) -> list[Change]:
    """Put a database and what SQLite keeps beside it into one group."""
    paths = {change.path for change in changes}
    databases = {
        path.removesuffix(companion) for path in paths for companion in _COMPANIONS if path.endswith(companion)
    }
    if not databases:
        return list(changes)

    def group(change: Change) -> str:
        for companion in ("", *_COMPANIONS):
            base = change.path.removesuffix(companion)
            if base in databases and change.path == base + companion:
                return change.group or base
        return change.group

    return [replace(change, group=group(change)) for change in changes]


def slices(changes: Sequence[Change], most: int) -> Iterator[list[Change]]:
    """The changes in parts of about ``most``, each group whole in one part."""
    part: list[Change] = []
    groups: dict[str, list[Change]] = {}
    for change in changes:
        if change.group:
            groups.setdefault(change.group, []).append(change)
    for group in groups.values():
        if len(part) + len(group) > most and part:
            yield part
            part = []
        part += group
    for change in changes:
        if change.group:
            continue
        if len(part) >= most:
            yield part
            part = []
        part.append(change)
    if part:
        yield part


def _listing(folder: bytes) -> list[os.DirEntry[bytes]]:
    with os.scandir(folder) as found:
        return list(found)


def _holds_repository(folder: bytes) -> bool:
    """Whether a folder holds version control's or our own names anywhere: then it does not go in as a whole."""
    for _, folders, files in os.walk(folder):
        if any(is_ours(os.fsdecode(name)) for name in (*folders, *files)):
            return True
        if {b"HEAD", b"objects", b"refs"} <= {*folders, *files}:
            return True
    return False


def _names(folder: bytes) -> set[bytes]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def _same(above: bytes, status: os.stat_result, below: bytes, lower: os.stat_result) -> bool:
    """Whether two files have the same type, permissions and bytes."""
    if stat.S_IFMT(status.st_mode) != stat.S_IFMT(lower.st_mode):
        return False
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(above) == os.readlink(below)
    if stat.S_IMODE(status.st_mode) != stat.S_IMODE(lower.st_mode) or status.st_size != lower.st_size:
        return False
    if not stat.S_ISREG(status.st_mode):
        return True
    try:
        return same_bytes(above, below)
    except OSError:
        return False
