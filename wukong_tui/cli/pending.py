"""``wukong pending``: changes of commands that were held, because they would destroy what cannot be kept."""

from __future__ import annotations

import click

from workspace.amounts import plural, size
from workspace.working_copy import waiting
from wukong_tui.cli.common import ACCENT, columns, emit, json_option, note, say
from wukong_tui.cli.place import Place


@click.group(invoke_without_command=True, short_help="Changes of commands that wait for your word.")
@json_option
@click.pass_context
def pending(context: click.Context, as_json: bool) -> None:
    """Show the changes of commands that were not laid in, because they would destroy what cannot be kept.

    `wukong pending apply OP` lays them in all the same; `wukong pending drop OP` drops them.
    """
    if context.invoked_subcommand is not None:
        return
    place: Place = context.obj
    with place.reading() as history:
        assert history.store.folder is not None
        found = waiting.held(history.store.folder)
        names = {one.upper.operation: history.operation(one.upper.operation).name or "" for one in found}
    for one in found:
        if as_json:
            destroys = [{"path": path, "bytes": count} for path, count in one.held]
            emit({"operation": one.upper.operation, "session": one.upper.session, "destroys": destroys})
            continue
        columns((f"op:{one.upper.operation}", ACCENT), f"  {names[one.upper.operation]}", cut=True)
        for path, count in one.held:
            say(f"  would destroy {path} ({size(count)}), which is more than is kept")
    if not found and not as_json:
        say("Nothing waits.")


@pending.command()
@click.argument("operation", metavar="OP")
@json_option
@click.pass_obj
def apply(place: Place, operation: str, as_json: bool) -> None:
    """Lay in the changes of OP, whatever they destroy."""
    with place.acting() as do:
        done = do("apply", operation=operation)
    if as_json:
        emit(done)
        return
    for conflict in done["conflicts"]:
        note(f"{conflict['path']}: {conflict['reason']}; it was left as it is")
    count = len(done["versions"]) + len(done["outside"])
    say(f"Laid in {plural(count, 'change')} as op:{done['operation']}; `wukong undo` takes back what is held of it.")


@pending.command()
@click.argument("operation", metavar="OP")
@json_option
@click.pass_obj
def drop(place: Place, operation: str, as_json: bool) -> None:
    """Drop the changes of OP: none of them is in the folder."""
    with place.acting() as do:
        done = do("drop", operation=operation)
    if as_json:
        emit(done)
    else:
        say(f"Dropped, as op:{done['operation']}.")
