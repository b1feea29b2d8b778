"""A program on a terminal that can be watched, typed at and resized: a real pty, drawn by pyte."""

from __future__ import annotations

import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from fcntl import ioctl
from pathlib import Path
from typing import Self

import pyte

PATIENCE = 40.0
"""Seconds to wait for something to be shown; a test's own limit comes later."""
QUIET = 0.15
"""Seconds without output after which a screen stands still."""

KEYS = {
    "left": b"\x1b[D", "right": b"\x1b[C", "up": b"\x1b[A", "down": b"\x1b[B", "esc": b"\x1b", "enter": b"\r",
    "tab": b"\t", "space": b" ", "pgup": b"\x1b[5~", "pgdn": b"\x1b[6~",
    **{f"ctrl+{chr(96 + n)}": bytes([n]) for n in range(1, 27)},
}  # fmt: skip


class _Screen(pyte.Screen):
    """Pyte's screen without the private modes that it takes for others."""

    def report_device_status(self, *args: int, **more: object) -> None:
        return None

    def select_graphic_rendition(self, *attrs: int, **more: object) -> None:
        if not more.get("private"):
            super().select_graphic_rendition(*attrs)


class Line:
    """A running program on a real pty; what it writes is counted and kept. Use it with ``with``.

    ``raw`` is every byte that reached the terminal.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        size: tuple[int, int] = (80, 24),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        columns, rows = size
        self._master, slave = os.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        variables = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(environment or {})}
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TEXTUAL"):
            variables.pop(name, None)
        self.process = subprocess.Popen(
            [str(part) for part in command], cwd=cwd, env=variables, pass_fds=(slave,),
            preexec_fn=lambda: os.login_tty(slave),
        )  # fmt: skip
        os.close(slave)
        self.raw = bytearray()
        self.last = 0.0
        """When the newest bytes came, in monotonic seconds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGHUP)
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the terminal, as a line that drops does."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def came(self, part: bytes) -> None:
        """Bytes have come."""
        self.raw += part
        self.last = time.monotonic()

    def read(self, seconds: float = 0.0) -> int:
        """Take what has come, waiting for the first of it; the number of bytes."""
        count = 0
        while self._master >= 0 and select.select([self._master], [], [], 0.0 if count else seconds)[0]:
            try:
                part = os.read(self._master, 1 << 16)
            except OSError:  # nobody has the terminal open any more
                return count
            if not part:
                return count
            count += len(part)
            self.came(part)
        return count

    def settle(self, quiet: float = QUIET, patience: float = PATIENCE) -> int:
        """Wait until nothing more comes for a while; the number of bytes that came."""
        count, deadline = 0, time.monotonic() + patience
        while time.monotonic() < deadline:
            came = self.read(quiet)
            if not came:
                return count
            count += came
        raise AssertionError("The screen never stands still.")

    def type(self, *keys: str | bytes) -> Self:
        """Press keys by name, or type texts."""
        for key in keys:
            os.write(self._master, key if isinstance(key, bytes) else KEYS.get(key) or key.encode())
        return self

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size."""
        ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def leave(self) -> int:
        """Leave with ctrl+q; the exit status."""
        return self.type("ctrl+q").ended()

    def ended(self) -> int:
        """Wait for the end of the program; its exit status."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read(0.05)
        return self.process.wait(timeout=1)


class Terminal(Line):
    """A running program and what its screen shows."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        size: tuple[int, int] = (80, 24),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(command, cwd=cwd, size=size, environment=environment)
        self.size = size
        """Columns and rows."""
        self._screen = _Screen(*size)
        self._stream = pyte.ByteStream(self._screen)

    # -- looking

    @property
    def rows(self) -> list[str]:
        """The lines on the screen."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """All that is on the screen."""
        return "\n".join(self.rows)

    def came(self, part: bytes) -> None:
        super().came(part)
        self._stream.feed(part)

    def resize(self, columns: int, rows: int) -> None:
        super().resize(columns, rows)
        self.size = (columns, rows)
        self._screen.resize(rows, columns)

    def until(self, true: str | Callable[[Terminal], bool], patience: float = PATIENCE) -> Terminal:
        """Wait until a text is on the screen, or something is so."""
        wanted = (lambda terminal: true in terminal.text) if isinstance(true, str) else true
        deadline = time.monotonic() + patience
        while not wanted(self):
            if time.monotonic() > deadline:
                raise AssertionError(f"It never showed {true!r}:\n{self.text}")
            self.read(0.05)
            if self.process.poll() is not None and not self.read(0.05) and not wanted(self):
                raise AssertionError(
                    f"It ended with {self.process.returncode} before it showed {true!r}:\n{self.text}"
                )
        return self

    def cut(self, row: int, column: int, width: int) -> str:
        """What stands in some cells of a row."""
        return "".join(self._screen.buffer[row][x].data for x in range(column, column + width))

    def style_at(self, column: int, row: int) -> pyte.screens.Char:
        """The character on the screen at a place, with its colours."""
        return self._screen.buffer[row][column]
