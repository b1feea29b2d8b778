"""``wukong run``: give a prompt to an agent and watch it work."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from runtime import protocol
from runtime.models.names import meant
from runtime.protocol import Advanced, Delta
from runtime.usage import meter
from workspace import WorkspaceError
from workspace.amounts import in_words, usd
from workspace.entries import PromptEntry
from workspace.kinds import Outcome
from workspace.operations.addresses import resolve
from workspace.operations.workspace import check_not_too_wide
from workspace.working_copy.outside import EVICTED, outside_of
from wukong_tui.cli.common import emit, json_option, listing, note, say
from wukong_tui.cli.place import Place
from wukong_tui.cli.watch import RunPrinter

if TYPE_CHECKING:
    from runtime.host.client import Client


@click.command(short_help="Give a prompt to an agent and watch it work.")
@click.argument("prompt")
@click.option("--model", default=None, metavar="NAME", help="The model to ask; `wukong models` lists them.")
@click.option("--resume", default=None, metavar="SESSION", help="Go on with a session.")
@click.option("--fork", default=None, metavar="OP", help="Start over from where a session was at OP.")
@click.option("--yes", "-y", is_flag=True, help="Let it write and run commands in the sandbox without asking.")
@click.option("--read-only", is_flag=True, help="Let it look and nothing else.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=None, help="Stop before this many tokens.")
@click.option("--max-cost", type=click.FloatRange(min=0), default=None, metavar="USD", help="Stop before this cost.")
@click.option("--inside", default="", metavar="PATH",
              help="Where the workspace appears in the sandbox; by default at its own path.")  # fmt: skip
@click.option("--on-folder/--on-overlay", default=None,
              help="Let commands change the folder itself, or (by default) an overlay of it.")  # fmt: skip
@click.option("--allow-secrets/--hide-secrets", default=None,
              help="Let commands see files such as .env, or (by default) those only that git tracks.")  # fmt: skip
@json_option
@click.pass_obj
def run(
    place: Place, prompt: str, model: str | None, resume: str | None, fork: str | None, yes: bool, read_only: bool,
    max_tokens: int | None, max_cost: float | None, inside: str, on_folder: bool | None, allow_secrets: bool | None,
    as_json: bool,
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
        overlay=None if on_folder is None else not on_folder,
        secrets=allow_secrets,
    )
    import asyncio

    outcome = asyncio.run(_run(place, opened, prompt, as_json))
    if outcome.failed:
        raise WorkspaceError(_why(place, outcome))


def _why(place: Place, outcome: Outcome) -> str:
    if outcome == Outcome.LIMIT:
        return "A limit was reached; --resume with a higher one goes on, `wukong undo` takes back what was done."
    if outcome == Outcome.INTERRUPTED:
        return "Interrupted; what was done is kept, and `wukong undo` takes it back."
    return f"It ended as {outcome}; `wukong log` shows where, `wukong undo` takes it back."


async def _run(place: Place, opened: protocol.Open, prompt: str, as_json: bool) -> Outcome:
    import asyncio

    from runtime.host.client import Client

    root = place.root()
    async with Client.connect(root, store=place.store) as client:
        await client.call(protocol.Attach())
        session = await client.call(opened)
        with place.reading() as history:
            before = history.cursor
            operation = await client.call(protocol.Prompt(session, prompt))
            watch = RunPrinter(place, history, session, operation, as_json, entry=before)
            if as_json:
                emit({"event": "begun", "session": session, "operation": operation})
            try:
                await _follow(client, watch)
            except asyncio.CancelledError:
                await client.call(protocol.Interrupt(session))
                await _follow(client, watch)
            _say_end(watch)
    return watch.outcome or Outcome.UNKNOWN


async def _follow(client: Client, watch: RunPrinter) -> None:
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


async def _ask_person(client: Client, watch: RunPrinter) -> None:
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


def _say_end(watch: RunPrinter) -> None:
    history, total = watch.history, meter.of_family(watch.history, watch.prompt)
    operation = history.operation(watch.prompt)
    if watch.as_json:
        emit({"event": "end", "session": watch.session, "operation": watch.prompt, "outcome": watch.outcome,
              "tokens": total.record(), "error": PromptEntry.of(operation).error or None})  # fmt: skip
        return
    if error := PromptEntry.of(operation).error:
        note(error)
    cost = f", {usd(total)}" if total.calls and not total.unpriced else ""
    spent = f"{in_words(total)} tokens{cost}"
    say(f"{watch.session} op:{watch.prompt} {watch.outcome}: {spent}; {_taken_back(watch)}.", dim=True)


def _taken_back(watch: RunPrinter) -> str:
    """What `wukong undo` takes back of all that the prompt did: never more than is held."""
    family = watch.history.store.journal.family(watch.prompt)
    gone = [row.path for row in outside_of(watch.history.store, family) if row.state == EVICTED]
    if not gone:
        return "`wukong undo` takes it back"
    return f"`wukong undo` takes it back, but for what is no longer held: {listing(gone)}"
