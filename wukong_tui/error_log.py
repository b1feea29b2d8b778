"""What went wrong in an office: written into a log beside the history."""

from __future__ import annotations

import time
import traceback
from contextlib import suppress
from pathlib import Path

NAME = "office.log"
KEPT = 400
"""Lines of older errors that stay in the log."""


def note_down(folder: Path | None, error: BaseException) -> str:
    """Write an error into the log of a history's folder; the path of the log, or ``Nothing`` without a folder."""
    if folder is None:
        return "Nothing"
    log = folder / NAME
    with suppress(OSError):
        lines = traceback.format_exception(error)
        log.write_text("".join([*_tail(log), f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n", *lines]), "utf-8")
    return str(log)


def _tail(log: Path) -> list[str]:
    """The newest lines of a log that is kept small."""
    with suppress(OSError):
        return log.read_text("utf-8", "replace").splitlines(keepends=True)[-KEPT:]
    return []
