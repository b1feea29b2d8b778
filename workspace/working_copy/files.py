"""The working directory through file descriptors: nothing here follows a symlink.

A file is put in place by exchanging it with what is there in one system call, so that
what was displaced can be looked at before it is let go.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from workspace.errors import WorkspaceError
from workspace.records import LINK, REGULAR, to_bytes

TEMPORARY = b".wukong-tmp-"
"""Prefix of the names that files have for the moment between being written and being in place."""

OLD = b"-old"
"""Suffix that a displaced file has for a moment where names cannot be exchanged in one call."""

PART = b"-part"
"""Suffix that a temporary file has until all of it is written."""

_NOREPLACE, _EXCHANGE = 1, 2


class Blocked(WorkspaceError):
    """Something that is not ours to replace stands where a document belongs."""

    code = "blocked"


class Stamp(NamedTuple):
    """What ``stat`` says of a file; equal stamps mean an untouched file unless it is very young."""

    size: int
    mtime: int
    ctime: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@dataclass(frozen=True, slots=True)
class Found:
    """A file or symlink as it was read: its ``st_mode`` type and permissions, bytes and stamp."""

    mode: int
    data: bytes
    stamp: Stamp


class Files:
    """The files of one working directory. Paths are workspace paths: relative, ``/`` between."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.largest: int | None = None
        """Bytes of the largest file that is read; a larger one is Blocked, not held in memory."""
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._stay = False
        self._kept: tuple[bytes, int] | None = None
        """The folder that is open for now, by its name."""

    def close(self) -> None:
        os.close(self._root)

    def check(self) -> None:
        """Raises Blocked where the folder is gone, or is no longer the one that was opened."""
        try:
            there = os.stat(self.root)
        except OSError as error:
            raise Blocked(f"The folder {self.root} cannot be read: {error.strerror}.") from error
        if not os.path.samestat(there, os.fstat(self._root)):
            raise Blocked(f"{self.root} is another folder than it was; open the workspace again.")

    def status(self, path: str) -> os.stat_result | None:
        """``lstat`` of a path; None where there is nothing. Raises Blocked below a non-directory."""
        try:
            with self._parent(path) as (parent, name):
                return os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(path, error) from error

    def read(self, path: str) -> Found | None:
        """A file's bytes or a symlink's target; None where there is nothing. Raises Blocked for others."""
        try:
            with self._parent(path) as (parent, name):
                return _read(parent, name, path, self.largest)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(path, error) from error

    def is_document(self, path: str) -> bool:
        """Whether a file or a link stands at the path, readable or not."""
        try:
            status = self.status(path)
        except Blocked:
            return False
        return status is not None and (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode))

    def stage(self, path: str, temporary: bytes, mode: int, data: bytes) -> None:
        """Write the content beside its target under a temporary name, making folders as needed.

        The name appears only when the content is whole: until then it ends in ``-part``.
        FileExistsError where something has the temporary name already.
        """
        part = temporary + PART
        with self._parent(path, create=True) as (parent, _):
            _unlink(parent, part)
            if stat.S_ISLNK(mode):
                os.symlink(data, part, dir_fd=parent)
                _rename(parent, part, temporary, _NOREPLACE)
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            handle = os.open(part, flags, 0o600, dir_fd=parent)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(handle, view) :]
                os.fchmod(handle, stat.S_IMODE(mode) & 0o777)
            finally:
                os.close(handle)
            _rename(parent, part, temporary, _NOREPLACE)

    def exchange(self, path: str, temporary: bytes) -> None:
        """Swap the temporary file and the target. FileNotFoundError where the target is gone."""
        with self._parent(path) as (parent, name):
            _rename(parent, temporary, name, _EXCHANGE)

    def settle(self, path: str, temporary: bytes) -> None:
        """Move the temporary file to a target that must not exist. FileExistsError if it does."""
        with self._parent(path) as (parent, name):
            _rename(parent, temporary, name, _NOREPLACE)

    def finish_exchange(self, path: str, temporary: bytes) -> None:
        """Complete an exchange that was cut short where it takes several calls."""
        try:
            with self._parent(path) as (parent, name):
                old = os.stat(temporary + OLD, dir_fd=parent, follow_symlinks=False)
                with suppress(FileNotFoundError):
                    if os.path.samestat(old, os.stat(name, dir_fd=parent, follow_symlinks=False)):
                        _unlink(parent, temporary + OLD)  # the target had not been replaced yet
                        return
                with suppress(FileExistsError):
                    _rename(parent, temporary + OLD, temporary, _NOREPLACE)
        except FileNotFoundError:
            return

    def displace(self, path: str, temporary: bytes) -> None:
        """Move the target aside to the temporary name. FileNotFoundError where it is gone."""
        with self._parent(path) as (parent, name):
            _rename(parent, name, temporary, _NOREPLACE)

    def read_temporary(self, path: str, temporary: bytes) -> Found | None:
        """What lies under the temporary name beside ``path``; None where nothing does."""
        try:
            with self._parent(path) as (parent, _):
                return _read(parent, temporary, path, self.largest)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(path, error) from error

    def drop_temporary(self, path: str, temporary: bytes) -> None:
        """Remove the temporary file beside ``path``, whole or in part, if there is one."""
        try:
            with self._parent(path) as (parent, _):
                _unlink(parent, temporary)
                _unlink(parent, temporary + PART)
        except FileNotFoundError:
            return

    def drop_empty(self, path: str, temporary: bytes) -> None:
        """Remove an empty folder that lies under the temporary name beside ``path``."""
        with suppress(OSError), self._parent(path) as (parent, _):
            os.rmdir(temporary, dir_fd=parent)

    def lying(self, names: Collection[bytes]) -> list[tuple[bytes, str]]:
        """Every file of one of these names below the root, with its folder (``""``: the root itself).

        Folders that cannot be read, and those whose path is too long for the system, are left out.
        """
        found: list[tuple[bytes, str]] = []
        base = os.fsencode(self.root)
        left = [b""] if names else []
        while left:
            folder = left.pop()
            with suppress(OSError), os.scandir(os.path.join(base, folder)) as listing:
                for entry in listing:
                    if entry.name in names:
                        found.append((entry.name, os.fsdecode(folder)))
                    elif entry.name != b".git" and entry.is_dir(follow_symlinks=False):
                        left.append(os.path.join(folder, entry.name))
        return found

    def make_folder(self, path: str, mode: int) -> None:
        """Make a folder, and those above it, unless it is there."""
        with self._parent(path, create=True) as (parent, name), suppress(FileExistsError):
            os.mkdir(name, 0o777, dir_fd=parent)
            os.chmod(name, mode, dir_fd=parent)

    def remove_folder(self, path: str) -> None:
        """Remove a folder that is empty. OSError where it is not."""
        with self._parent(path) as (parent, name):
            os.rmdir(name, dir_fd=parent)

    def set_mode(self, path: str, mode: int) -> None:
        """Set a file's permissions without touching its content."""
        with self._parent(path) as (parent, name):
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
            try:
                os.fchmod(handle, stat.S_IMODE(mode) & 0o777)
            finally:
                os.close(handle)

    def prune(self, path: str, keep: Collection[str] = ()) -> None:
        """Remove the folders above a deleted path that are empty now, but for those to keep."""
        folder = path.rpartition("/")[0]
        while folder and folder not in keep:
            try:
                with self._parent(folder) as (parent, name):
                    os.rmdir(name, dir_fd=parent)
            except (OSError, Blocked):
                return
            folder = folder.rpartition("/")[0]

    def clear_folders(self, path: str) -> bool:
        """Remove a folder at the path that holds nothing but empty folders; whether it did."""
        try:
            with self._parent(path) as (parent, name):
                return _remove_empty(parent, name)
        except OSError:
            return False

    def sync(self) -> None:
        """Flush the file system that holds the directory: one call for any number of files."""
        if _LIBC is not None and hasattr(_LIBC, "syncfs"):
            if _LIBC.syncfs(self._root) != 0:
                reason = os.strerror(ctypes.get_errno())
                raise WorkspaceError(f"The files in {self.root} may not be safe on the disk: {reason}.")
        else:  # pragma: no cover - not Linux
            os.sync()

    @contextmanager
    def staying(self) -> Iterator[None]:
        """Inside, a folder stays open for all that is done in it, also if its name comes to mean another."""
        self._stay = True
        try:
            yield
        finally:
            self._stay = False
            self._leave()

    def folder_of(self, path: str, *, create: bool = False) -> AbstractContextManager[tuple[int, bytes]]:
        """The folder of a path, open while the block runs, and the path's name in it; ``create`` makes it."""
        return self._parent(path, create=create)

    def _leave(self) -> None:
        if self._kept is not None:
            os.close(self._kept[1])
            self._kept = None

    @contextmanager
    def _parent(self, path: str, *, create: bool = False) -> Iterator[tuple[int, bytes]]:
        above, _, name = to_bytes(path).rpartition(b"/")
        if self._kept is None or self._kept[0] != above:
            self._leave()
            handle = self._open(path, create)
            if handle == self._root:
                yield handle, name
                return
            self._kept = (above, handle)
        try:
            yield self._kept[1], name
        except FileNotFoundError:
            self._leave()  # perhaps the folder itself is gone
            raise
        finally:
            if not self._stay:
                self._leave()

    def _open(self, path: str, create: bool) -> int:
        *above, name = to_bytes(path).split(b"/")
        if name in (b"", b".", b"..") or any(f in (b"", b".", b"..") for f in above):
            raise Blocked(f"{path!r} is not a path inside the workspace.")
        at = self._root
        try:
            for folder in above:
                try:
                    below = _open_folder(at, folder)
                except FileNotFoundError:
                    if not create:
                        raise
                    os.mkdir(folder, 0o777, dir_fd=at)
                    below = _open_folder(at, folder)
                if at != self._root:
                    os.close(at)
                at = below
        except OSError as error:
            if at != self._root:
                os.close(at)
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise Blocked(f"A folder of {path!r} is now a file or a link; nothing was written.") from None
            raise
        return at


