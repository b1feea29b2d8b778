"""Keeping the link to a history out of the repository it lies in: ``git add .`` is not to stage it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from pathspec import GitIgnoreSpec

from workspace.store.location import LINK

_LINE = b"/" + LINK.encode() + b"\n"
_LARGEST = 1 << 20
"""Bytes of an ignore file that is looked at."""


def exclude_link(root: Path) -> bool:
    """Have git ignore the link in ``root`` where that is a repository's folder; whether a line was added.

    The line goes to ``info/exclude`` of the repository, which belongs to this clone alone
    and is in no commit. Nothing is written where a rule speaks of the link already,
    where that file or its folder is a link, or where it cannot be written.
    """
    try:
        repository = _repository(root)
        if repository is None:
            return False
        info = repository / "info"
        there = _read(info / "exclude")
        if _speaks(_read(root / ".gitignore")) or _speaks(there):
            return False
        with suppress(FileExistsError):
            info.mkdir()
        if info.is_symlink():
            return False
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        handle = os.open(info / "exclude", flags, 0o644)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return False
            os.write(handle, _LINE if there.endswith(b"\n") or not there else b"\n" + _LINE)
        finally:
            os.close(handle)
    except OSError:
        return False
    return True


def _repository(root: Path) -> Path | None:
    """Where git keeps what all work trees of the repository of ``root`` share; None where it is none."""
    place = root / ".git"
    if place.is_file():  # a work tree or a submodule: its repository lies elsewhere
        word, _, path = place.read_bytes()[:_LARGEST].partition(b": ")
        if word != b"gitdir":
            return None
        place = root / os.fsdecode(path.rstrip(b"\r\n"))
    if not (place / "HEAD").is_file():
        return None
    shared = place / "commondir"
    if shared.is_file():
        place = place / os.fsdecode(shared.read_bytes()[:_LARGEST].rstrip(b"\r\n"))
    return place.resolve() if (place / "objects").is_dir() and (place / "refs").is_dir() else None


def _read(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return b""
    with open(handle, "rb") as file:
        return file.read(_LARGEST)


def _speaks(rules: bytes) -> bool:
    """Whether ignore rules say anything of the link, for or against it."""
    for line in rules.decode("utf-8", "surrogateescape").splitlines():
        with suppress(ValueError):  # a pattern that is none
            if GitIgnoreSpec.from_lines([line]).check_file(LINK).include is not None:
                return True
    return False
