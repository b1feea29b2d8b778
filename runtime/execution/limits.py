"""What an execution may use, and what holds it to that where the kernel alone does not."""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = "/usr/bin:/bin:/usr/local/bin:/run/wrappers/bin:/run/current-system/sw/bin"
"""Where the host looks for programs of its own: the user's PATH may lead into a workspace."""
_THREADS = 4
"""Threads per process that are allowed for, on average."""
_RESERVED = 300
"""Low process numbers that the kernel does not give twice."""
_NICE = 5
"""How far commands stand back behind the host, the interface, and the process whose end is theirs."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one execution may use: wall seconds, bytes of memory, processes, bytes of output given back.

    ``memory`` holds for each process (its own data) and for all of them together, as
    pages in use; what lies in /dev/shm, and in /tmp without a scratch folder, is bounded
    apart. Each process may have four threads, on average.
    """

    seconds: float = 120
    memory: int = 2 << 30
    processes: int = 256
    output: int = 256 << 10

    @property
    def tasks(self) -> int:
        """Processes and threads, at most."""
        return self.processes * _THREADS

    @property
    def own_tasks(self) -> int:
        """The same as a limit of the kernel's for the user; 0 where it would count other processes too."""
        return self.tasks if _kernel() >= (5, 14) else 0

    def broken(self, usage: SandboxUsage) -> str | None:
        """What a sandbox uses too much of; memory, where pages may have been counted twice, apart."""
        if usage.processes > self.processes:
            return f"stopped: more than {self.processes:,} processes at once"
        if usage.threads > self.tasks:
            return f"stopped: more than {self.tasks:,} threads at once"
        return None


@dataclass(frozen=True, slots=True)
class SandboxUsage:
    """What the processes of a sandbox use; in ``memory``, bytes, shared pages count once for each process."""

    processes: int = 0
    threads: int = 0
    memory: int = 0


def usage(proc: int, most: int) -> SandboxUsage:
    """Look at a sandbox through its /proc, a descriptor. With more than ``most`` processes only at their number."""
    pids = _pids(proc)
    if len(pids) > most:
        return SandboxUsage(len(pids))
    threads = pages = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            threads += os.stat(f"{pid}/task", dir_fd=proc).st_nlink - 2
            pages += int(_read(proc, f"{pid}/statm").split()[1])
    return SandboxUsage(len(pids), threads, pages * resource.getpagesize())


def memory(proc: int) -> int:
    """Bytes in use by a sandbox, each page counted once; files that are merely mapped are left out."""
    total = 0
    for pid in _pids(proc):
        with contextlib.suppress(OSError, ValueError, KeyError):
            lines = _read(proc, f"{pid}/smaps_rollup").splitlines()[1:]
            sizes = dict(line.split(b":", 1) for line in lines)
            names = (b"Pss_Anon", b"Pss_Shmem") if b"Pss_Anon" in sizes else (b"Pss",)
            total += sum(int(sizes[name].split()[0]) << 10 for name in names)
    return total


def stand_back(first: int) -> None:
    """Let all but the first process of a sandbox give way: however many they are, it gets its turn to end them."""
    with contextlib.suppress(OSError, ValueError):
        for child in Path(f"/proc/{first}/task/{first}/children").read_text().split():
            os.setpriority(os.PRIO_PROCESS, int(child), _NICE)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, first, -_NICE)


def bound(first: int, limits: Limits) -> subprocess.Popen[bytes] | None:
    """Start to bound how many processes a sandbox can have where the host is root, whom no other limit binds.

    It bounds their numbers, which each namespace has of its own since Linux 6.14; before,
    it would be those of the machine. None where there is nothing to wait for.
    """
    program = shutil.which("nsenter", path=PROGRAMS)
    if os.getuid() != 0 or _kernel() < (6, 14) or program is None:
        return None
    script = f"echo {limits.tasks + _RESERVED} >/proc/sys/kernel/pid_max"
    return subprocess.Popen(
        [program, "-t", str(first), "-p", "--", "/bin/sh", "-c", script],
        env={}, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _pids(proc: int) -> list[str]:
    try:
        return [name for name in os.listdir(proc) if name.isdigit() and name != "1"]
    except OSError:  # all of them have ended
        return []


def _read(proc: int, path: str) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        return os.read(handle, 1 << 16)
    finally:
        os.close(handle)


@functools.cache
def _kernel() -> tuple[int, int]:
    major, minor = (int("".join(filter(str.isdigit, part)) or 0) for part in os.uname().release.split(".")[:2])
    return major, minor
