"""``wukong doctor``: what works on this machine and what does not."""

from __future__ import annotations

import click

from workspace import WorkspaceError
from workspace.store.location import existing_folder
from wukong_tui.cli.common import Style, columns, emit, json_option, say
from wukong_tui.cli.place import Place


@click.command()
@json_option
@click.pass_obj
def doctor(place: Place, as_json: bool) -> None:
    """What works on this machine and what does not."""
    from wukong_tui.doctor import examine

    findings = examine(existing_folder(place.directory), place.store)
    if as_json:
        for finding in findings:
            emit({"check": finding.check, "ok": finding.ok, "found": finding.found, "advice": finding.advice})
    else:
        width = max(len(finding.check) for finding in findings)
        marks: dict[bool | None, tuple[str, Style]] = {
            True: ("ok  ", {"fg": "green"}),
            False: ("no  ", {"fg": "red"}),
            None: ("–   ", {"dim": True}),
        }
        for finding in findings:
            columns(marks[finding.ok], f"{finding.check:{width}}  {finding.found}")
            if finding.advice:
                say(f"      {finding.advice}", dim=True)
    if any(finding.ok is False and finding.vital for finding in findings):
        raise WorkspaceError("This machine lacks something that the history needs; see above.")
