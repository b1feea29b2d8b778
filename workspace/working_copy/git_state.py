"""What of a git repository goes into the folder when a command has changed it: its work, never its settings.

Git runs what its configuration and hooks say, outside of any sandbox and as the person. So objects, refs, logs, HEAD,
the index and the state of a merge or rebase go in; config, hooks, info, what leads elsewhere and a rebase whose list
holds commands do not, but for a config whose every change is harmless. Source: gitrepository-layout(5),
git-config(1).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from workspace.working_copy.files import Stamp
from workspace.working_copy.overlay_files import is_opaque, is_whiteout, same_bytes, small
from workspace.working_copy.overlay_files import status as status_of

_FOLDERS = ("objects", "refs", "logs")
_FILES = frozenset({
    "HEAD", "ORIG_HEAD", "FETCH_HEAD", "MERGE_HEAD", "MERGE_MSG", "MERGE_MODE", "MERGE_RR", "AUTO_MERGE",
    "SQUASH_MSG",
    "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD", "BISECT_LOG", "BISECT_START", "BISECT_TERMS", "BISECT_NAMES",
    "COMMIT_EDITMSG", "packed-refs", "index", "shallow",
})  # fmt: skip
_REBASE = "rebase-merge/"
_REBASE_FILES = frozenset({
    "head-name", "onto", "orig-head", "git-rebase-todo", "git-rebase-todo.backup", "done", "msgnum", "end", "message",
    "author-script", "amend", "stopped-sha", "patch", "interactive", "quiet", "verbose", "rewritten-list",
    "rewritten-pending", "drop_redundant_commits", "keep_redundant_commits", "no-reschedule-failed-exec",
    "current-fixups", "message-squash", "message-fixup", "squash_onto", "allow_rerere_autoupdate", "autostash",
    "update-refs",
})  # fmt: skip
_TODO = re.compile(
    rb"(#.*|(p|pick|r|reword|e|edit|s|squash|f|fixup|d|drop|l|label|t|reset|u|update-ref)\s.*|noop|b|break|)"
)
"""A line of a rebase's to-do list that runs no command: not ``exec``, nor ``merge``, which may name a strategy."""
_NEW_REPOSITORY = frozenset({"description", "branches", "info/exclude", "info"})
"""What ``git init`` writes beside these; it says nothing, so it goes in with a new repository."""
_HARMLESS = (
    re.compile(r"branch\.[^\n]*\.(remote|merge)"),
    re.compile(r"user\.(name|email)"),
    re.compile(
        r"core\.(repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|symlinks|precomposeunicode)"
    ),
    re.compile(r"init\.defaultbranch"),
)
_NAMED = re.compile(r"[\w./-]*[\w/]", re.ASCII)
_LARGEST_CONFIG = 1 << 20
"""Bytes of a config that is read; a larger one is not believed."""
_SECTION = re.compile(r'^\s*\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]\s*(.*)$')
_SETTING = re.compile(r"^\s*([A-Za-z][A-Za-z0-9-]*)\s*(?:=(.*))?$")


@dataclass(frozen=True, slots=True)
class GitChange:
    """A change below a ``.git`` folder, and whether it goes in. ``repository`` is the path of that folder."""

    path: str
    kind: Literal["created", "edited", "deleted"]
    goes_in: bool
    repository: str
    lower: Stamp | None
    upper: Stamp | None
    mode: int


def changes(above: bytes, below: bytes | None, repository: str, *, live: bool = False) -> list[GitChange]:
    """The changes to one repository, objects first and refs last; ``below`` is None for a new one.

    While processes live on it (``live``) no config goes in: it could be another one by the time it is copied.
    """
    found = list(_changes(above, below, "", repository, below is None))
    rebase = f"{repository}/{_REBASE}"
    if live or not _rebase_is_harmless(above + b"/rebase-merge"):
        found = [_refused(change) if change.path.startswith(rebase) and change.upper else change for change in found]
    if live:
        found = [_refused(change) if change.path == f"{repository}/config" else change for change in found]
    if below is None and any(not change.goes_in for change in found if "/hooks/" not in change.path):
        found = [_refused(change) for change in found]  # a repository without its settings is none
    return sorted(found, key=lambda change: (_rank(change.path[len(repository) + 1 :]), change.path))


def _changes(above: bytes, below: bytes | None, inner: str, repository: str, new: bool) -> Iterator[GitChange]:
    with os.scandir(above) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    opaque = below is not None and is_opaque(above)
    for entry in entries:
        name = f"{inner}/{os.fsdecode(entry.name)}" if inner else os.fsdecode(entry.name)
        status = entry.stat(follow_symlinks=False)
        under = below + b"/" + entry.name if below is not None else None
        lower = status_of(under) if under is not None else None
        if stat.S_ISDIR(status.st_mode):
            inside = under if lower is not None and stat.S_ISDIR(lower.st_mode) else None
            yield from _changes(entry.path, inside, name, repository, new)
            continue
        stamp = Stamp.of(lower) if lower is not None else None
        if is_whiteout(status):
            if stamp is not None and not _is_lock(name):
                goes_in = _goes_in(name, new) and not name.startswith("objects/")
                if not goes_in and name.startswith("objects/"):
                    continue  # objects are only added: what became unreachable harms nobody
                yield GitChange(f"{repository}/{name}", "deleted", goes_in, repository, stamp, None, 0)
            continue
        if _is_lock(name) or (new and name.startswith("hooks/") and name.endswith(".sample")):
            continue
        if lower is not None and under is not None and _same(entry.path, status, under, lower):
            continue
        goes_in = stat.S_ISREG(status.st_mode) and (
            _goes_in(name, new) or _is_harmless(name, entry.path, under, lower)
        )
        if name.startswith("objects/") and lower is not None:
            continue
        kind: Literal["created", "edited"] = "edited" if lower is not None else "created"
        yield GitChange(f"{repository}/{name}", kind, goes_in, repository, stamp, Stamp.of(status), status.st_mode)
    if opaque and below is not None:
        for name_ in sorted(set(os.listdir(below)) - {entry.name for entry in entries}):
            lower = status_of(below + b"/" + name_)
            if lower is not None and not stat.S_ISDIR(lower.st_mode) and not inner.startswith("objects"):
                path = f"{repository}/{inner}/{os.fsdecode(name_)}"
                yield GitChange(path, "deleted", _goes_in(f"{inner}/x", new), repository, Stamp.of(lower), None, 0)


