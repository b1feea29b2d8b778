"""The command demo: 10,000 bottles, rehearsed replies, real work."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from workspace import WorkspaceError
from wukong_tui.cli.common import emit, json_option, note, say
from wukong_tui.cli.place import Place, on_a_terminal
from wukong_tui.loading import loading


@click.command(short_help="Show what this is: an agent books 10,000 bottles, with no key and no network.")
@click.option("--headless", is_flag=True, help="Do it without a terminal and say what came of it.")
@click.option("--resume", is_flag=True, help="Open the newest demo again instead of making one.")
@json_option
@click.pass_obj
def demo(place: Place, headless: bool, resume: bool, as_json: bool) -> None:
    """Show what this is: an agent books 10,000 bottles into a warehouse, with no key and no network.

    Its replies are rehearsed, the work is real. It takes place in a fresh folder in your
    state directory, or in the directory of -C, which `wukong -C` can look into afterwards.
    """
    import asyncio

    from wukong_tui import demo as rehearsal

    if as_json and not headless:
        raise WorkspaceError("The demo writes JSON with --headless only.")
    if not headless and not on_a_terminal():
        raise WorkspaceError("The demo needs a terminal; `wukong demo --headless` does the same without one.")
    parent = None if place.directory == Path() else place.directory.resolve()
    store = place.store.resolve() if place.store else None
    if resume:
        made = rehearsal.again(parent, store=store)
    else:
        made = rehearsal.make(parent, store=store, paced=not headless)
        note(f"The demo works in {made.root}.")
    if not headless:
        with loading():
            app = importlib.import_module("wukong_tui.app")
        app.run(made.root, made.store, demo=made, resume=resume)
        note(f"The demo is in {made.root}; `wukong demo --resume` opens it again.")
        return
    if not resume:
        asyncio.run(rehearsal.play(made))
    record = rehearsal.result(made)
    if as_json:
        emit(record)
    else:
        say(f"{record['bottles']:,} bottles stand on the floor, {record['fire_lane']:,} of them in the fire lane.")
        say(f"{record['operations']:,} operations made {record['versions']:,} versions of"
            f" {record['documents']:,} documents; failed attempts: {record['failed_attempts']:,}.")  # fmt: skip
        say(f"Tokens: ~{record['tokens']['estimated']:,}; one tool call for each bottle: ~{record['one_call_each']:,}"
            " at the least. Cost: –.")  # fmt: skip
        say(f"It is in {made.root}: `wukong -C {made.root} log` shows it.", dim=True)
    if not rehearsal.succeeded(record):
        raise WorkspaceError("The demo did not end as it should; `wukong log` there shows where.")
