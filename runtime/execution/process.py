"""One running sandbox: bubblewrap outside, the first process inside, the pipes between, and their certain end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from runtime.execution import bubblewrap, seccomp
from runtime.execution import limits as held
from runtime.execution.limits import Limits
from runtime.execution.mounts import SandboxError, View
from runtime.execution.output import Output

STARTED = b"sandbox: started\n"
LATE = "stopped: out of time"
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
"""The first process inside; its child says that the sandbox stands, waits for the host, and becomes the command."""
_WATCH = 0.1
"""Seconds between two looks at what a sandbox uses."""
_PATIENCE = 60.0
"""Seconds that making a sandbox, or ending one, may take."""
_CHUNK = 1 << 16
_FREELY = 4 << 20
"""Bytes of output read as fast as they come; a flood is then slowed down."""


def gated(argv: Sequence[str], limits: Limits) -> list[str]:
    """The first process of a sandbox for one command: it waits for the host, then becomes the command."""
    return ["/bin/sh", "-c", _GATE, "sh", str(limits.memory >> 10), str(limits.own_tasks), *argv]


def command(view: View, first: Sequence[str], stack: contextlib.ExitStack) -> tuple[list[str], list[int]]:
    """The command line of bubblewrap and the descriptors to pass it, which ``stack`` closes.

    ``first`` is the first process inside. What the sandbox shows stays off the command
    line, which is visible inside. Raises SandboxError.
    """
    options, contents = view.options()
    if (rules := seccomp.program()) is not None:
        options += (b"--seccomp", b"\0%d" % len(contents))
        contents.append(rules)
    passed = [_hold(content, stack) for content in contents]
    names = {b"\0%d" % at: b"%d" % handle for at, handle in enumerate(passed)}
    asked = _hold(b"".join(names.get(option, option) + b"\0" for option in options), stack)
    return [bubblewrap.program() or "bwrap", "--as-pid-1", "--args", str(asked), "--", *first], [*passed, asked]


class Process:
    """A sandbox that is being made, used and ended, in this order: ``open``, ``ended``, and always ``close``.

    Where its standard input is to be held open (``hold``), ``send`` reaches its first process.
    """

    def __init__(
        self,
        command: Sequence[str],
        passed: Sequence[int],
        limits: Limits,
        output: Output,
        heard: Callable[[bytes], None] | None = None,
        *,
        hold: bool = False,
    ) -> None:
        """Start bubblewrap. Raises SandboxError."""
        self._limits = limits
        self._output = output
        self._heard = heard
        self._hold = hold
        self._stack = stack = contextlib.ExitStack()
        self._first: int | None = None
        self.pid = 0
        """The first process inside, as it is called outside; 0 before it is there."""
        self.processes = -1
        """A descriptor of the sandbox's /proc."""
        self._begun = asyncio.Event()
        self._early = b""
        try:
            with contextlib.ExitStack() as theirs:
                self._said, said = _pipe(stack, theirs)
                self._info, info = _pipe(stack, theirs)
                gate, self._gate = os.pipe2(os.O_CLOEXEC)
                theirs.callback(os.close, gate)
                stack.callback(self._close_gate)
                # Started by the thread that runs the loop: it dies with the thread that started it.
                self._outer = subprocess.Popen(
                    [command[0], "--info-fd", str(info), *command[1:]], stdin=gate, stdout=said, stderr=said,
                    env={}, cwd="/", pass_fds=(*passed, info), start_new_session=True,
                )  # fmt: skip
            self._outer_fd = os.pidfd_open(self._outer.pid)
            stack.callback(os.close, self._outer_fd)
        except OSError as error:
            stack.close()
            hint = "; put it in a file" if error.errno == 7 else ""
            raise SandboxError(f"The command cannot be started: {error.strerror}{hint}.") from error
        self._reading = asyncio.ensure_future(self._read())
        self._telling = asyncio.ensure_future(self._tell())

    async def open(self) -> None:
        """Wait until the sandbox stands, then let the command begin. Raises SandboxError."""
        begun = asyncio.ensure_future(self._begun.wait())
        try:
            async with asyncio.timeout(_PATIENCE):
                if (pid := await asyncio.shield(self._telling)) is not None:
                    await asyncio.wait({begun, self._reading}, return_when=asyncio.FIRST_COMPLETED)
                    if self._begun.is_set():
                        await self._let_go(pid)
                        return
                await self._reading
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
        over = asyncio.ensure_future(readable(self._outer_fd))
        broken = asyncio.ensure_future(self.broken())
        tasks: set[asyncio.Future[Any]] = {over, broken, self._reading}
        try:
            async with asyncio.timeout(self._limits.seconds) as clock:
                while not over.done():
                    done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
                    if broken in done and over not in done:
                        return None, broken.result()
        except TimeoutError:
            if not clock.expired():
                raise
            return None, LATE
        finally:
            over.cancel()
            broken.cancel()
        status = self._outer.wait()
        return (status if status >= 0 else 128 - status), None

    async def broken(self, check: Callable[[], str | None] | None = None) -> str:
        """Wait until all processes together use more than they may, or ``check`` names something; what that is."""
        again = 0.0
        while True:
            await asyncio.sleep(_WATCH)
            if check is not None and (limit := check()) is not None:
                return limit
            usage = held.usage(self.processes, self._limits.processes)
            if (limit := self._limits.broken(usage)) is not None:
                return limit
            if usage.memory > self._limits.memory and time.monotonic() >= again:
                if await asyncio.to_thread(held.memory, self.processes) > self._limits.memory:
                    return f"stopped: more than {self._limits.memory / 2**20:,.0f} MiB of memory"
                again = time.monotonic() + 1

    async def over(self) -> None:
        """Wait until the sandbox has ended."""
        await readable(self._outer_fd)

    def kill(self) -> None:
        """Begin to end every process of the sandbox; ``close`` sees to it that they are gone."""
        if self._first is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)

    def send(self, line: bytes) -> None:
        """Send a line to the first process. Raises SandboxError where the sandbox has ended."""
        try:
            os.write(self._gate, line)
        except OSError as error:
            raise SandboxError(f"The sandbox has ended: {error.strerror}.") from error

    async def close(self) -> None:
        """End every process of the sandbox, wait until they are gone, and read what they had printed.

        Raises SandboxError where they cannot be ended.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                if not self._telling.done():  # what it has begun by now would outlive it, so let it first say what
                    await asyncio.wait({self._telling})
                if self._first is not None:
                    self.kill()
                    await readable(self._first)  # the first process of a namespace is the last to go
                else:
                    self._outer.kill()
                await readable(self._outer_fd)
                self._outer.wait()
                await asyncio.wait({self._reading})
                await self._output.close()
        except TimeoutError:
            raise SandboxError("Processes of a command could not be ended; they hang in the kernel.") from None
        finally:
            self._telling.cancel()
            self._reading.cancel()
            self._stack.close()

    # -- inside

    async def _let_go(self, pid: int) -> None:
        """Set the limits that the kernel holds for us, begin to watch, and let the command begin."""
        self.processes = os.open(f"/proc/{pid}/root/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._stack.callback(os.close, self.processes)
        held.stand_back(pid)
        if (helper := held.bound(pid, self._limits)) is not None:
            handle = os.pidfd_open(helper.pid)
            try:
                await readable(handle)
            finally:
                os.close(handle)
                helper.wait()
        os.write(self._gate, b"go\n")
        if not self._hold:
            self._close_gate()

    def _close_gate(self) -> None:
        if self._gate >= 0:
            os.close(self._gate)
            self._gate = -1

    async def _tell(self) -> int | None:
        """What the first process inside is called outside; None where bubblewrap gave up before it."""
        said = b""
        while part := await take(self._info, 4096):
            said += part
        if not said.strip():
            return None
        pid = int(json.loads(said)["child-pid"])
        self._first = os.pidfd_open(pid)
        self.pid = pid
        self._stack.callback(os.close, self._first)
        return pid

    async def _read(self) -> None:
        while not self._begun.is_set():
            part = await take(self._said, _CHUNK)
            self._early += part
            _, mark, after = self._early.partition(STARTED)
            if mark:
                self._begun.set()
                if after:
                    await self._hear(after)
            elif not part:
                return
        total = 0
        while part := await take(self._said, _CHUNK):
            total += len(part)
            await self._hear(part)
            if total > _FREELY:
                await asyncio.sleep(0.001)

    async def _hear(self, data: bytes) -> None:
        await self._output.add(data)
        if self._heard is not None:
            self._heard(data)


def _hold(content: bytes, stack: contextlib.ExitStack) -> int:
    handle = os.memfd_create("wukong", os.MFD_CLOEXEC)
    stack.callback(os.close, handle)
    with open(handle, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(handle, 0, os.SEEK_SET)
    return handle


def _pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[int, int]:
    read, write = os.pipe2(os.O_CLOEXEC)
    ours.callback(os.close, read)
    theirs.callback(os.close, write)
    os.set_blocking(read, False)
    return read, write


async def readable(handle: int) -> None:
    """Wait until a descriptor can be read; for a process's, until it has ended."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(handle, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(handle)


async def take(handle: int, size: int) -> bytes:
    """The next bytes of a pipe, at most ``size``; empty at its end."""
    while True:
        try:
            return os.read(handle, size)
        except BlockingIOError:
            await readable(handle)
