"""Moving files and folders between two trees, whatever file systems they lie on; nothing here follows a link."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from workspace.working_copy.files import Files, Stamp, exchange_names, rename_new


def move(source: Files, path: str, target: Files, to: str, name: bytes | None = None, *, copy: bool = False) -> None:
    """Move a file or folder to ``to`` in another tree, or to ``name`` beside it; FileExistsError where there is one.

    Where it cannot be renamed it is copied and removed; with ``copy`` it is copied and stays. Times stay, to the ns.
    """
    with source.folder_of(path) as (here, old), target.folder_of(to, create=True) as (there, new):
        new = name or new
        if not copy:
            try:
                rename_new(here, old, there, new)
                return
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
        part = new + b"-part"
        remove(there, part)
        _copy(here, old, there, part)
        rename_new(there, part, there, new)
        if not copy:
            remove(here, old)


def beside(path: str, name: bytes) -> str:
    """The path of a name in the folder of a path."""
    folder, slash, _ = path.rpartition("/")
    return f"{folder}{slash}{os.fsdecode(name)}"


def exchange(files: Files, path: str, name: bytes) -> None:
    """Swap what is at a path with what has a name beside it."""
    with files.folder_of(path) as (parent, target):
        exchange_names(parent, name, target)


def status(files: Files, path: str, name: bytes | None = None) -> os.stat_result | None:
    """``lstat`` of a path, or of a name beside it; None where there is nothing."""
    try:
        with files.folder_of(path) as (parent, target):
            return os.stat(name or target, dir_fd=parent, follow_symlinks=False)
    except OSError:
        return None


def remove(parent: int, name: bytes) -> None:
    """Remove a file, or a folder with all that is in it; nothing where there is none."""
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
        with _opened(parent, name) as handle:
            os.fchmod(handle, 0o700)
            for inner in os.listdir(handle):
                remove(handle, os.fsencode(inner))
        os.rmdir(name, dir_fd=parent)


def measure(files: Files, path: str, name: bytes | None = None) -> tuple[int, int]:
    """Bytes of a file or of all files in a folder, and the newest change time among them, in ns."""
    with files.folder_of(path) as (parent, target):
        return _measure(parent, name or target)


def clear_set_id(parent: int, name: bytes) -> None:
    """Clear the set-user and set-group bits of a file, or of all files in a folder."""
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISDIR(found.st_mode):
        with suppress(PermissionError), _opened(parent, name) as handle:
            for inner in os.listdir(handle):
                clear_set_id(handle, os.fsencode(inner))
    elif stat.S_ISREG(found.st_mode) and found.st_mode & 0o6000:
        os.chmod(name, stat.S_IMODE(found.st_mode) & 0o777, dir_fd=parent)


def set_times(files: Files, path: str, stamp: Stamp, mtime: int) -> bool:
    """Set when a file was modified, unless it is no longer the one with the stamp; whether it did."""
    with files.folder_of(path) as (parent, name):
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if Stamp.of(found) != stamp:
            return False
        os.utime(name, ns=(mtime, mtime), dir_fd=parent, follow_symlinks=False)
        return True


def _measure(parent: int, name: bytes) -> tuple[int, int]:
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    size, newest = (found.st_size if stat.S_ISREG(found.st_mode) else 0), found.st_ctime_ns
    if stat.S_ISDIR(found.st_mode):
        with suppress(PermissionError), _opened(parent, name) as handle:
            for inner in os.listdir(handle):
                more, later = _measure(handle, os.fsencode(inner))
                size, newest = size + more, max(newest, later)
    return size, newest


def _copy(here: int, old: bytes, there: int, new: bytes) -> None:
    found = os.stat(old, dir_fd=here, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(old, dir_fd=here), new, dir_fd=there)
    elif stat.S_ISDIR(found.st_mode):
        os.mkdir(new, 0o700, dir_fd=there)
        with _opened(here, old) as source, _opened(there, new) as target:
            for name in os.listdir(source):
                _copy(source, os.fsencode(name), target, os.fsencode(name))
            os.fchmod(target, stat.S_IMODE(found.st_mode) & 0o777)
    elif stat.S_ISREG(found.st_mode):
        _copy_bytes(here, old, there, new, found.st_mode)
    elif stat.S_ISFIFO(found.st_mode):
        os.mkfifo(new, stat.S_IMODE(found.st_mode), dir_fd=there)
    else:
        return  # a socket or a device means nothing without its process
    os.utime(new, ns=(found.st_atime_ns, found.st_mtime_ns), dir_fd=there, follow_symlinks=False)


def _copy_bytes(here: int, old: bytes, there: int, new: bytes, mode: int) -> None:
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    source = os.open(old, os.O_RDONLY | os.O_NONBLOCK | flags, dir_fd=here)
    try:
        target = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | flags, 0o600, dir_fd=there)
        try:
            if not stat.S_ISREG(os.fstat(source).st_mode):
                raise OSError(errno.EAGAIN, "it was replaced while it was copied")
            while os.sendfile(target, source, None, 1 << 24):
                pass
            os.fchmod(target, stat.S_IMODE(mode) & 0o777)
        finally:
            os.close(target)
    finally:
        os.close(source)


@contextmanager
def _opened(parent: int, name: bytes) -> Iterator[int]:
    handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        yield handle
    finally:
        os.close(handle)
