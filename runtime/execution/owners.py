"""Files of other owners: a sandbox knows one user and one group, so on an overlay those of others cannot change."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

REFUSED = b"Value too large for defined data type"
"""What the kernel says where such a file is to be changed."""
_ENTRIES = 100_000
"""Entries that are looked at, at most."""


def of_others(root: Path, most: int = 20) -> list[str]:
    """Paths whose user or group is not ours, at most so many; of a large folder only a part is looked at."""
    uid, gid = os.getuid(), os.getgid()
    found: list[str] = []
    waiting, left = [os.fspath(root)], _ENTRIES
    while waiting and left > 0 and len(found) < most:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                left -= 1
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    if (status.st_uid, status.st_gid) != (uid, gid):
                        found.append(os.path.relpath(entry.path, root))
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return sorted(found[:most])


def told(paths: list[str]) -> str:
    """What to say of such files, and what to do."""
    return (
        f"files of other owners cannot be changed on an overlay: {', '.join(paths)};"
        " `wukong run --on-folder` runs commands on the folder itself"
    )
