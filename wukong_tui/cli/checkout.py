"""``wukong checkout``: lay out a branch, or a moment, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import click

from wukong_tui.cli.common import emit, json_option, say
from wukong_tui.cli.place import Place


@click.command(short_help="Lay out a branch, or a moment, in a folder.")
@click.argument("address")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--branch", "name", metavar="NAME", default=None, help="What the branch of a moment is called.")
@json_option
@click.pass_obj
def checkout(place: Place, address: str, folder: Path, name: str | None, as_json: bool) -> None:
    """Lay out branch:NAME in DIR, which must be empty or not exist; or op:12, @{10m ago} … as a new branch.

    What is edited there is recorded on that branch; `wukong merge` brings it here.
    """
    with place.acting() as do:
        made = do("checkout", address=address, folder=str(place.directory.absolute() / folder), branch=name)
    if as_json:
        emit(made)
    else:
        say(f"Branch {made['branch']} is in {made['folder']}.")
