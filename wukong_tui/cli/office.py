"""The command office: the whole of it on this terminal."""

from __future__ import annotations

import sys

import click

from runtime.models.names import meant
from workspace.errors import WorkspaceError

from .place import Place


@click.command(short_help="Open the office on this terminal; the same as `wukong` alone.")
@click.option("--model", default=None, metavar="NAME", help="The model to ask; `wukong models` lists them.")
@click.option("--theme", type=click.Choice(["dark", "light"]), default="dark", show_default=True, help="Its colours.")
@click.option("--yes", "-y", is_flag=True, help="Let agents write and run commands in the sandbox without asking.")
@click.option("--read-only", is_flag=True, help="Let agents look and nothing else.")
@click.pass_obj
def office(place: Place, model: str | None, theme: str, yes: bool, read_only: bool) -> None:
    """Open the office on this terminal: conversation, plan, meter, documents and their history.

    Leaving it stops nothing: what runs goes on in the host, and opening it again attaches.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise WorkspaceError("The office needs a terminal; `wukong --help` lists what works without one.")
    if not place.has_history():
        from workspace.workspace import check_not_too_wide

        from .common import note, plural, size

        root = place.new_root()
        check_not_too_wide(root)
        if not click.confirm(
            f"{root} has no history yet. Begin one, so that every edit can be taken back?", default=True
        ):
            raise WorkspaceError("Nothing was begun.")
        with place.acting(begin=True) as do:
            done = do("scan")
        note(f"{plural(done['files'], 'file')} recorded, {size(done['bytes'])}.")
    from wukong_tui.app import run

    mode = "read-only" if read_only else "auto" if yes else "ask"
    run(
        place.root(),
        place.store.resolve() if place.store else None,
        theme=theme,
        model=meant(model),
        permissions=mode,
    )


COMMANDS = (office,)
