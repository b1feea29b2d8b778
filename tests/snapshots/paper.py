"""A screen as a text file: its rows, and below them which cells are drawn in which style."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path

from rich.style import Style

from tests.wukong_tui.sitting import Still
from themes import NAMES, load
from widgets.paint import Ink
from widgets.panel import Panel

HERE = Path(__file__).parent
WRITING = "WUKONG_SNAPSHOTS"
"""The environment variable that, set to ``write``, makes every snapshot anew."""
EDGE = "─" * 8 + " styles"
MOST = 12
"""Rows that a failure shows of one screen."""

Look = tuple[str, str, str]
"""Foreground, background and attributes of a cell."""


def screen(app: Still) -> str:
    """What is on the screen now, as the text of a snapshot; of a dialog only itself."""
    strips = app.screen._compositor.render_strips()
    region = app.screen.query_one(Panel).region if len(app.screen_stack) > 1 else app.size.region
    names = _names(app.look_theme.name)
    rows, runs = [], []
    for y in range(region.y, region.bottom):
        strip = strips[y].crop(region.x, region.right)
        rows.append(strip.text.rstrip())
        runs.append(_runs(strip, names))
    return "\n".join([*rows, EDGE, *_grouped(runs), ""])


def _runs(strip: Iterable[object], names: dict[Look, str]) -> str:
    """The cells of a row that are not plain text: ``0-3 rule, 3-8 heading``."""
    found: list[list[object]] = []
    at = 0
    for segment in strip:
        size, look = segment.cell_length, _look(segment.style)  # type: ignore[attr-defined]
        name = names.get(look) or " ".join(part for part in look if part)
        if found and found[-1][2] == name:
            found[-1][1] = at + size
        else:
            found.append([at, at + size, name])
        at += size
    return ", ".join(f"{start}-{end} {name}" for start, end, name in found if name != "text")


def _grouped(runs: Sequence[str]) -> list[str]:
    """One line for each row, or for rows after each other that are drawn alike; none for plain ones."""
    out, first = [], 0
    for y in range(1, len(runs) + 1):
        if y == len(runs) or runs[y] != runs[first]:
            if runs[first]:
                rows = f"{first + 1}" if y == first + 1 else f"{first + 1}–{y}"
                out.append(f"{rows}: {runs[first]}")
            first = y
    return out


def _look(style: Style | None) -> Look:
    style = style or Style.null()
    front = style.color.get_truecolor().hex if style.color else ""
    behind = style.bgcolor.get_truecolor(foreground=False).hex if style.bgcolor else ""
    marks = ("bold", "dim", "italic", "underline", "reverse", "strike")
    return front, f"on {behind}", " ".join(mark for mark in marks if getattr(style, mark))


@lru_cache
def _names(theme: str) -> dict[Look, str]:
    """Names of styles by what they look like; where two look the same, the first."""
    ink = Ink(load(theme))
    found: dict[Look, str] = {}
    for name in (*NAMES, *(f"{under} {over}" for under in NAMES for over in NAMES if under != over)):
        found.setdefault(_look(ink.style(name)), name)
    return found


@dataclass(slots=True)
class Album:
    """The snapshots of one size and theme: each screen is compared with its file, or written to it.

    A file in an album ``like`` another one holds only the rows that differ from that one's.
    """

    name: str
    like: str = ""
    seen: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return HERE / self.name

    def take(self, title: str, app: Still) -> None:
        """Compare the screen with the snapshot of this title."""
        now, path = screen(app), self.folder / f"{title}.txt"
        if self.like:
            now = _beside(f"{self.like}/{title}.txt", now)
        self.seen.append(title)
        if os.environ.get(WRITING) == "write":
            self.folder.mkdir(exist_ok=True)
            path.write_text(now, "utf-8")
            return
        was = path.read_text("utf-8") if path.exists() else ""
        if was != now:
            self.differing.append(f"{self.name}/{title}.txt\n{difference(was, now)}")

    def close(self) -> None:
        """Find the snapshots that nobody makes any more."""
        stale = {path.stem for path in self.folder.glob("*.txt")} - set(self.seen)
        if os.environ.get(WRITING) == "write":
            for title in stale:
                (self.folder / f"{title}.txt").unlink()
            return
        self.differing += [f"{self.name}/{title}.txt is made by no test any more." for title in sorted(stale)]


def close(*albums: Album) -> None:
    """Say which screens of these albums differ, if any."""
    for album in albums:
        album.close()
    differing = [text for album in albums for text in album.differing]
    if differing:
        how = (
            f"{len(differing)} of {sum(len(album.seen) for album in albums)} screens differ. To look and to accept:"
            f" {WRITING}=write pytest tests/snapshots, then git diff tests/snapshots."
        )
        raise AssertionError("\n\n".join([how, *differing, how]))


def _beside(other: str, now: str) -> str:
    """A snapshot as what it shows otherwise than another one."""
    path = HERE / other
    was = path.read_text("utf-8").splitlines() if path.exists() else []
    pairs = enumerate(zip_longest(was, now.splitlines(), fillvalue=""), 1)
    rows = [f"{number}: {b}" for number, (a, b) in pairs if a != b]
    return "\n".join([f"As in {other}{', but for these lines:' if rows else '.'}", *rows, ""])


def difference(was: str, now: str) -> str:
    """The rows in which two snapshots differ, first those of the text."""
    if not was:
        return "  there is no snapshot yet"
    out = []
    for number, (a, b) in enumerate(zip_longest(was.splitlines(), now.splitlines(), fillvalue=""), 1):
        if a != b:
            out += [f"  {number:>3} - {a}", f"      + {b}"]
    more = len(out) - 2 * MOST
    return "\n".join([*out[: 2 * MOST], *([f"  and {more // 2} more rows"] if more > 0 else [])])
