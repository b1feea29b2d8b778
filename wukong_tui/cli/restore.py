"""``wukong restore``: make documents equal to an address."""

from __future__ import annotations

from collections.abc import Sequence

import click

from workspace import WorkspaceError
from wukong_tui.cli.common import json_option
from wukong_tui.cli.place import Place
from wukong_tui.cli.preview import agreed, preview_option, say_done, yes_option


@click.command(short_help="Make documents equal to an address.")
@click.argument("address")
@click.argument("paths", nargs=-1)
@preview_option
@yes_option
@json_option
@click.pass_obj
def restore(place: Place, address: str, paths: Sequence[str], dry_run: bool, yes: bool, as_json: bool) -> None:
    """Make documents equal to ADDRESS: PATH@12, PATH@{10m ago}, or @{14:03} or op:12 for all or PATHS."""
    with place.acting() as do:
        preview = do("restore", address=address, paths=paths, dry_run=True)
        if preview["conflicts"]:
            reasons = "; ".join(f"{conflict['path']}: {conflict['reason']}" for conflict in preview["conflicts"])
            raise WorkspaceError(f"Nothing was restored: {reasons}.")
        if agreed(preview, dry_run, yes, as_json, f"Restore {address}?"):
            say_done(do("restore", address=address, paths=paths), "Restored", as_json)
