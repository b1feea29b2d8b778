"""Where a host and its clients meet: the socket's place, who may come, and how a host is found again."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from workspace import WorkspaceError
from workspace.store import location
from workspace.store.location import existing_folder

LONGEST = 107 if sys.platform == "linux" else 103
"""Bytes in a socket's path, at most: what the system's address structure holds."""
LINE = 16 * 1024 * 1024
"""Bytes in one message, at most."""
RECORD = "host.json"


Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a host leaves in its store so that any client finds it, whatever its environment."""

    pid: int
    socket: str


def places(root: Path | str, store: Path | None = None) -> tuple[Path, Path]:
    """The folder and the store that ``Workspace.open`` would use. Raises NotFound."""
    found = existing_folder(root)
    folder = store.resolve() if store else location.store_of(found) or location.default_store(found)
    return found, folder


# -- the socket


def listen(store: Path) -> tuple[socket.socket, Path]:
    """Listen for the clients of a store; the socket and its path.

    Only who holds the store's write lock may call this: a socket that lies there already
    is a dead host's, and is replaced. Raises WorkspaceError.
    """
    path = _folder() / _name(store)
    beside = path.with_name(path.name + "~")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            beside.unlink()
        listener.bind(str(beside))
        beside.chmod(0o600)
        listener.listen(128)
        beside.rename(path)  # nobody ever meets a socket that is not listening or is open to others
    except OSError as error:
        listener.close()
        raise WorkspaceError(f"The host cannot listen at {path}: {error.strerror}.") from error
    listener.setblocking(False)
    return listener, path


def check_private(folder: Path) -> None:
    """Refuse a folder that is not this user's alone. Raises WorkspaceError."""
    try:
        found = folder.lstat()
    except OSError as error:
        raise WorkspaceError(f"The folder {folder} cannot be used: {error.strerror}.") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise WorkspaceError(f"{folder} is not a folder of yours; have it removed, or set XDG_RUNTIME_DIR.")
    if found.st_mode & 0o077:
        raise WorkspaceError(f"{folder} is open to other users; `chmod 700 {folder}` closes it.")


def peer(connection: socket.socket) -> int | None:
    """The user id at the other end of a connection; None where the system does not tell."""
    try:
        if hasattr(socket, "SO_PEERCRED"):
            told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", told)[1])
        # LOCAL_PEERCRED of SOL_LOCAL: struct xucred begins with its version and the user
        told = connection.getsockopt(0, getattr(socket, "LOCAL_PEERCRED", 1), 76)
        return int(struct.unpack_from("2I", told)[1])
    except (OSError, struct.error):
        return None


def _folder() -> Path:
    """This user's folder of sockets, made if need be: the first place that is ours and short enough."""
    longest = LONGEST - len(_name(Path())) - 2
    for base, name in _bases():
        folder = base / name
        if len(os.fsencode(folder)) > longest:
            continue
        with suppress(OSError):
            folder.mkdir(mode=0o700)
        check_private(folder)
        return folder
    raise WorkspaceError("No folder for sockets has a path that is short enough; set XDG_RUNTIME_DIR to one.")


def _bases() -> Iterator[tuple[Path, str]]:
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    # `sudo -E` leaves the other user's folder in the environment: nothing of ours belongs there
    with suppress(OSError):
        if own.startswith("/") and Path(own).stat().st_uid == os.geteuid():
            yield Path(own), "wukong"
    for shared in dict.fromkeys((tempfile.gettempdir(), "/tmp")):
        yield Path(shared), f"wukong-{os.geteuid()}"


def _name(store: Path) -> str:
    return hashlib.sha256(os.fsencode(store)).hexdigest()[:16] + ".sock"


# -- finding a host


def announce(store: Path, path: Path) -> None:
    """Leave word in the store of where this process listens. Raises WorkspaceError."""
    beside = store / (RECORD + "~")
    try:
        beside.write_text(json.dumps(asdict(Announcement(os.getpid(), str(path)))), "utf-8")
        beside.replace(store / RECORD)
    except OSError as error:
        raise WorkspaceError(f"The history in {store} cannot be written: {error.strerror}.") from error


def announced(store: Path) -> Announcement | None:
    """Where the last host said it listens; it may be gone."""
    try:
        said = json.loads((store / RECORD).read_text("utf-8"))
        return Announcement(int(said["pid"]), str(said["socket"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def withdraw(store: Path, path: Path, socket: Identity | None) -> None:
    """Take back the word and the socket, unless they are another host's already."""
    record = announced(store)
    with suppress(OSError):
        if record is not None and record.pid == os.getpid():
            (store / RECORD).unlink()
    with suppress(OSError):
        if identity(path) == socket:
            path.unlink()


def identity(path: Path) -> Identity | None:
    """Tells a file from another one that took its place; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_alive(store: Path) -> bool:
    """Whether the host that left word holds the store's write lock."""
    record = announced(store)
    if record is None or not location.held(store):
        return False
    try:
        return (store / "lock").read_text("utf-8").strip() == str(record.pid)
    except OSError:
        return False


def other_version(pid: int, host: int, client: int) -> str:
    """The sentence for a host and a program of different versions."""
    return (
        f"The host of this workspace (process {pid}) speaks protocol {host} and this program {client};"
        f" it leaves when its work is done, `kill {pid}` ends it now."
    )
