"""Commands under bubblewrap: the workspace and nothing else of the user's, no network, bounded in everything."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from runtime import seccomp
from runtime.mounts import SandboxError, View
from runtime.output import Output
from workspace.location import LINK

__all__ = ["Limits", "Ran", "SandboxError", "available", "run"]

T = TypeVar("T")

_PROGRAMS = "/usr/bin:/bin:/usr/local/bin:/run/wrappers/bin:/run/current-system/sw/bin"
"""Where bubblewrap is looked for: the user's PATH may lead into a workspace."""
_STARTED = b"sandbox: started\n"
_GATE = """\
exec 3>&2 2>/dev/null
(
    echo 'sandbox: started'
    read -r go || exit 125
    echo 1000 >/proc/self/oom_score_adj
    ulimit -c 0
    ulimit -d "$1"
    [ "$2" = 0 ] || ulimit -u "$2" || ulimit -p "$2"
    shift 2
    exec "$@" </dev/null 2>&3 3>&-
)
exit $?
"""
"""The first process inside. Its child says that the sandbox stands, waits until the host watches, and is the command."""
_LATE = "stopped: out of time"
_WATCH = 0.1
"""Seconds between two looks at what a sandbox uses."""
_SETUP = 30.0
"""Seconds that making a sandbox may take."""
_CHUNK = 1 << 16
_FREELY = 4 << 20
"""Bytes of output read as fast as they come; a flood is then slowed down."""
_THREADS = 4
"""Threads per process that are allowed for, on average."""
_RESERVED = 300
"""Low process numbers that the kernel does not give twice."""
_NICE = 10
"""How far commands stand back behind the host, the interface, and the process whose end is theirs."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one execution may use: wall seconds, bytes of memory, processes, bytes of output given back.

    ``memory`` holds for each process (its own data) and for all of them together, as
    pages in use; what lies in /dev/shm, and in /tmp without a scratch folder, is bounded apart.
    """

    seconds: float = 120
    memory: int = 2 << 30
    processes: int = 256
    output: int = 256 << 10


@dataclass(frozen=True, slots=True)
class Ran:
    """How an execution ended. ``status`` is as a shell gives it, None where a limit ended it: ``killed`` says which.

    ``output`` is standard output and error as they came, with a mark where ``dropped``
    bytes were left out; ``kept`` is the file that then holds more of it.
    """

    status: int | None
    output: bytes
    dropped: int
    kept: Path | None
    timed_out: bool
    seconds: float
    killed: str | None


