"""``wukong revert``: take out what operations did and keep everything later."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from wukong_tui.cli.common import json_option, listing, note
from wukong_tui.cli.place import Place
from wukong_tui.cli.preview import agreed, preview_option, say_done, yes_option


@click.command(short_help="Take out what operations did.")
@click.argument("operations", nargs=-1, required=True, metavar="OP...")
@preview_option
@yes_option
@json_option
@click.pass_obj
def revert(place: Place, operations: Sequence[str], dry_run: bool, yes: bool, as_json: bool) -> None:
    """Take out what the operations OP (op:12 or 12) did, and keep everything later."""
    with place.acting() as do:
        preview = do("revert", operations=operations, dry_run=True)
        if preview["uncertain"] and not yes:
            note(f"{listing(preview['uncertain'])} may hold somebody else's work of that time.")
        if agreed(preview, dry_run, yes, as_json, f"Revert {' '.join(operations)}?"):
            asked = sys.stdin.isatty() and not as_json
            say_done(do("revert", operations=operations, consent=yes or asked), "Reverted", as_json)
