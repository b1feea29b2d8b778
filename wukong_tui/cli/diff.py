"""``wukong diff``: what changed between two addresses."""

from __future__ import annotations

from collections.abc import Iterator

import click

from wukong_tui.cli.common import emit, json_option
from wukong_tui.cli.diffs import Pair, pairs_between, pairs_of_operation, pairs_on_disk, print_pair, record
from wukong_tui.cli.place import Place


@click.command(short_help="What changed between two addresses.")
@click.argument("a", required=False)
@click.argument("b", required=False)
@json_option
@click.pass_obj
def diff(place: Place, a: str | None, b: str | None, as_json: bool) -> None:
    """What changed from A to B (by default now); op:N alone: what it did; nothing: what is unrecorded."""
    with place.reading() as history:
        pairs: Iterator[Pair]
        if a is None:
            pairs = pairs_on_disk(history)
        elif b is None and a.startswith("op:") and not a.endswith("^"):
            pairs = pairs_of_operation(history, place.resolve(history, a).operation or 0)
        else:
            first = place.resolve(history, a)
            pairs = pairs_between(history, first, place.resolve(history, b) if b is not None else None)
        for pair in pairs:
            if as_json:
                emit(record(pair))
            else:
                print_pair(pair)