@functools.cache
def available() -> str | None:
    """Why commands cannot be executed here, in one sentence; None where they can. Really tries, once."""
    if not sys.platform.startswith("linux") or not hasattr(os, "pidfd_open"):
        return "The sandbox needs Linux 5.3 or newer."
    program = _bubblewrap()
    if program is None:
        return "The sandbox needs bubblewrap; install it (such as: apt install bubblewrap), then try again."
    with tempfile.TemporaryDirectory(prefix="wukong-") as folder, contextlib.ExitStack() as stack:
        try:
            os.close(os.pidfd_open(os.getpid()))
            command, passed = _command(View(Path(folder), sized=_sized()), ["true"], Limits(), stack)
            tried = subprocess.run(
                command, env={}, cwd="/", pass_fds=passed, input=b"go\n", capture_output=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"The sandbox does not work here: {error}."
    if tried.returncode != 0 or not tried.stdout.startswith(_STARTED):
        said = tried.stderr.decode("utf-8", "replace").strip().splitlines()
        return (
            f"The sandbox does not work here ({said[-1] if said else f'status {tried.returncode}'}); allow user"
            " namespaces: see kernel.unprivileged_userns_clone, user.max_user_namespaces, or AppArmor."
        )
    return None


async def run(
    argv: Sequence[str],
    *,
    workspace: Path,
    inside: str = "/workspace",
    directory: str = "",
    scratch: Path | None = None,
    limits: Limits = Limits(),
    environment: Mapping[str, str] = {},
    binds: Sequence[tuple[Path, str]] = (),
    files: Mapping[str, bytes] = {},
    hidden: Sequence[Path] = (),
    on_output: Callable[[bytes], None] | None = None,
    aside: Path | None = None,
) -> Ran:
    """Execute a command in a sandbox that shows ``workspace`` at ``inside``; when this returns, nothing of it lives.

    It starts in the folder ``directory`` of the workspace, with standard input empty and
    its environment made anew, ``environment`` added. /tmp is ``scratch``, else memory.
    ``binds`` are shown read-only: (path outside, path inside); ``files`` are made up.
    ``hidden`` must not be reachable. ``aside`` takes output longer than the limit, up to
    64 MiB. Raises SandboxError where nothing was executed. Cancelling ends all of it.
    """
    if (reason := await asyncio.to_thread(available)) is not None:
        raise SandboxError(reason)
    if not argv or any("\0" in word for word in argv) or argv[0].startswith("-"):
        raise SandboxError("This is no command: it is empty, begins with a dash or holds a NUL byte.")
    view = View(
        workspace, inside, directory, scratch, limits.memory // 2, environment, binds, files, hidden, _sized()
    )
    link = _link(workspace)
    output = Output(limits.output, aside)
    box = _Box(view, argv, limits, output, on_output)
    try:
        await box.open()
        started = time.monotonic()
        status, killed = await box.ended()
        seconds = time.monotonic() - started
    finally:
        await _to_the_end(box.close())
        _mend(workspace, link)
    text, dropped = output.result()
    return Ran(status, text, dropped, output.kept, killed == _LATE, seconds, killed)


class _Box:
    """One sandbox: bubblewrap outside, the first process inside, and the pipes between."""

    def __init__(
        self, view: View, argv: Sequence[str], limits: Limits, output: Output, heard: Callable[[bytes], None] | None
    ) -> None:
        self._limits = limits
        self._output = output
        self._heard = heard
        self._stack = stack = contextlib.ExitStack()
        self._first: int | None = None
        self._processes: int | None = None
        self._begun = asyncio.Event()
        self._early = b""
        try:
            with contextlib.ExitStack() as theirs:
                command, passed = _command(view, argv, limits, theirs)
                self._said, said = _pipe(stack, theirs)
                self._info, info = _pipe(stack, theirs)
                gate, self._gate = os.pipe2(os.O_CLOEXEC)
                theirs.callback(os.close, gate)
                stack.callback(lambda: os.close(self._gate) if self._gate >= 0 else None)
                command[1:1] = ["--info-fd", str(info)]
                self._outer = subprocess.Popen(
                    command, stdin=gate, stdout=said, stderr=said, env={}, cwd="/",
                    pass_fds=(*passed, info), start_new_session=True,
                )  # fmt: skip
            self._outer_fd = os.pidfd_open(self._outer.pid)
            stack.callback(os.close, self._outer_fd)
        except OSError as error:
            stack.close()
            raise SandboxError(
                f"The command cannot be started: {error.strerror}; put long ones in a file."
            ) from error
        self.reading = asyncio.ensure_future(self._read())
        self._telling = asyncio.ensure_future(self._tell())

    async def open(self) -> None:
        """Wait until the sandbox stands, then let the command begin. Raises SandboxError."""
        begun = asyncio.ensure_future(self._begun.wait())
        try:
            async with asyncio.timeout(_SETUP):
                if (pid := await asyncio.shield(self._telling)) is not None:
                    await asyncio.wait({begun, self.reading}, return_when=asyncio.FIRST_COMPLETED)
                    if self._begun.is_set():
                        self._processes = os.open(f"/proc/{pid}/root/proc", os.O_RDONLY | os.O_DIRECTORY)
                        self._stack.callback(os.close, self._processes)
                        _stand_back(pid)
                        await _bound(pid, self._limits.processes * _THREADS)
                        os.write(self._gate, b"go\n")
                        os.close(self._gate)
                        self._gate = -1
                        return
                await self.reading
        except TimeoutError:
            self._early = b"it took too long"
        except OSError as error:
            self._early = str(error).encode()
        finally:
            begun.cancel()
        reason = self._early.decode("utf-8", "replace").strip().removeprefix("bwrap: ")
        raise SandboxError(f"Nothing was executed; the sandbox could not be made: {reason or 'it ended at once'}.")

    async def ended(self) -> tuple[int | None, str | None]:
        """Wait for the command or the first limit it breaks: its status, or what the limit is."""
        over = asyncio.ensure_future(_readable(self._outer_fd))
        broken = asyncio.ensure_future(self._broken())
        tasks: set[asyncio.Future[Any]] = {over, broken, self.reading}
        try:
            async with asyncio.timeout(self._limits.seconds):
                while not over.done():
                    done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
                    if broken in done:
                        return None, broken.result()
        except TimeoutError:
            return None, _LATE
        finally:
            over.cancel()
            broken.cancel()
        status = self._outer.wait()
        return (status if status >= 0 else 128 - status), None

    async def _broken(self) -> str:
        """Wait until all processes together use more than they may; what that is."""
        limits, exact_at = self._limits, 0.0
        while True:
            await asyncio.sleep(_WATCH)
            processes, threads, memory = _usage(self._processes, limits.processes)
            if processes > limits.processes:
                return f"stopped: more than {limits.processes:,} processes at once"
            if threads > limits.processes * _THREADS:
                return f"stopped: more than {limits.processes * _THREADS:,} threads at once"
            if memory > limits.memory and time.monotonic() >= exact_at:  # shared pages were counted more than once
                if await asyncio.to_thread(_memory, self._processes) > limits.memory:
                    return f"stopped: more than {limits.memory / 2**20:,.0f} MiB of memory"
                exact_at = time.monotonic() + 1

    async def close(self) -> None:
        """End every process of the sandbox and wait until they are gone, then read what they had printed."""
        try:
            # What bubblewrap has begun by now would outlive it, so let it first say what that is.
            await asyncio.wait({self._telling}, timeout=_SETUP)
            if self._first is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._first, signal.SIGKILL)
                await _readable(self._first)  # the first process of a namespace is the last to go
            else:
                self._outer.kill()
            await _readable(self._outer_fd)
            self._outer.wait()
            await asyncio.wait({self.reading}, timeout=_SETUP)
            await self._output.close()
        finally:
            self._telling.cancel()
            self.reading.cancel()
            self._stack.close()

    async def _tell(self) -> int | None:
        """What the first process inside is called outside; None where bubblewrap gave up before it."""
        said = b""
        while part := await _next(self._info, 4096):
            said += part
        if not said.strip():
            return None
        pid = int(json.loads(said)["child-pid"])
        self._first = os.pidfd_open(pid)
        self._stack.callback(os.close, self._first)
        return pid

    async def _read(self) -> None:
        while not self._begun.is_set():
            part = await _next(self._said, _CHUNK)
            self._early += part
            _, mark, after = self._early.partition(_STARTED)
            if mark:
                self._begun.set()
                if after:
                    await self._hear(after)
            elif not part:
                return
        total = 0
        while part := await _next(self._said, _CHUNK):
            total += len(part)
            await self._hear(part)
            if total > _FREELY:
                await asyncio.sleep(0.001)

    async def _hear(self, data: bytes) -> None:
        await self._output.add(data)
        if self._heard is not None:
            self._heard(data)


