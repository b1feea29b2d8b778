"""``wukong pending``: changes of commands that were held, because they would destroy what cannot be kept."""

from __future__ import annotations

import click

from workspace import History
from workspace.amounts import plural, size
from workspace.working_copy import waiting
from wukong_tui.cli.common import ACCENT, columns, emit, json_option, note, say
from wukong_tui.cli.place import Place


@click.command(short_help="Held changes of commands: show, apply or drop them.")
@click.option("--apply", "applied", metavar="OP", default=None, help="Lay in the changes of OP all the same.")
@click.option("--drop", "dropped", metavar="OP", default=None, help="Drop the changes of OP; none is in the folder.")
@json_option
@click.pass_obj
def pending(place: Place, applied: str | None, dropped: str | None, as_json: bool) -> None:
    """Show the changes of commands that were not laid in, because they would destroy what cannot be kept."""
    if applied is not None and dropped is not None:
        raise click.UsageError("--apply and --drop exclude each other.")
    if applied is not None or dropped is not None:
        with place.acting() as do:
            done = do("apply", operation=applied) if applied is not None else do("drop", operation=dropped)
        for conflict in done.get("conflicts", ()):
            note(f"{conflict['path']}: {conflict['reason']}; it was left as it is")
        if not as_json and applied is not None:
            count = plural(len(done["versions"]) + len(done["outside"]), "change")
            say(f"Laid in {count} as op:{done['operation']}; `wukong undo` takes back what is held of it.")
        elif not as_json:
            say(f"Dropped, as op:{done['operation']}.")
    with place.reading() as history:
        found = waiting.held(history.store.folder) if history.store.folder is not None else []
        for one in found:
            _show(history, one, as_json)
    if not (found or as_json or applied or dropped):
        say("Nothing is pending.")


def _show(history: History, one: waiting.Waiting, as_json: bool) -> None:
    operation = history.operation(one.upper.operation)
    if as_json:
        destroys = [{"path": path, "bytes": count} for path, count in one.held]
        emit({"operation": operation.id, "session": operation.session, "name": operation.name, "destroys": destroys})
        return
    columns((f"op:{operation.id}", ACCENT), f"  {operation.name or ''}", cut=True)
    for path, count in one.held:
        say(f"  would destroy {path} ({size(count)}), which is more than is kept")
