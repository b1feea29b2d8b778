"""Where a workspace's history lives, how it is found again, and who may write to it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from pathlib import Path
from typing import IO

import platformdirs

from .errors import Busy, NotFound, WorkspaceError

LINK = ".wukong"
NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs", "lustre"}


def state_directory() -> Path:
    """The user's folder of histories."""
    return Path(platformdirs.user_state_path("wukong")) / "workspaces"


def default_store(root: Path) -> Path:
    """The folder in the user's state directory that holds the history of ``root``."""
    mark = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in root.name)[:40] or "root"
    return state_directory() / f"{name}-{mark}"


def find_root(start: Path) -> Path:
    """The nearest folder at or above ``start`` that has a history. Raises NotFound."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if store_of(folder) is not None:
            return folder
    raise NotFound(f"{start} has no history yet; `wukong scan` there starts one.")


def store_of(root: Path) -> Path | None:
    """The store that belongs to ``root``: by its link, else by its place in the state directory."""
    link = root / LINK
    if link.is_symlink():
        target = Path(os.readlink(link))
        target = target if target.is_absolute() else root / target
        if (target / "workspace.db").is_file():
            return target
    store = default_store(root)
    return store if (store / "workspace.db").is_file() else None


def ensure_link(root: Path, store: Path) -> bool:
    """Make ``.wukong`` in ``root`` point at the store again if it vanished; whether it was made.

    A read-only folder, or something else of that name, is left as it is.
    """
    link = root / LINK
    if link.is_symlink():
        if os.readlink(link) == str(store):
            return False
        link.unlink()
    try:
        link.symlink_to(store)
    except OSError:
        return False
    return True


def file_system(path: Path) -> str:
    """The type of the file system that holds ``path``, e.g. ``ext4``; ``unknown`` where it cannot be told."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return "unknown"
    best, kind = "", "unknown"
    real = str(path.resolve())
    for line in mounts:
        left, _, right = line.partition(" - ")
        point = left.split()[4].encode().decode("unicode_escape")
        inside = point == "/" or real == point or real.startswith(point + "/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind


def is_network(path: Path) -> bool:
    """Whether ``path`` lies on a network file system, where SQLite's locks cannot be trusted."""
    return file_system(path) in NETWORK


class Lock:
    """The right to write to a store: an advisory lock that ends with its process."""

    def __init__(self, store: Path, wait: float = 5.0) -> None:
        """Take the lock, waiting ``wait`` seconds at most. Raises Busy, naming the holder's process."""
        store.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file: IO[str] = (store / "lock").open("a+")
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    self._file.seek(0)
                    holder = self._file.read().strip() or "another"
                    self._file.close()
                    raise Busy(
                        f"Process {holder} is writing to this workspace; wait for it or stop it, then try again."
                    ) from None
                time.sleep(0.02)
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        self._file.close()


def held(store: Path) -> bool:
    """Whether a live process holds the write lock of a store."""
    try:
        with (store / "lock").open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


def check_same_place(root: Path, recorded: str | None) -> None:
    """Refuse a copied folder that still points at the history of its original.

    ``recorded`` is the folder the store was last used with. A folder that was moved is
    welcome: its old place no longer leads to this store.
    """
    if recorded is None or recorded == str(root):
        return
    original = Path(recorded)
    if (original / LINK).is_symlink() and original.resolve() != root:
        raise WorkspaceError(
            f"{root} is a copy of {original}, whose history this is; remove {root / LINK} and run"
            " `wukong scan` to start a history of its own."
        )
