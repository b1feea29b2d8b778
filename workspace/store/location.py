"""Where a workspace's history lives, how it is found again, and who may write to it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import platformdirs

from workspace.errors import Busy, NotFound, WorkspaceError
from workspace.records import MAIN
from workspace.store.engine import connect

LINK = ".wukong"
FILE = "workspace.db"
_OCTAL = re.compile(rb"\\([0-7]{3})")
NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs", "lustre"}


def state_directory() -> Path:
    """The user's folder of histories."""
    return Path(platformdirs.user_state_path("wukong")) / "workspaces"


def default_store(root: Path) -> Path:
    """The folder in the user's state directory that holds the history of ``root``.

    Where that name is taken by a folder that was here and has moved on, the next free one.
    """
    mark = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in root.name)[:40] or "root"
    store, number = state_directory() / f"{name}-{mark}", 1
    while _moved_on(store, root):
        number += 1
        store = state_directory() / f"{name}-{mark}-{number}"
    return store


def _moved_on(store: Path, root: Path) -> bool:
    """Whether a store is now another folder's, with which it was last used."""
    owner = last_root(store) if (store / FILE).is_file() else None
    if owner is None or owner == str(root) or not Path(owner).is_dir():
        return False
    return str(root) not in _roots(store).values()


def last_root(store: Path) -> str | None:
    """The folder that a store's main branch was last opened with; None where that cannot be told."""
    return _roots(store).get(MAIN)


def check_is_main(root: Path, store: Path) -> None:
    """Raise WorkspaceError for the folder of another branch than the main one."""
    known = _roots(store) if (store / FILE).is_file() else {}
    main = known.get(MAIN)
    if main is not None and main != str(root) and str(root) in known.values():
        raise WorkspaceError(f"Agents work on the main branch only, in {main}; this folder is another branch's.")


def _roots(store: Path) -> dict[int, str]:
    """The folders in which branches of a store are checked out, by branch; none where that cannot be told."""
    try:
        connection = connect(store / FILE, read_only=True)
    except WorkspaceError:
        return {}
    try:
        rows = connection.execute(
            "SELECT branch, root FROM working_copy"
            if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'working_copy'").fetchone()
            else "SELECT 1, value FROM meta WHERE key = 'root'"  # a store that an older program wrote
        )
        return {branch: os.fsdecode(root) for branch, root in rows.fetchall()}
    except WorkspaceError:
        return {}
    finally:
        connection.close()


def find_root(start: Path) -> Path:
    """The nearest folder at or above ``start`` that has a history. Raises NotFound."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if store_of(folder) is not None:
            return folder
    raise NotFound(f"{start} has no history yet; `wukong scan` there starts one.")


def store_of(root: Path) -> Path | None:
    """The store that belongs to ``root``: by its link, else by its place in the state directory.

    None where there is none. Raises NotFound where the link leads to a store that is not there.
    """
    link = root / LINK
    target: Path | None = None
    if link.is_symlink():
        target = root / os.readlink(link)
        # Whatever may write in the workspace can bend the link to a history of its own making there.
        ours = default_store(root)
        bent = target.resolve().is_relative_to(root.resolve()) and (ours / FILE).is_file()
        if (target / FILE).is_file() and not bent:
            return target
    store = default_store(root)
    if (store / FILE).is_file():
        return store
    if target is None:
        return None
    raise NotFound(
        f"The history of {root} is in {target}, which is not there: bring that back, or remove {link} to begin anew."
    )


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
        mounts = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return "unknown"
    best, kind = b"", b"unknown"
    real = os.fsencode(path.resolve())
    for line in mounts:
        left, _, right = line.partition(b" - ")
        point = _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), left.split()[4])
        inside = point == b"/" or real == point or real.startswith(point + b"/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind.decode("ascii", "replace")


def is_network(path: Path) -> bool:
    """Whether ``path`` lies on a network file system, where SQLite's locks cannot be trusted."""
    return file_system(path) in NETWORK


class Lock:
    """The right to write to a store: an advisory lock that ends with its process."""

    def __init__(self, store: Path, wait: float = 5.0) -> None:
        """Take the lock, waiting ``wait`` seconds at most.

        Raises Busy, naming the holder's process, or WorkspaceError where nothing can be written.
        """
        try:
            store.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file: IO[str] = (store / "lock").open("a+")
        except OSError as error:
            raise WorkspaceError(f"The history in {store} cannot be written: {error.strerror}.") from error
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


def check_same_place(root: Path, store: Path, recorded: str | None) -> None:
    """Refuse a folder that is not the one whose history the store holds: a copy of it, or a part.

    ``recorded`` is the folder the store was last used with. A folder that was moved is
    welcome: its old place no longer leads to this store.
    """
    if recorded is None or recorded == str(root):
        return
    original = Path(recorded)
    if original.is_dir() and (root.is_relative_to(original) or original.is_relative_to(root)):
        raise WorkspaceError(f"{store} holds the history of {original}, not of {root}; choose another --store.")
    if original.resolve() != root and _leads_to(original, store):
        away = f"remove {root / LINK}" if _leads_to(root, store) else "leave out --store"
        raise WorkspaceError(
            f"{root} is a copy of {original}, whose history this is; {away} and run `wukong scan`"
            " to start a history of its own."
        )


def branch_of(root: Path, store: Path, copies: Mapping[int, tuple[str, int | None]]) -> int:
    """The branch whose working copy is ``root``: where it is known to be, or where it was moved to.

    ``copies``: folder and inode by branch. A folder of which nothing is known is the main
    branch's, if that has none. Raises WorkspaceError for a copy of a working copy, or a part of one.
    """
    for branch, (known, _) in copies.items():
        if known == str(root):
            return branch
    welcome, refusal = [], None
    for branch, (known, _) in copies.items():
        try:
            check_same_place(root, store, known)
            welcome.append(branch)
        except WorkspaceError as error:
            refusal = refusal or error
    inode = root.stat().st_ino
    moved = [branch for branch in welcome if copies[branch][1] == inode]
    if moved or not copies:
        return moved[0] if moved else MAIN
    if MAIN in welcome and not any(
        root.is_relative_to(known) for known, _ in copies.values() if Path(known).is_dir()
    ):
        return MAIN
    raise refusal or WorkspaceError(f"{root} is no working copy of {store}; `wukong checkout` makes one.")


def _leads_to(root: Path, store: Path) -> bool:
    link = root / LINK
    return link.is_symlink() and (root / os.readlink(link)).resolve() == store.resolve()


def existing_folder(root: Path | str) -> Path:
    """The folder as an absolute path without links. Raises NotFound."""
    try:
        found = Path(root).resolve()
    except FileNotFoundError:
        raise NotFound("The current folder does not exist any more.") from None
    if not found.is_dir():
        raise NotFound(f"There is no folder {found}.")
    return found
