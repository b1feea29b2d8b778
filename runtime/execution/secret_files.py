"""Which files likely hold secrets that sandboxes are not to see, found again without a walk of all of a workspace."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workspace.working_copy.ignore import Caches, is_ours, is_secret

_GRAIN = 20_000_000
"""Nanoseconds within which two changes of a folder may have the same time."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A folder as it was seen: its time, whether that can be trusted, the folders in it, the names of secrets."""

    changed: int
    inode: int
    settled: bool
    folders: tuple[str, ...]
    secrets: tuple[str, ...]


class SecretFiles:
    """The paths in a workspace whose names say that they likely hold secrets; caches and builds are not looked into.

    A folder is read again only if it has changed, so the second look costs one ``stat`` per
    folder. May be called from any thread.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._seen: dict[str, _Seen] = {}
        self._caches = Caches()
        self._lock = threading.Lock()

    def find(self, caches: Caches) -> list[str]:
        """The paths, in order. What cannot be read is passed over."""
        found: list[str] = []
        with self._lock:
            if caches.patterns != self._caches.patterns:
                self._caches, self._seen = caches, {}
            seen: dict[str, _Seen] = {}
            waiting = [""]
            while waiting:
                folder = waiting.pop()
                look = self._look(folder)
                if look is None:
                    continue
                seen[folder] = look
                prefix = f"{folder}/" if folder else ""
                found += (prefix + name for name in look.secrets)
                waiting += (prefix + name for name in look.folders)
            self._seen = seen
        return sorted(found)

    def _look(self, folder: str) -> _Seen | None:
        path = f"{self._root}/{folder}" if folder else self._root
        with suppress(OSError):
            status = os.lstat(path)
            before = self._seen.get(folder)
            if before is not None and before.settled:
                if (before.changed, before.inode) == (status.st_mtime_ns, status.st_ino):
                    return before
            now = time.time_ns()
            folders, secrets = [], []
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if not is_ours(entry.name) and entry.name not in self._caches:
                            folders.append(entry.name)
                    elif is_secret(entry.name):
                        secrets.append(entry.name)
            settled = status.st_mtime_ns < now - _GRAIN
            return _Seen(status.st_mtime_ns, status.st_ino, settled, tuple(folders), tuple(secrets))
        return None


def tracked(root: Path, paths: Iterable[str]) -> frozenset[str]:
    """Those of some paths that git's index of the workspace holds; none where there is no index that can be read."""
    asked = frozenset(paths)
    index = _index(root)
    if not asked or index is None:
        return frozenset()
    from dulwich.index import Index

    try:
        held = Index(os.fspath(index))
    except Exception:  # noqa: BLE001 - a broken index is git's to complain about
        return frozenset()
    return frozenset(path for path in asked if os.fsencode(path) in held)


def _index(root: Path) -> Path | None:
    git = root / ".git"
    with suppress(OSError, ValueError):
        if git.is_file():  # a worktree of its own, or a module
            said = git.read_text("utf-8")
            git = root / said.removeprefix("gitdir:").strip()
        if (git / "index").is_file():
            return git / "index"
    return None
