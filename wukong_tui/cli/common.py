"""What the commands share: finding the workspace, saying things, and failing in one sentence."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from runtime.acts import perform
from workspace import History, NotFound, Workspace, WorkspaceError
from workspace.addresses import Address, resolve
from workspace.history import existing_folder
from workspace.location import FILE, find_root, is_network, store_of
from workspace.models import when
from workspace.visible import visible


@dataclass(frozen=True, slots=True)
class Place:
    """Where the commands work: ``-C`` and ``--store`` as given."""

    directory: Path
    store: Path | None

    def root(self) -> Path:
        """The workspace at or above the directory. Raises NotFound."""
        here = existing_folder(self.directory)
        if self.store is None:
            return find_root(here)
        store = self.store.resolve()
        for folder in (here, *here.parents):
            with suppress(NotFound):  # a link to a store that is gone is no matter: one was named
                if (found := store_of(folder)) is not None and found.resolve() == store:
                    return folder
        return here

    def reading(self) -> History:
        """The history open for reading. Raises NotFound."""
        return History.open(self.root(), store=self.store)

    def writing(self) -> Workspace:
        """The workspace open for writing. Raises NotFound where there is no history."""
        return self._open(self.root())

    def starting(self) -> Workspace:
        """The workspace open for writing; a history is begun in the directory where there is none."""
        return self._open(self.new_root())

    def new_root(self) -> Path:
        """The folder whose history ``starting`` goes on with or begins. Raises NotFound."""
        here = existing_folder(self.directory)
        try:
            return self.root()
        except NotFound:
            return here

    def has_history(self) -> bool:
        """Whether ``starting`` would go on with a history. Raises NotFound where its store is gone."""
        return self.store.joinpath(FILE).is_file() if self.store else store_of(self.new_root()) is not None

    def resolve(self, history: History, text: str) -> Address:
        """What an address names; its path starts where we are. Raises NotFound, WorkspaceError."""
        return resolve(history, text, here=existing_folder(self.directory))

    @contextmanager
    def acting(self, *, begin: bool = False) -> Iterator[Callable[..., dict[str, Any]]]:
        """What carries out acts, see runtime.acts: the host that is at work here, else we ourselves.

        With ``begin`` a history is begun where there is none. A host that only waits to be
        needed again is asked to leave.
        """
        here = {"here": str(existing_folder(self.directory))}
        root = self.host_at_work()
        if root is not None:
            from runtime import dial, protocol

            def ask(name: Any, **arguments: Any) -> dict[str, Any]:
                answer: dict[str, Any] = dial.call(
                    root, protocol.Act(name, {**here, **arguments}), self.store, start=False
                )
                return answer

            yield ask
            return
        with self.starting() if begin else self.writing() as work:
            yield lambda name, **arguments: perform(work, name, {**here, **arguments}, person())

    def host_at_work(self) -> Path | None:
        """The workspace, if a host is at work there; one that only waits leaves."""
        from runtime import dial, protocol

        if not self.has_history():
            return None
        root = self.root()
        status = dial.status(root, self.store)
        if status is None:
            return None
        if status.get("running") or int(status.get("clients", 0)) > 1:
            return root
        with suppress(WorkspaceError):
            dial.call(root, protocol.Stop(idle=True), self.store, start=False)
        return None

    def _open(self, root: Path) -> Workspace:
        work = Workspace.open(root, store=self.store)
        if is_network(work.folder):
            note(
                "The history lies on a network file system, whose locks cannot be trusted; --store puts it elsewhere."
            )
        return work


def person() -> str:
    """Who is at the command line."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def say(text: str = "", *, lines: bool = False, **style: Any) -> None:
    """A line for a person (``lines``: several), drawn as text whatever it holds."""
    click.secho(visible(text, lines=lines), **style)


def columns(*parts: tuple[str, dict[str, Any]] | str, cut: bool = False) -> None:
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


def emit(value: Any) -> None:
    """One JSON value on a line; printable ASCII only, so that nothing in it can act on a terminal."""
    sys.stdout.write(json.dumps(value, separators=(",", ":")).replace("\x7f", "\\u007f") + "\n")


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
