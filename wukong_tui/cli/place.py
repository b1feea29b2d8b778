"""Where the commands work: the workspace, and who carries out acts on it. The database comes when it is needed."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from runtime.protocol import ActName
from workspace.errors import NotFound, Outdated, WorkspaceError
from workspace.store.location import FILE, existing_folder, find_root, is_network, store_of

if TYPE_CHECKING:
    from runtime.host.answers import ActAnswer
    from runtime.protocol import ActName
    from workspace import History, Workspace
    from workspace.operations.addresses import Address

NETWORK = "The history lies on a network file system, whose locks cannot be trusted; --store puts it elsewhere."


def on_a_terminal() -> bool:
    """Whether an interface can be shown: keys come from one end of it, what is drawn goes out as its errors do."""
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


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
        """The history open for reading; one that an older program wrote is brought up to date. Raises NotFound."""
        from workspace import History

        try:
            return History.open(self.root(), store=self.store)
        except Outdated:
            self.writing().close()
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
        from workspace.operations.addresses import resolve

        return resolve(history, text, here=existing_folder(self.directory))

    @contextmanager
    def acting(self, *, begin: bool = False) -> Iterator[Callable[..., ActAnswer]]:
        """What carries out acts, see runtime.acts: the host that is at work here, else we ourselves.

        With ``begin`` a history is begun where there is none. A host that only waits to be
        needed again is asked to leave.
        """
        here = {"here": str(existing_folder(self.directory))}
        root = self.host_at_work()
        if root is not None:
            here["root"] = str(root)
            from runtime import protocol
            from runtime.host import connect

            def ask(name: ActName, **arguments: object) -> ActAnswer:
                answer: ActAnswer = connect.call(
                    root, protocol.Perform(name, {**here, **arguments}), self.store, start=False
                )
                return answer

            yield ask
            return
        with self.starting() if begin else self.writing() as work:
            from runtime.host.acts import perform

            yield lambda name, **arguments: cast("ActAnswer", perform(work, name, {**here, **arguments}, person()))

    def host_at_work(self, *, alone: bool = False) -> Path | None:
        """The workspace, if a host is at work there; one that only waits leaves.

        With ``alone`` one leaves that nothing runs on, also where an office watches it.
        """
        from runtime import protocol
        from runtime.host import connect

        if not self.has_history():
            return None
        root = self.root()
        status = connect.status(root, self.store)
        if status is None:
            return None
        if status.get("running") or (int(status.get("clients", 0)) > 1 and not alone):
            return root
        with suppress(WorkspaceError):
            connect.call(root, protocol.Stop(idle=True), self.store, start=False)
        return None

    def _open(self, root: Path) -> Workspace:
        from workspace import Workspace

        work = Workspace.open(root, store=self.store)
        if is_network(work.folder):
            click.secho(NETWORK, err=True, dim=True)
        return work


def person() -> str:
    """Who is at the command line."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
