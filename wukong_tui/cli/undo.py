"""``wukong undo`` and ``wukong redo``: take back the newest act, bring it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import click

from wukong_tui.cli.common import emit, json_option, say
from wukong_tui.cli.place import Place
from wukong_tui.cli.preview import agreed, preview_option, print_outside, print_touches

if TYPE_CHECKING:
    from runtime.host.answers import ActAnswer


@click.command(short_help="Take back the newest act.")
@click.option("--op", "operation", metavar="OP", default=None, help="Undo this one operation instead.")
@click.option("--session", default=None, help="Only acts of this session.")
@preview_option
@json_option
@click.pass_obj
def undo(place: Place, operation: str | None, session: str | None, dry_run: bool, as_json: bool) -> None:
    """Take back the newest act with all it caused; `wukong redo` brings it again."""
    with place.acting() as do:
        _undo_or_redo(do, "undo", operation, session, dry_run, as_json)


@click.command()
@click.option("--session", default=None, help="Only acts of this session.")
@preview_option
@json_option
@click.pass_obj
def redo(place: Place, session: str | None, dry_run: bool, as_json: bool) -> None:
    """Bring back what the newest undo took."""
    with place.acting() as do:
        _undo_or_redo(do, "redo", None, session, dry_run, as_json)


def _undo_or_redo(
    do: Callable[..., ActAnswer],
    verb: Literal["undo", "redo"],
    target: str | None,
    session: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    preview = do(verb, target=target, session=session, dry_run=True)
    if dry_run or preview["conflicts"]:
        agreed(preview, dry_run, True, as_json, "")
        return
    done = do(verb, target=preview["target"], session=session)
    if as_json:
        emit({"operation": done["operation"], "target": done["target"], "versions": done["versions"]})
        return
    print_touches(preview)
    print_outside(preview)
    back = "`wukong redo` brings it back" if verb == "undo" else "`wukong undo` takes it back"
    say(f"{'Undid' if verb == 'undo' else 'Redid'} {done['name']} as op:{done['operation']}; {back}.")
