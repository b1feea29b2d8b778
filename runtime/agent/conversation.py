"""What a model is told: a session's conversation, folded out of the journal."""

from __future__ import annotations

import json
from collections.abc import Iterable

from runtime.models.base import Message, ToolCall
from workspace import Entry, History, Version
from workspace.entries import CapabilityEntry, SessionEntry, SummaryEntry, UndoEntry
from workspace.kinds import Kind, Outcome
from workspace.operations.undo import undone
from workspace.records import BEGUN, ENDED, INSTANT

SYSTEM = """\
You work in a terminal office on the documents of a workspace, with people and other agents. Every edit you make is
kept as a version and can be taken back, so act, then check. Use the tools; read a document before you write it; say
briefly what you did. For work of several steps set a plan with checks, start each step, and finish it when it is
done: a failed attempt is taken back and its lesson told to you. For many similar edits write one program instead of
many calls. Commands run in a sandbox without network."""

NEWS = 2000
"""Acts of others that are looked at when a model is told what they did."""
STOPPED = "Not executed: the host stopped before it began."
UNKNOWN = "The host stopped while this ran: its outcome is unknown. It was not repeated; look before you go on."


def system(history: History) -> Message:
    """The first message: how this office works, and the workspace's own AGENTS.md."""
    text = SYSTEM
    version = history.find("AGENTS.md")
    if version is not None:
        own = history.content(version).decode("utf-8", "replace")
        text += f"\n\nThe workspace's AGENTS.md:\n\n{own}"
    return {"role": "system", "content": text}


def messages(history: History, session: str, upto: int | None = None) -> list[Message]:
    """A session's conversation up to an entry, without the system message and without what was undone."""
    end = history.cursor if upto is None else upto
    gone = undone(history, end)
    out: list[Message] = []
    hidden: set[int] = set()
    details: dict[int, Entry] = {}
    waiting: list[Entry] = []
    for entry in history.store.journal.of_session(session, upto=end):
        if (
            (entry.id in gone and entry.kind == Kind.PROMPT)
            or (entry.parent is not None and entry.parent in hidden)
            or entry.operation in hidden
        ):
            hidden.add(entry.operation)
            continue
        if entry.phase == BEGUN:
            details[entry.id] = entry
        if entry.kind == Kind.SESSION and (fork := SessionEntry.of(entry).fork):
            out += messages(history, fork.session, fork.entry)
        elif entry.kind == Kind.PROMPT and entry.phase == BEGUN:
            waiting.append(entry)
            if len(waiting) == 1:
                out.append({"role": "user", "content": _payload(history, entry)})
        elif entry.kind == Kind.PROMPT and entry.phase == ENDED:
            if waiting and waiting[0].id == entry.operation and len(waiting) > 1:  # the next was queued meanwhile
                out.append({"role": "user", "content": _payload(history, waiting[1])})
            waiting = [prompt for prompt in waiting if prompt.id != entry.operation]
        elif entry.kind == Kind.NOTE and entry.phase == INSTANT:
            out.append({"role": "user", "content": _payload(history, entry)})
        elif entry.kind == Kind.MODEL and entry.phase == ENDED and entry.payload is not None:
            out.append(json.loads(_payload(history, entry)))
        elif entry.kind == Kind.SUMMARY and entry.phase == ENDED and entry.payload is not None:
            kept = SummaryEntry.of(entry).kept
            out = [{"role": "user", "content": _payload(history, entry)}, *(out[-kept:] if kept else [])]
        elif entry.kind == Kind.CAPABILITY and entry.phase == ENDED:
            first = details.get(entry.operation)
            call = CapabilityEntry.of(first).call if first else None
            if call is not None:
                content = UNKNOWN if entry.outcome == Outcome.UNKNOWN else _payload(history, entry)
                out.append({"role": "tool", "tool_call_id": call, "content": content})
    return answered(out)


def answered(found: Iterable[Message]) -> list[Message]:
    """Every call answered exactly once, right after the message that made it, as providers demand."""
    given = list(found)
    results: dict[str, Message] = {}
    for message in given:
        if message["role"] == "tool":
            results.setdefault(message["tool_call_id"], message)
    out: list[Message] = []
    for message in given:
        if message["role"] == "tool":
            continue
        out.append(message)
        for call in message.get("tool_calls") or ():
            default = {"role": "tool", "tool_call_id": call["id"], "content": STOPPED}
            out.append(results.get(call["id"], default))
    return out


def news(history: History, session: str, after: int) -> str:
    """What others did since an entry, for the model: undone, restored, edited; empty for nothing."""
    rows = []
    entries = history.store.journal.of_others(session, after=after, limit=NEWS)
    made: dict[int, list[Version]] = {}
    # All at once: a query for each entry holds up whoever else reads, where many sessions are at work.
    for version in history.store.versions.of_entries(entries[0].id, entries[-1].id) if entries else ():
        made.setdefault(version.entry, []).append(version)
    for entry in entries:
        versions = made.get(entry.id, ())
        if entry.kind in (Kind.UNDO, Kind.REDO):
            target = UndoEntry.of(entry).target
            name = history.store.journal.entry(target).name if target else ""
            rows.append(f"{entry.actor or 'someone'} did {entry.kind} of op:{target} {name or ''}".rstrip())
        elif not versions:
            continue
        what = "edited outside" if entry.kind in (Kind.OUTSIDE, Kind.SCAN) else entry.kind
        for version in versions[:20]:
            lines = "binary" if version.added is None else f"+{version.added} -{version.removed} lines"
            rows.append(f"{version.path} is now version {version.number} ({version.change}, {lines}; {what})")
        if len(versions) > 20:
            rows.append(f"and {len(versions) - 20} more documents ({what})")
    if len(entries) == NEWS:
        rows.append("and perhaps more after that")
    if not rows:
        return ""
    if len(rows) > 60:
        rows = [*rows[:30], f"{len(rows) - 60:,} more changes", *rows[-30:]]
    return "[Since you last looked: " + "; ".join(rows) + ". Read again what you rely on.]"


def assistant(text: str, calls: Iterable[ToolCall]) -> dict[str, object]:
    """A model's reply as the message that goes into the conversation."""
    message: dict[str, object] = {"role": "assistant", "content": text}
    made = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in calls
    ]
    if made:
        message["tool_calls"] = made
    return message


def _payload(history: History, entry: Entry) -> str:
    return "" if entry.payload is None else history.store.contents.get(entry.payload).decode("utf-8", "replace")
