"""Commands of the office: run, sessions, tokens, models, lessons, host."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import click

from runtime import protocol
from runtime.host.acts import label
from runtime.models.names import meant
from runtime.protocol import Advanced, Delta
from runtime.usage import meter
from workspace import History, Operation, WorkspaceError
from workspace.operations.addresses import resolve
from workspace.operations.workspace import check_not_too_wide
from workspace.records import BEGUN, ENDED, INSTANT
from workspace.visible import visible
from wukong_tui.cli import records
from wukong_tui.cli.common import cell, clock, columns, emit, json_option, note, plural, say, stamp
from wukong_tui.cli.place import Place

ACCENT = {"fg": "cyan"}
DIM = {"dim": True}
FAILED = {"failed", "conflict", "unknown", "interrupted", "refused", "limit"}


@click.command(short_help="Give a prompt to an agent and watch it work.")
@click.argument("prompt")
@click.option("--model", default=None, metavar="NAME", help="The model to ask; `wukong models` lists them.")
@click.option("--resume", default=None, metavar="SESSION", help="Go on with a session.")
@click.option("--fork", default=None, metavar="OP", help="Begin anew from where a session stood at OP.")
@click.option("--yes", "-y", is_flag=True, help="Let it write and run commands in the sandbox without asking.")
@click.option("--read-only", is_flag=True, help="Let it look and nothing else.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=None, help="Stop before this many tokens.")
@click.option("--max-cost", type=click.FloatRange(min=0), default=None, metavar="USD", help="Stop before this cost.")
@click.option("--inside", default="/workspace", show_default=True, metavar="PATH",
              help="Where the workspace appears in the sandbox.")  # fmt: skip
@json_option
@click.pass_obj
def run(
    place: Place, prompt: str, model: str | None, resume: str | None, fork: str | None, yes: bool, read_only: bool,
    max_tokens: int | None, max_cost: float | None, inside: str, as_json: bool,
) -> None:  # fmt: skip
    """Give PROMPT to an agent and watch it work; it goes on if the line drops."""
    if not place.has_history():
        check_not_too_wide(place.new_root())
        with place.acting(begin=True) as do:
            do("scan")
    entry = None
    if fork:
        with place.reading() as history:
            entry = resolve(history, fork if fork.startswith("op:") else f"op:{fork}").cursor
    opened = protocol.Open(
        resume=resume,
        fork=entry,
        model=meant(model) if model or not fork else None,  # a fork goes on with the model that was asked there
        mode="read-only" if read_only else "auto" if yes else "ask",
        max_tokens=max_tokens,
        max_cost=None if max_cost is None else round(max_cost * 1e9),
        inside=inside,
    )
    import asyncio

    outcome = asyncio.run(_run(place, opened, prompt, as_json))
    if outcome != "done":
        raise WorkspaceError(_why(place, outcome))


def _why(place: Place, outcome: str) -> str:
    if outcome == "limit":
        return "A limit was reached; --resume with a higher one goes on, `wukong undo` takes back what was done."
    if outcome == "interrupted":
        return "Interrupted; what was done stands, and `wukong undo` takes it back."
    return f"It ended as {outcome}; `wukong log` shows where, `wukong undo` takes it back."


@dataclass(slots=True)
class _Watch:
    """What has been printed of a run: follows the journal and the text in flight."""

    place: Place
    history: History
    session: str
    prompt: int
    as_json: bool
    entry: int = 0
    open_text: int | None = None
    printed: dict[int, int] = field(default_factory=dict)
    outcome: str | None = None
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
                if entry.kind == "approval":
                    self.asking.append(entry.id) if entry.phase == BEGUN else None
                elif entry.phase in (INSTANT, ENDED):
                    self.ended(self.history.operation(entry.operation))
                if entry.operation == self.prompt and entry.phase == ENDED:
                    self.outcome = entry.outcome or "done"
                    return

    def ended(self, operation: Operation) -> None:
        """Print one operation."""
        versions = self.history.store.versions.of_operation(operation.id)
        if self.as_json:
            emit({"event": "operation", **records.operation(self.history, operation, versions)})
            return
        if operation.kind == "model":
            self.text(Delta(operation.id, 0, self._reply(operation)))  # what came in flight may have been dropped
            if self.open_text is not None:
                click.echo()
                self.open_text = None
            return
        if operation.kind in ("prompt", "session", "note") or operation.detail.get("capability") == "plan":
            return
        changed = "".join(f"  {v.path}@{v.number}" for v in versions[:3]) + (" …" if len(versions) > 3 else "")
        named = (operation.name or "") if operation.kind == "capability" else label(operation)
        bad = f"  {operation.outcome}" if operation.outcome in FAILED and operation.outcome != "refused" else ""
        why = records.unwell(self.history, operation, named)
        columns((f"  op:{operation.id:<6} ", ACCENT), named, (changed, DIM), (bad + why, {"fg": "red"}), cut=True)

    def _reply(self, operation: Operation) -> str:
        """The whole text of a reply; nothing where the call failed."""
        payload = self.history.store.journal.entry(operation.last).payload
        if operation.outcome != "done" or payload is None:
            return ""
        return str(json.loads(self.history.store.contents.get(payload)).get("content") or "")


async def _run(place: Place, opened: protocol.Open, prompt: str, as_json: bool) -> str:
    import asyncio

    from runtime.host.client import Client

    root = place.root()
    async with Client.connect(root, store=place.store) as client:
        await client.call(protocol.Attach())
        session = await client.call(opened)
        with place.reading() as history:
            before = history.cursor
            operation = await client.call(protocol.Prompt(session, prompt))
            watch = _Watch(place, history, session, operation, as_json, entry=before)
            if as_json:
                emit({"event": "begun", "session": session, "operation": operation})
            try:
                await _follow(client, watch)
            except asyncio.CancelledError:
                await client.call(protocol.Interrupt(session))
                await _follow(client, watch)
            _say_end(watch)
    return watch.outcome or "unknown"


async def _follow(client: Any, watch: _Watch) -> None:
    watch.advance()
    await _ask_person(client, watch)
    if watch.outcome is not None:
        return
    async for event in client.events():
        if isinstance(event, Delta):
            watch.text(event)
        elif isinstance(event, Advanced):
            watch.advance()
            await _ask_person(client, watch)
        if watch.outcome is not None:
            return


async def _ask_person(client: Any, watch: _Watch) -> None:
    """Put what waits for a person to the person at this terminal; without one it is refused."""
    import asyncio

    while watch.asking:
        id_ = watch.asking.pop(0)
        waiting = {a["approval"]: a for a in (await client.call(protocol.Attach()))["approvals"]}
        if id_ not in waiting:
            continue
        asked = waiting[id_]
        if watch.as_json or not sys.stdin.isatty():
            reason = "nobody is there to ask; --yes allows it"
            await client.call(protocol.Answer(id_, "no", reason))
            note(f"{asked['capability']} was refused: {reason}.")
            continue
        say(f"{asked['capability']} wants to run with exactly:", fg="cyan")
        for name, value in asked["arguments"].items():
            say(f"  {name}: {value}", lines=True)
        answer = await asyncio.to_thread(
            click.prompt, "[y]es, once; for this [s]ession; or [n]o", type=click.Choice(["y", "o", "s", "n"]),
            show_choices=False,
        )  # fmt: skip
        reason = await asyncio.to_thread(click.prompt, "Why", default="", show_default=False) if answer == "n" else ""
        allow = {"y": "once", "o": "once", "s": "session", "n": "no"}[answer]
        await client.call(protocol.Answer(id_, allow, reason))  # type: ignore[arg-type]


def _say_end(watch: _Watch) -> None:
    history, total = watch.history, meter.of_family(watch.history, watch.prompt)
    operation = history.operation(watch.prompt)
    if watch.as_json:
        emit({"event": "end", "session": watch.session, "operation": watch.prompt, "outcome": watch.outcome,
              "tokens": total.record(), "error": operation.detail.get("error")})  # fmt: skip
        return
    if error := operation.detail.get("error"):
        note(str(error))
    cost = f", {total.cost / 1e9:.4f} USD" if total.calls and not total.unpriced else ""
    back = "; `wukong undo` takes it back"
    say(f"{watch.session} op:{watch.prompt} {watch.outcome}: {total.text()} tokens{cost}{back}.", dim=True)


@click.command(short_help="The conversations of this workspace.")
@json_option
@click.pass_obj
def sessions(place: Place, as_json: bool) -> None:
    """The conversations of this workspace, newest first (--json: oldest first)."""
    with place.reading() as history:
        rows = [_session_row(history, id_) for id_ in history.store.journal.of_kind("session")]
        if as_json:
            for row in rows:
                emit(row)
            return
        for row in reversed(rows):
            last = datetime.fromisoformat(row["last"]).timestamp()
            columns(
                (f"{row['session']:8}", ACCENT),
                f"{clock(round(last * 1e6))}  {cell(row['model'], 24)}  "
                f"{plural(row['prompts'], 'prompt'):>11}  {row['title'] or ''}",
                cut=True,
            )
        if not rows:
            say("No sessions yet: `wukong run PROMPT` begins one.")


def _session_row(history: History, id_: int) -> dict[str, Any]:
    journal = history.store.journal
    operation = journal.operation(id_)
    name = operation.session or ""
    prompts = journal.of_kind("prompt", session=name)
    newest = journal.operation(prompts[-1]) if prompts else operation
    first = journal.operation(prompts[0]).name if prompts else None
    total = meter.total(meter.calls(history, session=name))
    return {
        "session": name,
        "model": operation.detail.get("model", "?"),
        "mode": operation.detail.get("mode"),
        "prompts": len(prompts),
        "title": first,
        "started": stamp(operation.started),
        "last": stamp(newest.ended or newest.started),
        "outcome": newest.outcome if prompts else None,
        "fork": operation.detail.get("fork"),
        "tokens": total.record(),
    }


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
            columns((f"{name:10}", ACCENT), f"{plural(t.calls, 'call'):>12}  {t.text():>28}  {_cost(t):>14}")
        if divided:
            for name in ("effective", "wasted", "unjudged"):
                t = getattr(divided, name)
                columns((f"{name:10}", ACCENT), f"{plural(t.calls, 'call'):>12}  {t.text():>28}  {_cost(t):>14}")


def _cost(total: meter.Total) -> str:
    if total.unpriced == total.calls:
        return "– USD"
    return f"{total.cost / 1e9:.4f} USD{' + ?' if total.unpriced else ''}"


@click.command()
@json_option
@click.pass_obj
def models(place: Place, as_json: bool) -> None:
    """The models that can be asked from here, and which one would be."""
    from runtime.models.choose import available

    found = available()
    for candidate in found:
        if as_json:
            emit(
                {
                    "model": candidate.name,
                    "why": candidate.why,
                    "window": candidate.window,
                    "usd_per_million": candidate.price,
                    "chosen": candidate.chosen,
                }
            )
        else:
            columns(("* " if candidate.chosen else "  ", ACCENT), f"{candidate.name:40} {candidate.why}", cut=True)
    if not found and not as_json:
        say("No model: set a provider's key in the environment, start a local server, or give --model cassette:FILE.")


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
                emit({"operation": lesson.operation, "step": lesson.step, "why": lesson.why, "tried": lesson.tried,
                      "diff": lesson.diff, "tokens": lesson.tokens, "estimated": lesson.estimated})  # fmt: skip
            return
        for lesson in reversed(known):
            columns(
                (f"op:{lesson.operation:<7}", ACCENT),
                f"{clock(history.operation(lesson.operation).started)}  {lesson.step}",
            )
            say(f"           {lesson.why}", dim=True)
        if not known:
            say("No lessons yet: a step whose check fails leaves one.")


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
            }
        )
    elif found is None:
        say("No host runs; it starts when it is needed.")
    else:
        running = ", ".join(found["running"]) or "nothing"
        say(f"Process {found['pid']} with {plural(_others(found), 'client')}; it works on {running}.")


def _others(found: Mapping[str, Any]) -> int:
    """The clients of a host beside the one that asks."""
    return max(0, int(found["clients"]) - 1)


@host.command()
@click.pass_obj
def stop(place: Place) -> None:
    """Interrupt what runs, record it and end the host."""
    from runtime.host import connect

    if connect.status(place.root(), place.store) is None:
        say("No host runs.")
        return
    connect.call(place.root(), protocol.Stop(), place.store, start=False)
    say("The host has stopped; all that was done is recorded.")


COMMANDS = (run, sessions, tokens, models, lessons, host)
