"""``wukong blame``: which version made each line of a document."""

from __future__ import annotations

import click

from workspace import Operation, Version, WorkspaceError
from workspace.amounts import date_and_time
from workspace.operations.blame import Blame
from workspace.store.lines import split
from wukong_tui.cli import records
from wukong_tui.cli.addressed import existing
from wukong_tui.cli.common import ACCENT, cell, columns, emit, json_option
from wukong_tui.cli.place import Place


@click.command(short_help="Which version made each line of a document.")
@click.argument("address")
@json_option
@click.pass_obj
def blame(place: Place, address: str, as_json: bool) -> None:
    """Who made each line of a version, in which version and when."""
    with place.reading() as history:
        version = existing(history, address, place.resolve(history, address))
        found = Blame(history.store.versions, version)
        if found.binary:
            raise WorkspaceError(f"{version.path} is binary: it has no lines.")
        found.advance()
        origins = [origin for origin in found.origins() if origin is not None]
        texts = split(history.content(version))
        makers: dict[int, tuple[Version, Operation]] = {}
        for number in {origin.version for origin in origins}:
            made = history.store.versions.get(version.document, number)
            makers[number] = made, history.operation(made.operation)
        wide = max((len(str(number)) for number in makers), default=0) + 1
        digits = len(str(len(origins)))
        for line, (origin, text) in enumerate(zip(origins, texts, strict=True), 1):
            made, operation = makers[origin.version]
            shown = text.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
            if as_json:
                emit(records.blamed(line, shown, origin.line + 1, made, operation))
            else:
                columns(
                    (f"@{origin.version:<{wide - 1}}", ACCENT),
                    f"  {date_and_time(operation.started)}  {cell(operation.actor or '', 8)}  {line:>{digits}}  ",
                    shown,
                )
