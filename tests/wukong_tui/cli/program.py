"""The program as its users run it: in a process of its own, on a pipe or on a terminal."""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path

WUKONG = (sys.executable, "-P", "-m", "wukong_tui")
Arg = str | bytes | Path


@dataclass(frozen=True)
class Done:
    """How a run ended: exit status, standard output and standard error."""

    status: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def said(self) -> str:
        return self.err.decode()


def start(*args: Arg, cwd: Path, **how: object) -> subprocess.Popen[bytes]:
    """The program, started and not waited for."""
    return subprocess.Popen(
        [*WUKONG, *args], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how
    )  # type: ignore[call-overload]


def end(process: subprocess.Popen[bytes]) -> Done:
    """What a started program did, once it has ended."""
    out, err = process.communicate(timeout=60)
    assert b"Traceback" not in err, err.decode("utf-8", "replace")
    return Done(process.returncode, out, err)


def run(*args: Arg, cwd: Path, **how: object) -> Done:
    """The program on pipes."""
    return end(start(*args, cwd=cwd, **how))


def done(*args: Arg, cwd: Path, **how: object) -> str:
    """What the program wrote; it must succeed."""
    result = run(*args, cwd=cwd, **how)
    assert result.status == 0, result.said
    return result.text


def refusal(result: Done, status: int = 1) -> str:
    """The one sentence by which a run failed."""
    assert result.status == status, result
    lines = result.said.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("wukong: "), lines
    assert lines[0].endswith("."), lines
    return lines[0].removeprefix("wukong: ")


def on_terminal(
    *command: Arg,
    cwd: Path,
    rows: int = 24,
    columns: int = 80,
    answers: Sequence[tuple[bytes, bytes]] = (),
    environment: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """A command on a terminal of its own: its exit status and every byte that reached the screen.

    ``answers`` are pairs of a text to wait for and what is typed then.
    """
    master, slave = os.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    variables = {**os.environ, "TERM": "xterm-256color", **(environment or {})}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        variables.pop(name, None)
    process = subprocess.Popen(
        command, cwd=cwd, env=variables, pass_fds=(slave,), preexec_fn=lambda: os.login_tty(slave)
    )
    os.close(slave)
    screen, to_answer, deadline = b"", list(answers), time.monotonic() + 60
    while select.select([master], [], [], max(0, deadline - time.monotonic()))[0]:
        try:
            part = os.read(master, 1 << 16)
        except OSError:  # how Linux says that nobody has the terminal open any more
            break
        if not part:
            break
        screen += part
        if to_answer and to_answer[0][0] in screen:
            _waits(process, deadline)
            os.write(master, to_answer.pop(0)[1])
    status = process.wait(timeout=60)  # before the line is hung up, which would end it otherwise
    os.close(master)
    assert b"Traceback" not in screen, screen.decode("utf-8", "replace")
    assert not to_answer, (to_answer, screen)
    return status, screen


def _waits(process: subprocess.Popen[bytes], deadline: float) -> None:
    """Wait until a program waits: an interrupt just before it reads would be heard only after the next key."""
    stat = Path(f"/proc/{process.pid}/stat")
    while stat.exists() and time.monotonic() < deadline and stat.read_text().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.001)


def opened(process: subprocess.Popen[bytes], path: Path) -> bool:
    """Wait until a started program has a file open; whether it has before it ends (Linux)."""
    while process.poll() is None:
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                if link.resolve() == path:
                    return True
            except OSError:
                continue
    return False
