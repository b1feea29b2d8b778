"""``wukong lessons``: what failed attempts taught."""

from __future__ import annotations

import click

from workspace.amounts import date_and_time
from wukong_tui.cli.common import ACCENT, columns, emit, json_option, say
from wukong_tui.cli.place import Place


@click.command(short_help="What failed attempts taught.")
@json_option
@click.pass_obj
def lessons(place: Place, as_json: bool) -> None:
    """What failed attempts taught, newest first (--json: oldest first)."""
    from runtime.planning.lessons import every

    with place.reading() as history:
        known = every(history)
        if as_json:
            for lesson in known:
                emit({"operation": lesson.operation, "step": lesson.told.step, "why": lesson.told.why,
                      "tried": lesson.told.tried, "diff": lesson.told.diff, "tokens": lesson.told.tokens,
                      "estimated": lesson.told.estimated})  # fmt: skip
            return
        for lesson in reversed(known):
            columns(
                (f"op:{lesson.operation:<7}", ACCENT),
                f"{date_and_time(history.operation(lesson.operation).started)}  {lesson.told.step}",
            )
            say(f"           {lesson.told.why}", dim=True)
        if not known:
            say("No lessons yet: a step whose check fails leaves one.")
