"""``wukong tokens``: what model calls cost."""

from __future__ import annotations

import click

from runtime.usage import meter
from workspace.amounts import in_words, plural, usd
from wukong_tui.cli import records
from wukong_tui.cli.common import ACCENT, columns, emit, json_option
from wukong_tui.cli.place import Place


@click.command(short_help="What model calls cost.")
@click.option("--effective", is_flag=True, help="Divide by what came of it: effective, wasted, unjudged.")
@click.option("--session", default=None, help="Only this session.")
@json_option
@click.pass_obj
def tokens(place: Place, effective: bool, session: str | None, as_json: bool) -> None:
    """What model calls cost: reported, ~ estimated, ? unknown; in all, by session, by operation."""
    with place.reading() as history:
        calls = meter.calls(history, session=session)
        total, by_session = meter.total(calls), meter.by_session(calls)
        divided = meter.effect(history, session=session) if effective else None
        if as_json:
            emit(
                {
                    "total": total.record(),
                    "sessions": [{"session": name or None, **t.record()} for name, t in by_session.items()],
                    "operations": [records.operation(history, call, []) for call in calls],
                    **{
                        name: getattr(divided, name).record() if divided else None
                        for name in ("effective", "wasted", "unjudged")
                    },
                }
            )
            return
        rows = [(name or "?", t) for name, t in by_session.items()]
        for name, t in [*rows, ("in all", total)]:
            columns((f"{name:10}", ACCENT), f"{plural(t.calls, 'call'):>12}  {in_words(t):>28}  {usd(t):>14}")
        if divided:
            for name in ("effective", "wasted", "unjudged"):
                t = getattr(divided, name)
                columns((f"{name:10}", ACCENT), f"{plural(t.calls, 'call'):>12}  {in_words(t):>28}  {usd(t):>14}")
