"""Folders that commands may fill with anything, removed whatever they made of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from runtime.waiting import to_the_end


@contextlib.asynccontextmanager
async def temporary() -> AsyncIterator[Path]:
    """A folder for the time being, for its user alone; it is removed in a thread."""
    folder = Path(tempfile.mkdtemp(prefix="wukong-"))
    try:
        yield folder
    finally:
        await to_the_end(asyncio.to_thread(remove, folder))


def remove(folder: Path) -> None:
    """Remove a tree of any depth, whatever its permissions; follows no link. What cannot be removed stays.

    A folder inside is first moved to the top, so that neither paths nor the stack grow
    with the depth.
    """
    token, moved = uuid.uuid4().hex, 0
    with contextlib.suppress(OSError):
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            waiting = _empty(top)
            while waiting:
                name = waiting.pop()
                with contextlib.suppress(OSError):
                    below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
                    try:
                        for inner in _empty(below):
                            moved += 1
                            os.rename(inner, f"{token}-{moved}", src_dir_fd=below, dst_dir_fd=top)
                            waiting.append(f"{token}-{moved}")
                    finally:
                        os.close(below)
                    os.rmdir(name, dir_fd=top)
        finally:
            os.close(top)
        os.rmdir(folder)


def _empty(handle: int) -> list[str]:
    """Unlink all but the folders in a folder; their names, made accessible."""
    folders = []
    for name in os.listdir(handle):
        with contextlib.suppress(OSError):
            if stat.S_ISDIR(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
                os.chmod(name, 0o700, dir_fd=handle)
                folders.append(name)
            else:
                os.unlink(name, dir_fd=handle)
    return folders
