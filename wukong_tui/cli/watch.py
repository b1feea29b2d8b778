"""What is printed of a run as it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field

import click

from runtime.labels import short_label
from runtime.protocol import Delta
from workspace import History, Operation
from workspace.entries import CapabilityEntry, reply_text
from workspace.kinds import Kind, Outcome
from workspace.records import BEGUN, ENDED, INSTANT
from workspace.visible import visible
from wukong_tui.cli import records
from wukong_tui.cli.common import ACCENT, columns, emit
from wukong_tui.cli.place import Place


@dataclass(slots=True)
class RunPrinter:
    """What has been printed of a run: follows the journal and the text in flight."""

    place: Place
    history: History
    session: str
    prompt: int
    as_json: bool
    entry: int = 0
    open_text: int | None = None
    printed: dict[int, int] = field(default_factory=dict)
    outcome: Outcome | None = None
    asking: list[int] = field(default_factory=list)

    def text(self, delta: Delta) -> None:
        """More text of a reply."""
        if self.as_json:
            emit({"event": "text", "operation": delta.operation, "offset": delta.offset, "text": delta.text})
            return
        shown = self.printed.get(delta.operation, 0)
        fresh = delta.text[max(0, shown - delta.offset) :] if delta.offset <= shown else delta.text
        if not fresh:
            return
        if self.open_text not in (None, delta.operation):
            click.echo()
        self.open_text = delta.operation
        self.printed[delta.operation] = max(shown, delta.offset + len(delta.text))
        click.echo(visible(fresh, lines=True, tab="    "), nl=False)

    def advance(self) -> None:
        """Print the operations that ended since the last look."""
        while page := self.history.store.journal.of_session(self.session, after=self.entry):
            for entry in page:
                self.entry = entry.id
                if entry.kind == Kind.APPROVAL:
                    self.asking.append(entry.id) if entry.phase == BEGUN else None
                elif entry.phase in (INSTANT, ENDED):
                    self.ended(self.history.operation(entry.operation))
                if entry.operation == self.prompt and entry.phase == ENDED:
                    self.outcome = entry.outcome or Outcome.DONE
                    return

    def ended(self, operation: Operation) -> None:
        """Print one operation."""
        versions = self.history.store.versions.of_operation(operation.id)
        if self.as_json:
            emit({"event": "operation", **records.operation(self.history, operation, versions)})
            return
        if operation.kind == Kind.MODEL:
            self.text(Delta(operation.id, 0, self._reply(operation)))  # what came in flight may have been dropped
            if self.open_text is not None:
                click.echo()
                self.open_text = None
            return
        if (
            operation.kind in (Kind.PROMPT, Kind.SESSION, Kind.NOTE)
            or CapabilityEntry.of(operation).capability == "plan"
        ):
            return
        changed = "".join(f"  {v.path}@{v.number}" for v in versions[:3]) + (" …" if len(versions) > 3 else "")
        named = short_label(operation)
        bad = f"  {operation.outcome}" if operation.failed and not operation.refused else ""
        why = records.unwell(self.history, operation, named)
        columns(
            (f"  op:{operation.id:<6} ", ACCENT),
            named,
            (changed, {"dim": True}),
            (bad + why, {"fg": "red"}),
            cut=True,
        )

    def _reply(self, operation: Operation) -> str:
        """The whole text of a reply; nothing where the call failed."""
        payload = self.history.store.journal.entry(operation.last).payload
        if not operation.well or payload is None:
            return ""
        return reply_text(self.history.store.contents.get(payload))
