"""What lies in the upper folder of an overlay, looked at beside what lies below; nothing here follows a link."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def status(path: bytes) -> os.stat_result | None:
    """``lstat`` of a path; None where there is nothing. OSError where it cannot be looked at."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_whiteout(found: os.stat_result) -> bool:
    """Whether it says that what lies below was removed."""
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def is_opaque(folder: bytes) -> bool:
    """Whether nothing from below shows through a folder."""
    for name in ("user.overlay.opaque", "trusted.overlay.opaque"):
        with suppress(OSError, AttributeError):
            if os.getxattr(folder, name, follow_symlinks=False) == b"y":
                return True
    return False


def small(path: bytes, most: int = 1 << 20) -> bytes | None:
    """A file's bytes; None for what is none, cannot be read or has more than ``most``."""
    try:
        handle = os.open(path, _FLAGS)
    except OSError:
        return None
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        data = file.read(most + 1)
    return data if len(data) <= most else None


def same_bytes(one: bytes, other: bytes) -> bool:
    """Whether two regular files hold the same, however large they are. OSError where one cannot be read."""
    with open(os.open(one, _FLAGS), "rb", buffering=0) as a, open(os.open(other, _FLAGS), "rb", buffering=0) as b:
        while True:
            part, theirs = a.read(1 << 20), b.read(1 << 20)
            if part != theirs:
                return False
            if not part:
                return True
