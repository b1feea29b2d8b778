"""What the commands share: finding the workspace, saying things, and failing in one sentence."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from workspace import Act, History, Workspace, WorkspaceError
from workspace.location import find_root, is_network, store_of
from workspace.models import when
from workspace.visible import visible


@dataclass(frozen=True, slots=True)
class Place:
    """Where the commands work: ``-C`` and ``--store`` as given."""

    directory: Path
    store: Path | None

    def root(self) -> Path:
        """The workspace at or above the directory. Raises NotFound."""
        return self.directory.resolve() if self.store else find_root(self.directory)

    def reading(self) -> History:
        return History.open(self.root(), store=self.store)

    def writing(self, *, create: bool = False) -> Workspace:
        """The workspace open for writing; with ``create`` a history is begun where there is none."""
        try:
            root = self.root()
        except WorkspaceError:
            if not create:
                raise
            root = self.directory.resolve()
        work = Workspace.open(root, store=self.store)
        if is_network(work.folder):
            note(
                "The history lies on a network file system, whose locks cannot be trusted; --store puts it elsewhere."
            )
        return work

    def exists(self) -> bool:
        """Whether the directory, or one above it, has a history."""
        try:
            return store_of(self.root()) is not None or self.store is not None
        except WorkspaceError:
            return False


def act(kind: str, name: str) -> Act:
    """An act of the person at the command line."""
    try:
        person = getpass.getuser()
    except (KeyError, OSError):
        person = str(os.getuid())
    return Act(kind=kind, name=name, actor=person, session="cli")


def say(text: str = "", **style: Any) -> None:
    """A line for a person, drawn as text whatever it holds."""
    click.secho(visible(text, lines=True), **style)


def columns(*parts: tuple[str, dict[str, Any]] | str) -> None:
    """A line of styled parts, each drawn as text."""
    out = [click.style(visible(part[0]), **part[1]) if isinstance(part, tuple) else visible(part) for part in parts]
    click.echo("".join(out).rstrip())


def note(text: str) -> None:
    """A remark beside the result, on standard error."""
    click.secho(visible(text), err=True, dim=True)


def emit(value: Any) -> None:
    """One JSON value on a line; ASCII only, so that nothing in it can act on a terminal."""
    sys.stdout.write(json.dumps(value, separators=(",", ":")) + "\n")


def stamp(microseconds: int | None) -> str | None:
    """A journal time for JSON: UTC, ISO 8601 with microseconds."""
    if microseconds is None:
        return None
    return when(microseconds).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def clock(microseconds: int) -> str:
    """A journal time for a person: local, to the second."""
    return datetime.fromtimestamp(microseconds / 1e6).strftime("%Y-%m-%d %H:%M:%S")


def size(count: float) -> str:
    """A number of bytes for a person, e.g. ``1.4 MiB``."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} GiB"


def plural(count: int, word: str) -> str:
    """``1 document``, ``3 documents``, ``2 entries``."""
    many = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{count:,} {word if count == 1 else many}"


def lines_of(added: int | None, removed: int | None) -> str:
    """Line counts as ``+3 −1``; ``binary`` where there are none."""
    return "binary" if added is None or removed is None else f"+{added:,} −{removed:,}"


def listing(names: Iterable[str], most: int = 3) -> str:
    """Some names, and how many more there are."""
    names = list(names)
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON Lines instead of text.")
