"""What the commands share: finding the workspace, saying things, and failing in one sentence."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import Iterable
from typing import TypedDict, Unpack

import click

from workspace.times import when
from workspace.visible import visible


class Style(TypedDict, total=False):
    """How a part of a line is drawn; see click."""

    fg: str
    bold: bool
    dim: bool


ACCENT: Style = {"fg": "cyan"}
"""What stands out in a line: a document's version, an operation."""


def say(text: str = "", *, lines: bool = False, **style: Unpack[Style]) -> None:
    """A line for a person (``lines``: several), drawn as text whatever it holds."""
    click.secho(visible(text, lines=lines), **style)


def columns(*parts: tuple[str, Style] | str, cut: bool = False) -> None:
    """A line of styled parts, each drawn as text; with ``cut`` it fits on one row of a terminal."""
    left = shutil.get_terminal_size().columns if cut and sys.stdout.isatty() else None
    out = []
    for part in parts:
        text, style = part if isinstance(part, tuple) else (part, {})
        shown = visible(text)
        if left is not None:
            shown = fitted(shown, left)
            left -= width(shown)
        out.append(click.style(shown, **style) if style and shown else shown)
    click.echo("".join(out).rstrip())


def note(text: str) -> None:
    """A remark beside the result, on standard error."""
    click.secho(visible(text), err=True, dim=True)


def emit(value: object) -> None:
    """One JSON value on a line; printable ASCII only, so that nothing in it can act on a terminal."""
    sys.stdout.write(json.dumps(value, separators=(",", ":")).replace("\x7f", "\\u007f") + "\n")


def stamp(microseconds: int | None) -> str | None:
    """A journal time for JSON: UTC, ISO 8601 with microseconds."""
    if microseconds is None:
        return None
    return when(microseconds).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def listing(names: Iterable[str], most: int = 3) -> str:
    """Some names, and how many more there are."""
    names = list(names)
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def cell(text: str, room: int) -> str:
    """Text drawn in exactly ``room`` terminal columns: cut with ``…`` or filled with blanks."""
    shown = fitted(visible(text), room)
    return shown + " " * (room - width(shown))


def fitted(text: str, room: int) -> str:
    """Text cut with ``…`` where it takes more than ``room`` terminal columns."""
    if width(text) <= room:
        return text
    kept, left = [], room - 1
    for char in text:
        left -= width(char)
        if left < 0:
            break
        kept.append(char)
    return "".join(kept) + "…" if room > 0 else ""


def width(text: str) -> int:
    """Terminal columns that drawn text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me", "Cf") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON Lines instead of text.")