# -- starting


def _bubblewrap() -> str | None:
    return shutil.which("bwrap", path=_PROGRAMS)


@functools.cache
def _sized() -> bool:
    """Whether bubblewrap can bound folders in memory (0.7 and newer)."""
    if (program := _bubblewrap()) is None:
        return False
    told = subprocess.run([program, "--help"], env={}, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return b"--size" in told.stdout + told.stderr


def _command(
    view: View, argv: Sequence[str], limits: Limits, stack: contextlib.ExitStack
) -> tuple[list[str], list[int]]:
    """The command line of bubblewrap and the descriptors to pass it. What it shows stays off the command line."""
    options, contents = view.options()
    if (rules := seccomp.program()) is not None:
        options += (b"--seccomp", b"%%%d" % len(contents))
        contents.append(rules)
    passed = [_held(content, stack) for content in contents]
    names = {b"%%%d" % at: b"%d" % handle for at, handle in enumerate(passed)}
    asked = _held(b"".join(names.get(option, option) + b"\0" for option in options), stack)
    # Older kernels count all processes of the user, the sandbox's or not.
    tasks = limits.processes * _THREADS if _kernel() >= (5, 14) else 0
    gate = ["/bin/sh", "-c", _GATE, "sh", str(limits.memory >> 10), str(tasks)]
    return [_bubblewrap() or "bwrap", "--as-pid-1", "--args", str(asked), "--", *gate, *argv], [*passed, asked]


def _held(content: bytes, stack: contextlib.ExitStack) -> int:
    handle = os.memfd_create("wukong", os.MFD_CLOEXEC)
    stack.callback(os.close, handle)
    with open(handle, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(handle, 0, os.SEEK_SET)
    return handle


@functools.cache
def _kernel() -> tuple[int, int]:
    major, minor = (int("".join(filter(str.isdigit, part)) or 0) for part in os.uname().release.split(".")[:2])
    return major, minor


def _pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[int, int]:
    read, write = os.pipe2(os.O_CLOEXEC)
    ours.callback(os.close, read)
    theirs.callback(os.close, write)
    os.set_blocking(read, False)
    return read, write


def _stand_back(first: int) -> None:
    """Let all but the first process of a sandbox give way: however many they are, it gets its turn to end them."""
    with contextlib.suppress(OSError, ValueError):
        for child in Path(f"/proc/{first}/task/{first}/children").read_text().split():
            os.setpriority(os.PRIO_PROCESS, int(child), _NICE)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, first, -_NICE)


async def _bound(first: int, tasks: int) -> None:
    """Bound how many processes and threads a sandbox can have, where the host is root, whom no other limit binds."""
    helper = _bounding(first, tasks)
    if helper is None:
        return
    handle = os.pidfd_open(helper.pid)
    try:
        await _readable(handle)
    finally:
        os.close(handle)
        helper.wait()


def _bounding(first: int, tasks: int) -> subprocess.Popen[bytes] | None:
    """Start to bound a namespace's process numbers (since Linux 6.14; before, they are the machine's)."""
    program = shutil.which("nsenter", path=_PROGRAMS)
    if os.getuid() != 0 or _kernel() < (6, 14) or program is None:
        return None
    script = f"echo {tasks + _RESERVED} >/proc/sys/kernel/pid_max"
    return subprocess.Popen(
        [program, "-t", str(first), "-p", "--", "/bin/sh", "-c", script],
        env={}, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


# -- watching


def _usage(proc: int | None, most: int) -> tuple[int, int, int]:
    """Processes, threads and bytes in use by a sandbox; shared pages count once for each process.

    With more than ``most`` processes only their number.
    """
    if proc is None:
        return 0, 0, 0
    pids = [name for name in os.listdir(proc) if name.isdigit() and name != "1"]
    threads = pages = 0
    for pid in pids if len(pids) <= most else ():
        with contextlib.suppress(OSError, ValueError, IndexError):
            threads += os.stat(f"{pid}/task", dir_fd=proc).st_nlink - 2
            pages += int(_text(proc, f"{pid}/statm").split()[1])
    return len(pids), threads, pages * resource.getpagesize()


def _memory(proc: int | None) -> int:
    """Bytes in use by a sandbox, each page counted once; files that are merely mapped are left out."""
    total = 0
    for pid in os.listdir(proc) if proc is not None else ():
        if not pid.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError):
            sizes = dict(
                line.split(b":", 1) for line in _text(proc, f"{pid}/smaps_rollup").splitlines() if b":" in line[:20]
            )
            names = (b"Pss_Anon", b"Pss_Shmem") if b"Pss_Anon" in sizes else (b"Pss",)
            total += sum(int(sizes[name].split()[0]) << 10 for name in names)
    return total


def _text(proc: int | None, path: str) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        return os.read(handle, 1 << 16)
    finally:
        os.close(handle)


async def _readable(handle: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(handle, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(handle)


async def _next(handle: int, size: int) -> bytes:
    """The next bytes of a pipe; empty at its end."""
    while True:
        try:
            return os.read(handle, size)
        except BlockingIOError:
            await _readable(handle)


async def _to_the_end(work: Awaitable[T]) -> T:
    """Await what must not be left half done, however often the task is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return task.result()


# -- the link to the history


def _link(workspace: Path) -> str | None:
    try:
        return os.readlink(workspace / LINK)
    except OSError:
        return None


def _mend(workspace: Path, link: str | None) -> None:
    """Point a workspace at its history again: a command could make it lead to one of its own making."""
    path = workspace / LINK
    if link is None or _link(workspace) == link:
        return
    with contextlib.suppress(OSError):
        if path.is_symlink():
            path.unlink()
        path.symlink_to(link)
