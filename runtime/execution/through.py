"""Writing through a mounted overlay, so that what was put into a workspace is seen by those who live on it."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from workspace.working_copy.changeset import Taken
from workspace.working_copy.files import Blocked, Files, Stamp

_BESIDE = b".wukong-tmp-shown"


def show(paths: Collection[str], entry: int, workspace: Path, upper: Path, inside: Path, taken: Taken) -> None:
    """Make paths the same inside as in the workspace, as of an entry, but for those that were changed inside.

    ``inside`` is the workspace as it is seen through the mount, ``upper`` its upper folder;
    ``taken``, what is known of that, is brought up to date. No link inside is followed: it
    may lead anywhere.
    """
    real, above, seen = Files(workspace), Files(upper), Files(inside)
    try:
        for path in paths:
            with suppress(OSError, Blocked):
                if _show(path, real, above, seen, taken):
                    taken.entries[path] = entry
    finally:
        for files in (real, above, seen):
            files.close()


def _show(path: str, real: Files, above: Files, seen: Files, taken: Taken) -> bool:
    """Show one path; whether it is now the same on both sides."""
    there = above.status(path)
    if there is not None and taken.same.get(path) != Stamp.of(there):
        return False
    status = real.status(path)
    if _alike(status, seen.status(path)):
        return True
    if status is None:
        with seen.folder_of(path) as (parent, name):
            os.unlink(name, dir_fd=parent)
    elif stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
        _bring(path, real, seen, status)
    else:
        return False
    if (there := above.status(path)) is not None:
        taken.stamps[path] = taken.same[path] = Stamp.of(there)
    return True


def _bring(path: str, real: Files, seen: Files, status: os.stat_result) -> None:
    """Put a copy in place by a rename, with the times of what it is a copy of."""
    found = real.read(path)
    if found is None:
        return
    with seen.folder_of(path, create=True) as (parent, name):
        with suppress(FileNotFoundError):
            os.unlink(_BESIDE, dir_fd=parent)
        if stat.S_ISLNK(status.st_mode):
            os.symlink(found.data, _BESIDE, dir_fd=parent)
        else:
            handle = os.open(_BESIDE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=parent)
            with open(handle, "wb") as file:
                file.write(found.data)
                os.fchmod(handle, stat.S_IMODE(status.st_mode))
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(_BESIDE, ns=times, dir_fd=parent, follow_symlinks=False)
        os.rename(_BESIDE, name, src_dir_fd=parent, dst_dir_fd=parent)


def _alike(one: os.stat_result | None, other: os.stat_result | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.st_mode, one.st_size, one.st_mtime_ns) == (other.st_mode, other.st_size, other.st_mtime_ns)
