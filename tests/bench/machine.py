"""What the figures were taken on, and a folder where durable means durable."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from workspace.store import engine
from workspace.store.location import file_system

from .git import version as git_version
from .measure import alternate, duration, percentile

IN_MEMORY = frozenset({"tmpfs", "ramfs"})


@contextmanager
def scratch(wanted: Path | None) -> Iterator[Path]:
    """A new folder on a real disk, removed afterwards: in ``wanted``, else the first place that is one."""
    places = [wanted] if wanted else [Path(tempfile.gettempdir()), platformdirs.user_cache_path(), Path.cwd()]
    real = next((place for place in places if place.is_dir() and file_system(place) not in IN_MEMORY), places[0])
    with tempfile.TemporaryDirectory(prefix="wukong-bench-", dir=real, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def facts(folder: Path) -> list[str]:
    """Sentences on the machine, the programs and the disk under ``folder``."""
    kind = file_system(folder)
    disk = f"{kind}, {'NOT DURABLE: in memory, ' if kind in IN_MEMORY else ''}fdatasync of 32 kB {_sync(folder)}"
    return [
        f"{os.cpu_count()} cores, {platform.machine()}, {_memory()}, load {os.getloadavg()[0]:.1f}",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, SQLite {'.'.join(map(str, engine.version()))} ({engine.NAME}),"
        f" {git_version()}",
        disk,
    ]


def _sync(folder: Path) -> str:
    handle = os.open(folder / "sync", os.O_RDWR | os.O_CREAT)
    try:
        os.write(handle, bytes(1 << 22))
        os.fsync(handle)

        def overwrite(number: int):
            os.pwrite(handle, os.urandom(32 << 10), number * (32 << 10))
            return lambda: os.fdatasync(handle)

        (taken,) = alternate(100, overwrite)
    finally:
        os.close(handle)
    return f"{duration(percentile(taken, 50))}, p99 {duration(percentile(taken, 99))}"


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (OSError, ValueError):
        return "memory unknown"
