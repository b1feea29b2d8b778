"""``wukong merge``: bring what another branch holds into this one."""

from __future__ import annotations

import click

from wukong_tui.cli.common import json_option, say
from wukong_tui.cli.place import Place
from wukong_tui.cli.preview import agreed, preview_option, say_done, yes_option


@click.command(short_help="Merge a branch into this one.")
@click.argument("name", metavar="BRANCH")
@preview_option
@yes_option
@json_option
@click.pass_obj
def merge(place: Place, name: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Bring all that BRANCH holds into the branch of this folder; where both changed the same thing, nothing."""
    with place.acting() as do:
        preview = do("merge", branch=name, dry_run=True)
        if not preview["touched"] and not preview["conflicts"] and not dry_run:
            done = do("merge", branch=name)  # what is joined counts, although no document changes
            if as_json or done["operation"] is not None:
                say_done(done, "Merged", as_json)
            else:
                say(preview["note"])
        elif agreed(preview, dry_run, yes, as_json, f"Merge {name}?"):
            say_done(do("merge", branch=name, expect=preview["expect"]), "Merged", as_json)
