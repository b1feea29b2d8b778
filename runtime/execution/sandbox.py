"""Commands under bubblewrap: the workspace and nothing else of the user's, no network, bounded in everything."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.execution import bubblewrap
from runtime.execution.limits import Limits
from runtime.execution.mounts import SandboxError, View
from runtime.execution.output import Output
from runtime.execution.process import LATE, STARTED, Process, command, gated
from runtime.waiting import to_the_end
from workspace.store import location

__all__ = ["Limits", "Ran", "SandboxError", "available", "run"]


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
    trial = bubblewrap.chosen()
    if trial is None:
        mend = bubblewrap.remedy(bubblewrap.machine(), None)
        return f"The sandbox needs bubblewrap; install it (such as: {mend}), then try again."
    with tempfile.TemporaryDirectory(prefix="wukong-") as folder, contextlib.ExitStack() as stack:
        try:
            os.close(os.pidfd_open(os.getpid()))
            line, passed = command(View(Path(folder), sized=trial.tried.sized), gated(["true"], Limits()), stack)
            tried = subprocess.run(
                line, env={}, cwd="/", pass_fds=passed, input=b"go\n", capture_output=True, timeout=10, check=False
            )
        except (OSError, SandboxError, subprocess.TimeoutExpired) as error:
            return f"The sandbox does not work here: {error}."
    if tried.returncode != 0 or not tried.stdout.startswith(STARTED):
        said = tried.stderr.decode("utf-8", "replace").strip().splitlines()
        mend = bubblewrap.remedy(bubblewrap.machine(), trial.tried.program)
        hint = (
            f" with: {mend}"
            if mend
            else ": see user.max_user_namespaces, AppArmor, or the container's seccomp filter."
        )
        return (
            f"The sandbox does not work here ({said[-1] if said else f'status {tried.returncode}'}); allow user"
            f" namespaces{hint}"
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
    view = View(workspace, inside, directory, scratch, limits.memory // 2, environment, binds, files, hidden, sized())
    output = Output(limits.output, aside)
    with contextlib.ExitStack() as stack:
        line, passed = await to_the_end(asyncio.to_thread(command, view, gated(argv, limits), stack))
        stack.enter_context(_linked(workspace))
        box = Process(line, passed, limits, output, on_output)
        try:
            await box.open()
            started = time.monotonic()
            status, killed = await box.ended()
            seconds = time.monotonic() - started
        finally:
            await to_the_end(box.close())
    text, dropped = output.result()
    return Ran(status, text, dropped, output.kept, killed == LATE, seconds, killed)


def sized() -> bool:
    """Whether the bubblewrap here can bound folders in memory (0.7 and newer)."""
    trial = bubblewrap.chosen()
    return trial is not None and trial.tried.sized


_links: dict[Path, tuple[int, str | None]] = {}
"""Where the links of workspaces led before anything ran in them, and how many run in each."""


@contextlib.contextmanager
def _linked(workspace: Path) -> Iterator[None]:
    """Make a workspace lead to its history again at the end: a command could have bent the link to one it made."""
    link = workspace.resolve() / location.LINK
    running, target = _links.get(link, (0, None))
    _links[link] = running + 1, target if running else _target(link)
    try:
        yield
    finally:
        running, target = _links.pop(link)
        if running > 1:
            _links[link] = running - 1, target
        with contextlib.suppress(OSError):
            now = _target(link)
            if now != target and not (target is None and now == str(location.default_store(link.parent))):
                if now is not None:
                    link.unlink()
                if target is not None:
                    link.symlink_to(target)


def _target(link: Path) -> str | None:
    try:
        return os.readlink(link)
    except OSError:
        return None