def _open_folder(parent: int, name: bytes) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def _read(parent: int, name: bytes, path: str, largest: int | None) -> Found:
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        target = os.readlink(name, dir_fd=parent)
        return Found(LINK | 0o777, target, Stamp.of(status))
    if not stat.S_ISREG(status.st_mode):
        raise Blocked(f"{path!r} is now {describe(status.st_mode)}; it was left alone.")
    if largest is not None and status.st_size > largest:
        raise Blocked(f"{path!r} is too large to keep ({status.st_size:,} bytes); it was left alone.")
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):  # replaced since we looked
            raise Blocked(f"{path!r} is now {describe(status.st_mode)}; it was left alone.")
        data = os.read(handle, status.st_size + 1)
        if len(data) != status.st_size or not data:  # it changed meanwhile, or has no honest size
            parts = [data]
            while part := os.read(handle, 1 << 20):
                parts.append(part)
            data = b"".join(parts)
        return Found(REGULAR | status.st_mode & 0o777, data, Stamp.of(status))
    finally:
        os.close(handle)


def folders(path: str) -> list[str]:
    """The folders above a path, outermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _unreadable(path: str, error: OSError) -> Blocked:
    return Blocked(f"{path!r} cannot be read: {error.strerror}; it was left alone.")


def describe(mode: int) -> str:
    """What kind of thing an ``st_mode`` is, for a sentence."""
    for test, name in (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISLNK, "a link"),
        (stat.S_ISREG, "a file"),
    ):
        if test(mode):
            return name
    return "a device"


def _remove_empty(parent: int, name: bytes) -> bool:
    """Remove a folder and the folders in it from the bottom up; False, and some may be left, at a file."""
    handle = _open_folder(parent, name)
    try:
        for inside in os.listdir(handle):
            if not stat.S_ISDIR(os.stat(inside, dir_fd=handle, follow_symlinks=False).st_mode):
                return False
        for inside in os.listdir(handle):
            if not _remove_empty(handle, os.fsencode(inside)):
                return False
    finally:
        os.close(handle)
    os.rmdir(name, dir_fd=parent)
    return True


def _unlink(parent: int, name: bytes) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return


def _load_libc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return None
    libc.renameat2.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return libc


_LIBC = _load_libc()


def exchange_works(folder: Path) -> bool:
    """Whether the file system of ``folder`` can exchange two names in one call."""
    parent = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    names = [TEMPORARY + b"probe-%d-%d" % (os.getpid(), n) for n in (1, 2)]
    try:
        for name in names:
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=parent))
        return _renameat2(parent, names[0], names[1], _EXCHANGE) == 0
    finally:
        for name in names:
            _unlink(parent, name)
        os.close(parent)


def rename_new(here: int, old: bytes, there: int, new: bytes) -> None:
    """Rename between open folders. FileExistsError where the name is taken; OSError EXDEV across file systems."""
    _rename(here, old, new, _NOREPLACE, there)


def exchange_names(parent: int, name: bytes, other: bytes) -> None:
    """Swap two names of an open folder. FileNotFoundError where one is missing."""
    _rename(parent, name, other, _EXCHANGE)


def _renameat2(parent: int, source: bytes, target: bytes, flags: int, there: int | None = None) -> int:
    if _LIBC is None:
        return errno.ENOSYS
    if _LIBC.renameat2(parent, source, parent if there is None else there, target, flags) == 0:
        return 0
    return ctypes.get_errno()


def _rename(parent: int, source: bytes, target: bytes, flags: int, there: int | None = None) -> None:
    error = _renameat2(parent, source, target, flags, there)
    if error == 0:
        return
    if error not in (errno.ENOSYS, errno.EINVAL):
        raise OSError(error, os.strerror(error), os.fsdecode(target))
    # No such call here (other systems, some file systems): the nearest portable steps.
    if flags == _NOREPLACE:
        there = parent if there is None else there
        os.link(source, target, src_dir_fd=parent, dst_dir_fd=there, follow_symlinks=False)
        os.unlink(source, dir_fd=parent)
        return
    aside = source + OLD
    _unlink(parent, aside)
    os.link(target, aside, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
    os.replace(source, target, src_dir_fd=parent, dst_dir_fd=parent)
    os.replace(aside, source, src_dir_fd=parent, dst_dir_fd=parent)
