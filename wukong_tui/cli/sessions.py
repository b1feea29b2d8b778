"""``wukong sessions``: the conversations of this workspace."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TypedDict

import click

from runtime.usage import meter
from workspace import History
from workspace.amounts import date_and_time, plural
from workspace.entries import SessionEntry
from workspace.kinds import Kind
from wukong_tui.cli.common import ACCENT, cell, columns, emit, json_option, say, stamp
from wukong_tui.cli.place import Place


class SessionRow(TypedDict):
    """One session of ``sessions --json``."""

    session: str
    model: str
    mode: str | None
    prompts: int
    title: str | None
    started: str | None
    last: str
    outcome: str | None
    fork: dict[str, object] | None
    tokens: dict[str, int | float]


@click.command(short_help="The conversations of this workspace.")
@json_option
@click.pass_obj
def sessions(place: Place, as_json: bool) -> None:
    """The conversations of this workspace, newest first (--json: oldest first)."""
    with place.reading() as history:
        rows = [_session_row(history, id_) for id_ in history.store.journal.of_kind(Kind.SESSION)]
        if as_json:
            for row in rows:
                emit(row)
            return
        for row in reversed(rows):
            last = datetime.fromisoformat(row["last"]).timestamp()
            columns(
                (f"{row['session']:8}", ACCENT),
                f"{date_and_time(round(last * 1e6))}  {cell(row['model'], 24)}  "
                f"{plural(row['prompts'], 'prompt'):>11}  {row['title'] or ''}",
                cut=True,
            )
        if not rows:
            say("No sessions yet: `wukong run PROMPT` begins one.")


def _session_row(history: History, id_: int) -> SessionRow:
    journal = history.store.journal
    operation = journal.operation(id_)
    begun = SessionEntry.of(operation)
    name = operation.session or ""
    prompts = journal.of_kind(Kind.PROMPT, session=name)
    newest = journal.operation(prompts[-1]) if prompts else operation
    first = journal.operation(prompts[0]).name if prompts else None
    total = meter.total(meter.calls(history, session=name))
    return {
        "session": name,
        "model": begun.model or "?",
        "mode": begun.mode,
        "prompts": len(prompts),
        "title": first,
        "started": stamp(operation.started),
        "last": stamp(newest.ended or newest.started) or "",
        "outcome": newest.outcome if prompts else None,
        "fork": asdict(begun.fork) if begun.fork else None,
        "tokens": total.record(),
    }
