"""The command office: the whole of it on this terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtime.models.names import meant
from workspace.errors import WorkspaceError
from wukong_tui.cli.options import office_options
from wukong_tui.cli.place import Place, on_a_terminal
from wukong_tui.loading import loading

if TYPE_CHECKING:
    from wukong_tui.frames.state import Permissions


@click.command(short_help="Open the office on this terminal; the same as `wukong` alone.")
@office_options
@click.pass_obj
def office(place: Place, model: str | None, theme: str, yes: bool, read_only: bool) -> None:
    """Open the office on this terminal: conversation, plan, meter, documents and their history.

    Leaving it stops nothing: what runs goes on in the host, and opening it again attaches.
    """
    if not on_a_terminal():
        raise WorkspaceError("The office needs a terminal; `wukong --help` lists what works without one.")
    if not place.has_history():
        from workspace.amounts import plural, size
        from workspace.operations.workspace import check_not_too_wide
        from wukong_tui.cli.common import note

        root = place.new_root()
        check_not_too_wide(root)
        if not click.confirm(
            f"{root} has no history yet. Begin one, so that every edit can be taken back?", default=True
        ):
            raise WorkspaceError("Nothing was begun.")
        with place.acting(begin=True) as do:
            done = do("scan")
        note(f"{plural(done['files'], 'file')} recorded, {size(done['bytes'])}.")
    place.reading().close()  # one that an older program wrote is brought up to date before the screen is taken
    with loading():
        from wukong_tui.app import run

    mode: Permissions = "read-only" if read_only else "auto" if yes else "ask"
    root, store = place.root(), place.store.resolve() if place.store else None
    status = run(root, store, theme=theme, model=meant(model), permissions=mode)
    if status:
        sys.exit(status)
    say_what_goes_on(root, store)


def say_what_goes_on(root: Path, store: Path | None) -> None:
    """Say to who has left what still runs."""
    from runtime.host import connect
    from wukong_tui.cli.common import note

    found = connect.status(root, store)
    if found and (running := found.get("running")):
        note(f"{', '.join(running)} goes on; `wukong` attaches again.")