def _goes_in(name: str, new: bool) -> bool:
    top, _, rest = name.partition("/")
    if top == "objects" and rest.startswith("info/alternates"):
        return False
    if name.startswith(_REBASE):
        return rest in _REBASE_FILES
    return (top in _FOLDERS and bool(rest)) or name in _FILES or (new and name in _NEW_REPOSITORY)


def _rebase_is_harmless(folder: bytes) -> bool:
    """Whether going on with a rebase would run nothing: no line of its lists does, and it knows no strategy."""
    try:
        names = set(os.listdir(folder))
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        lists = [_config(folder + b"/" + name) for name in (b"git-rebase-todo", b"done") if name in names]
    except (OSError, ValueError):
        return False
    lines = [line for text in lists for line in text.encode("utf-8", "surrogateescape").split(b"\n")]
    return {os.fsdecode(name) for name in names} <= _REBASE_FILES and all(map(_TODO.fullmatch, lines))


def _is_harmless(name: str, above: bytes, below: bytes | None, lower: os.stat_result | None) -> bool:
    """Whether a config differs from the one below only in settings that run and lead to nothing."""
    if name != "config":
        return False
    try:
        after = settings(_config(above))
        before = settings(_config(below)) if below is not None and lower is not None else []
    except (OSError, ValueError):
        return False
    changed = [s for s in after if s not in before] + [s for s in before if s not in after]
    return all(_says_little(key, value) for key, value in changed)


def _says_little(key: str, value: str) -> bool:
    if not any(rule.fullmatch(key) for rule in _HARMLESS):
        return False
    if key.endswith(".remote"):  # the name of one that the owner has set up: a path would lead anywhere
        return value.replace("-", "").replace("_", "").isalnum()
    return not key.endswith(".merge") or _NAMED.fullmatch(value) is not None


def _config(path: bytes) -> str:
    """The text of a config or a list. ValueError where it is no honest one."""
    if (data := small(path, _LARGEST_CONFIG)) is None:
        raise ValueError(path)
    return data.decode("utf-8", "surrogateescape")


def is_object(path: str) -> bool:
    """Whether a path is one of git's objects, which are only ever added."""
    return "/.git/objects/" in f"/{path}"


def repository_of(path: str) -> str:
    """The repository that a path below a ``.git`` folder belongs to: the path of that folder."""
    above, _, _ = f"/{path}".rpartition("/.git/")
    return f"{above}/.git".lstrip("/")


def index_digest(data: bytes) -> bytes | None:
    """A digest of what an index lists (paths, modes, ids), whatever it knows of files' stamps; None for no index.

    Source: git's Documentation/gitformat-index.txt, versions 2 and 3.
    """
    if len(data) < 12 or data[:4] != b"DIRC" or int.from_bytes(data[4:8], "big") not in (2, 3):
        return None
    found, at = sha256(), 12
    for _ in range(int.from_bytes(data[8:12], "big")):
        flags = int.from_bytes(data[at + 60 : at + 62], "big")
        start = at + 62 + (2 if flags & 0x4000 else 0)
        end = data.find(b"\0", start)
        if end < 0:
            return None
        found.update(data[at + 24 : at + 28] + data[at + 40 : at + 60] + data[start : end + 1])
        at += (end - at) // 8 * 8 + 8
    return found.digest()


def settings(text: str) -> list[tuple[str, str]]:
    """A config as ``(section.subsection.key, value)``; ValueError for a line that is not understood."""
    section, found = "", []
    for line in text.split("\n"):
        if (match := _SECTION.match(line)) is not None:
            name = match[1].lower()
            section = f"{name}.{match[2]}" if match[2] is not None else name
            line = match[3]
        if not line.strip() or line.lstrip().startswith(("#", ";")):
            continue
        if (setting := _SETTING.match(line)) is None or not section or line.rstrip().endswith("\\"):
            raise ValueError(line)
        found.append((f"{section}.{setting[1].lower()}", (setting[2] or "").strip()))
    return found


def _rank(name: str) -> int:
    """Objects before what names them, HEAD and the index last."""
    if name.startswith("objects/"):
        return 0
    return 2 if name in ("HEAD", "index") else 1


def _refused(change: GitChange) -> GitChange:
    return GitChange(change.path, change.kind, False, change.repository, change.lower, change.upper, change.mode)


def _is_lock(name: str) -> bool:
    return name.endswith(".lock")


def _same(above: bytes, status: os.stat_result, below: bytes, lower: os.stat_result) -> bool:
    if not (stat.S_ISREG(status.st_mode) and stat.S_ISREG(lower.st_mode)) or status.st_size != lower.st_size:
        return False
    return same_bytes(above, below)
