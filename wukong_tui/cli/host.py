"""``wukong host``: the process that does the work and outlives the line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runtime import protocol
from workspace.amounts import plural
from wukong_tui.cli.common import emit, json_option, say, stamp
from wukong_tui.cli.place import Place

if TYPE_CHECKING:
    from runtime.host.answers import StatusAnswer, WatchingAnswer


@click.group()
def host() -> None:
    """The process that does the work and outlives the line."""


@host.command()
@json_option
@click.pass_obj
def status(place: Place, as_json: bool) -> None:
    """Whether a host runs here, and what it does."""
    from runtime.host import connect

    found = connect.status(place.root(), place.store)
    if as_json:
        emit(
            {
                "running": found is not None,
                "pid": found["pid"] if found else None,
                "since": stamp(found["since"]) if found else None,
                "clients": _others(found) if found else None,
                "sessions": list(found["running"]) if found else [],
                "watching": found.get("watching") if found else None,
                "why": (found.get("why") or None) if found else None,
            }
        )
    elif found is None:
        say("No host is running; one starts when needed.")
    else:
        running = ", ".join(found["running"]) or "nothing"
        say(f"Process {found['pid']} with {plural(_others(found), 'client')}; it works on {running}.")
        say(how_watched(found), dim=True)


def how_watched(found: WatchingAnswer) -> str:
    """How a host sees what others change in the folder, as a sentence."""
    why = found.get("why", "")
    if found.get("watching") == "live":
        return "Outside edits are seen live."
    if found.get("watching") == "polling":
        return f"Outside edits are looked for every few seconds: {why}."
    return f"Outside edits are seen only by a scan: {why}."


def _others(found: StatusAnswer) -> int:
    """The clients of a host beside the one that asks."""
    return max(0, found["clients"] - 1)


@host.command()
@click.pass_obj
def stop(place: Place) -> None:
    """Interrupt what runs, record it and end the host."""
    from runtime.host import connect

    if connect.status(place.root(), place.store) is None:
        say("No host is running.")
        return
    connect.call(place.root(), protocol.Stop(), place.store, start=False)
    say("The host has stopped; everything done is recorded.")
