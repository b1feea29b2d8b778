"""``wukong branch``: list the branches, or fork one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from workspace.records import Branch
from wukong_tui.cli.common import ACCENT, columns, emit, json_option, say
from wukong_tui.cli.place import Place


@click.command(short_help="List the branches, or fork one.")
@click.argument("name", required=False)
@click.argument("address", required=False)
@json_option
@click.pass_obj
def branch(place: Place, name: str | None, address: str | None, as_json: bool) -> None:
    """Fork a branch NAME, now or at ADDRESS (op:12, @{10m ago}); without a name, list all of them."""
    if name is not None:
        with place.acting() as do:
            made = do("branch", branch=name, address=address)
        if as_json:
            emit(made)
        else:
            say(f"Forked {name} from {made['parent']} after entry {made['fork']:,}; `wukong checkout` lays it out.")
        return
    with place.reading() as history:
        branches = history.store.versions.branches()
        names = {known.id: known.name for known in branches}
        folders = {number: copy.root for number, copy in history.store.working_copies().items()}
        for known in branches:
            record = _record(known, names, folders)
            if as_json:
                emit(record)
            else:
                here = "*" if known.id == history.branch.id else " "
                origin = f"from {record['parent']} after entry {known.fork:,}" if known.parent is not None else ""
                columns((f"{here} {known.name}  ", ACCENT), "  ".join(filter(None, (origin, record["folder"]))))


def _record(known: Branch, names: Mapping[int, str], folders: Mapping[int, str]) -> dict[str, Any]:
    parent = names[known.parent] if known.parent is not None else None
    return {"branch": known.name, "parent": parent, "fork": known.fork, "folder": folders.get(known.id)}
