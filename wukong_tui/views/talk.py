"""The conversation of a session at a cursor, a page at a time: as it was said, with what came of it."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from runtime.models.names import spoken
from widgets.talk import TalkNeed, TalkPage
from widgets.talk_items import FOLDS, Details, ItemKind, TalkItem, Touched, estimate
from workspace import Entry, History
from workspace.entries import (
    ApprovalEntry,
    AttemptEntry,
    CapabilityEntry,
    LessonText,
    ModelEntry,
    PromptEntry,
    SessionEntry,
    UndoEntry,
    given_arguments,
    reply_text,
)
from workspace.kinds import Kind, Outcome
from workspace.records import BEGUN, ENDED, PART
from wukong_tui.views import Look

LONGEST = 40_000
"""Characters of a message that are shown."""
DETAILS = 20_000
"""Characters of what a call was asked and gave."""
COUNTED = 20_000
"""Calls of a program up to which its documents are counted."""
_CHUNK = 96
_KEPT = 4_000
_TAKEN = (Kind.UNDO, Kind.REDO, Kind.RESTORE, Kind.REVERT)
_PEOPLE = (Kind.PROMPT, Kind.APPROVAL, Kind.SETTINGS, Kind.NOTE, *_TAKEN)
"""What may be said while a program runs."""
_KINDS: dict[Kind, ItemKind] = {
    Kind.PROMPT: "prompt", Kind.MODEL: "reply", Kind.CAPABILITY: "call", Kind.NOTE: "note",
    Kind.APPROVAL: "approval", Kind.ATTEMPT: "attempt", Kind.LESSON: "lesson", Kind.PLAN: "plan",
    Kind.SUMMARY: "summary", Kind.SESSION: "session", Kind.SETTINGS: "session",
    **dict.fromkeys(_TAKEN, "taken"),
}  # fmt: skip
_VERBS = {Kind.UNDO: "undid", Kind.REDO: "redid", Kind.RESTORE: "restored", Kind.REVERT: "reverted"}
_ENDED_AS = {
    Outcome.INTERRUPTED: "interrupted by a person", Outcome.LIMIT: "stopped at a limit",
    Outcome.FAILED: "this prompt failed", Outcome.UNKNOWN: "the host stopped here; what happened next is unknown",
}  # fmt: skip
_ROWS: frozenset[ItemKind] = frozenset({"call", "attempt", "lesson", "plan", "taken", "session", "approval", "note"})


class TalkView:
    """Loads pages of a conversation; what has ended is made into an item once."""

    def __init__(self) -> None:
        self._items: OrderedDict[tuple[int, int], TalkItem | None] = OrderedDict()
        self._entries: dict[int, tuple[Kind, int | None]] = {}
        self._begun: dict[str, Entry] = {}
        self._counts: dict[int, tuple[int, int]] = {}
        self._taken: list[Entry] = []
        self._taken_upto = 0
        self._sessions: list[int] = []

    def load(self, history: History, look: Look, need: TalkNeed) -> TalkPage:
        """The page that the pane needs at the cursor."""
        if look.session is None:
            return TalkPage(cursor=look.cursor, live=look.live, state="none")
        begun = self._begin(history, look.session)
        if begun is None or begun.id > look.cursor:
            return TalkPage(cursor=look.cursor, live=look.live, session=look.session, state="before")
        self._catch_up(history, look.cursor)
        walk = _Walk(self, history, look.session, look.cursor, self._undone(look.cursor))
        around = max(need.rows, need.height, 1)
        if need.at is None or need.at > look.cursor:
            back, first = walk.back(look.cursor, need.width, around + need.height)
            items, last = back, True
        else:
            back, first = walk.back(max(need.at, begun.id), need.width, around)
            ahead, last = walk.ahead(max(need.at, begun.id), need.width, around + need.height)
            items = [*back, *ahead]
        items = _spaced(items)
        if not first:
            items = items[1:]  # what comes before it is not known
        shown = tuple(self._detailed(history, item, look.cursor, need.details) for item in items)
        model = self._model(history, look.session, begun, look.cursor)
        number, sessions = self._place(history, begun.id, look.cursor)
        return TalkPage(
            look.cursor, look.live, look.session, model, number, sessions, shown, first, last
        )  # fmt: skip

    # -- one entry as an item

    def item(self, history: History, entry: Entry, cursor: int, end: Entry | None = None) -> TalkItem | None:
        """What an entry is in the conversation at the cursor; None where it is not shown.

        ``end`` is its newest end at the cursor where that is known already.
        """
        kind = _KINDS.get(entry.kind)
        if kind is None:
            return None
        if end is None:
            end = history.store.journal.standing(entry.id, cursor) if entry.phase == BEGUN else entry
        key = (entry.id, end.id if end is not None else 0)
        over = end is not None and end.phase != PART
        if over and key in self._items:
            self._items.move_to_end(key)
            return self._items[key]
        made = _make(history, kind, entry, end, cursor)
        if made is not None and kind == "call" and CapabilityEntry.of(entry).capability == "program":
            made = self._counted(history, made, cursor, over=over)
        if over:
            self._items[key] = made
            while len(self._items) > _KEPT:
                self._items.popitem(last=False)
        return made

    def _counted(self, history: History, item: TalkItem, cursor: int, *, over: bool) -> TalkItem:
        """A program with how many calls it had made at the cursor: counted from where it was counted last."""
        at, count = self._counts.get(item.entry, (item.entry, 0))
        caused = history.store.journal.caused
        count += (
            caused(item.entry, after=at, upto=cursor) if cursor >= at else -caused(item.entry, after=cursor, upto=at)
        )
        self._counts[item.entry] = (cursor, count)
        touched = item.touched
        if over and count <= COUNTED:
            touched = _touched(history, item.entry, cursor, caused=True) or touched
        return replace(item, count=count, touched=touched)

    def parent(self, history: History, operation: int) -> tuple[Kind, int | None]:
        """The kind of an operation and what caused it."""
        if (known := self._entries.get(operation)) is None:
            if len(self._entries) > 50_000:
                self._entries.clear()
            entry = history.store.journal.entry(operation)
            known = self._entries[operation] = (entry.kind, entry.parent)
        return known

    # -- inside

    def _begin(self, history: History, session: str) -> Entry | None:
        if session not in self._begun:
            found = history.store.journal.of_session(session, limit=1)
            if not found:
                return None
            self._begun[session] = found[0]
        return self._begun[session]

    def _catch_up(self, history: History, cursor: int) -> None:
        if cursor > self._taken_upto:
            self._taken += history.store.journal.of_kinds(_TAKEN, after=self._taken_upto, upto=cursor)
            self._taken_upto = cursor

    def taken(self, after: int, upto: int) -> Iterator[Entry]:
        """The acts that take back, between two entries."""
        return (entry for entry in self._taken if after < entry.id <= upto)

    def _undone(self, cursor: int) -> frozenset[int]:
        """The operations that stand undone at the cursor."""
        targets: dict[int, int] = {}
        gone: set[int] = set()
        for entry in self._taken:
            target = UndoEntry.of(entry).target
            if entry.id > cursor:
                break
            if entry.kind == Kind.UNDO:
                targets[entry.id] = target
                gone.add(target)
            elif entry.kind == Kind.REDO:
                gone.discard(targets.get(target, 0))
        return frozenset(gone)

    def _detailed(self, history: History, item: TalkItem, cursor: int, wanted: frozenset[int]) -> TalkItem:
        if item.entry not in wanted or item.kind not in FOLDS:
            return item
        journal = history.store.journal
        first = journal.entry(item.entry)
        last = journal.standing(first.id, cursor) if first.phase == BEGUN else None
        asked, result = _payload(history, first, DETAILS)[0], ""
        if last is not None and last.phase == ENDED:
            result = _payload(history, last, DETAILS)[0]
        if item.kind in ("call", "approval"):
            asked = _arguments(asked)
        elif item.kind == "lesson":
            asked = _lesson(asked)
        return replace(item, details=Details(asked.strip("\n"), result.strip("\n")))

    def _model(self, history: History, session: str, begun: Entry, cursor: int) -> str:
        """Its model, and what it may do without asking."""
        newest = history.store.journal.of_kinds((Kind.SETTINGS,), after=begun.id, upto=cursor, session=session)
        now = newest[-1] if newest else begun
        return " · ".join(part for part in (spoken(now.name or ""), SessionEntry.of(now).mode or "") if part)

    def _place(self, history: History, begun: int, cursor: int) -> tuple[int, int]:
        known = self._sessions
        after = known[-1] if known else 0
        known += [entry.id for entry in history.store.journal.of_kinds((Kind.SESSION,), after=after, upto=cursor)]
        return bisect_right(known, begun), bisect_right(known, cursor)


@dataclass(frozen=True, slots=True)
class _Walk:
    """Goes along a session's entries, over programs as a whole."""

    view: TalkView
    history: History
    session: str
    cursor: int
    gone: frozenset[int]

    def back(self, at: int, width: int, rows: int) -> tuple[list[TalkItem], bool]:
        """Items up to an entry, oldest first, of at least so many rows; whether they begin at the beginning."""
        found: list[TalkItem] = []
        ends: dict[int, Entry] = {}  # from the cursor backward the newest end of an operation comes first
        upto = at
        while rows > 0:
            chunk = self.history.store.journal.of_session(
                self.session, upto=upto, limit=_CHUNK, newest_first=True
            )  # fmt: skip
            low = chunk[-1].id - 1 if len(chunk) == _CHUNK else 0
            high, upto = upto, low
            entries: list[Entry] = []
            for entry in chunk:
                if (program := self._program_of(entry)) is not None:
                    low = upto = program
                    entries += reversed(self._meanwhile(program, entry.id))
                    break
                entries.append(entry)
                if entry.phase == ENDED and at >= self.cursor:
                    ends.setdefault(entry.operation, entry)
            entries += self._foreign(low, high)
            for entry in sorted(entries, key=lambda entry: -entry.id):
                item = self._item(entry, ends.get(entry.id))
                if item is not None:
                    found.append(item)
                    rows -= estimate(item, width)
            if not upto:
                return found[::-1], True
        return found[::-1], False

    def ahead(self, at: int, width: int, rows: int) -> tuple[list[TalkItem], bool]:
        """Items after an entry, oldest first, of at least so many rows; whether they end at the cursor."""
        found: list[TalkItem] = []
        after = at
        while rows > 0:
            chunk = self.history.store.journal.of_session(
                self.session, after=after, upto=self.cursor, limit=_CHUNK
            )  # fmt: skip
            before, after = after, chunk[-1].id if len(chunk) == _CHUNK else self.cursor
            entries: list[Entry] = []
            for entry in chunk:
                if (program := self._program_of(entry)) is not None:
                    newest = self.history.store.journal.newest_child(program, self.cursor)
                    after = newest or entry.id
                    entries += self._meanwhile(entry.id, after)
                    break
                entries.append(entry)
            entries += self._foreign(before, after)
            for entry in sorted(entries, key=lambda entry: entry.id):
                item = self._item(entry)
                if item is not None:
                    found.append(item)
                    rows -= estimate(item, width)
            if after >= self.cursor:
                return found, True
        return found, False

    def _program_of(self, entry: Entry) -> int | None:
        """The program that made a call; None for what a model or a person did."""
        if entry.parent is None or entry.kind != Kind.CAPABILITY:
            return None
        return entry.parent if self.view.parent(self.history, entry.parent)[0] == Kind.CAPABILITY else None

    def _meanwhile(self, after: int, upto: int) -> list[Entry]:
        return self.history.store.journal.of_kinds(_PEOPLE, after=after, upto=upto - 1, session=self.session)

    def _foreign(self, after: int, upto: int) -> list[Entry]:
        """What others took back of this session."""
        return [
            entry for entry in self.view.taken(after, upto)
            if entry.session != self.session and self._is_ours(UndoEntry.of(entry).target)
        ]  # fmt: skip

    def _is_ours(self, target: int) -> bool:
        if not target:
            return False
        journal = self.history.store.journal
        entry = journal.entry(target)
        if entry.session != self.session and entry.kind == Kind.UNDO:
            entry = journal.entry(UndoEntry.of(entry).target or target)
        return entry.session == self.session

    def _item(self, entry: Entry, end: Entry | None = None) -> TalkItem | None:
        if entry.phase == PART:
            return None
        if entry.phase == ENDED:
            return _outcome(entry) if entry.kind == Kind.PROMPT else None
        item = self.view.item(self.history, entry, self.cursor, end)
        if item is not None and self._is_undone(entry):
            return replace(item, undone=True)
        return item

    def _is_undone(self, entry: Entry) -> bool:
        if not self.gone:
            return False
        at: int | None = entry.id
        while at is not None:
            if at in self.gone:
                return True
            at = self.view.parent(self.history, at)[1]
        return False


def _spaced(items: list[TalkItem]) -> list[TalkItem]:
    """Items with an empty line where one stands apart from the one before."""
    out = items[:1]
    for before, item in pairwise(items):
        apart = not (before.kind in _ROWS and item.kind in _ROWS)
        out.append(replace(item, apart=apart) if apart != item.apart else item)
    return out


def _make(history: History, kind: ItemKind, entry: Entry, end: Entry | None, cursor: int) -> TalkItem | None:
    over = end is not None and end.phase != PART
    outcome = ((end.outcome if end is not None else None) or Outcome.DONE) if over else None
    item = TalkItem(entry.id, entry.id, kind, entry.name or entry.kind, entry.time, outcome)
    last = end if over and end is not None else entry
    if kind == "prompt":
        text, cut = _payload(history, entry, LONGEST)
        return replace(item, text=text, cut=cut)
    if kind == "reply":
        return _reply(history, item, end, ModelEntry.of(last).error)
    if kind == "call":
        if CapabilityEntry.of(entry).capability == "plan" and (outcome is None or outcome.well):
            return None  # the plan and its attempts have rows of their own
        return _call(history, item, entry, end, cursor)
    if kind == "approval":
        return replace(item, text=_asking(history, entry), said=_decided(ApprovalEntry.of(last), outcome))
    if kind == "attempt":
        step = f"step {entry.step}" if entry.step is not None else "attempt"
        tries = f", attempt {entry.attempt}" if entry.attempt is not None else ""
        return replace(item, text=f"{step}{tries}: {entry.name or ''}", said=AttemptEntry.of(last).why)
    if kind == "lesson":
        return replace(item, text=f"lesson: {entry.name or ''}")
    if kind == "plan":
        return replace(item, text="plan of 1 step" if entry.name == "1 steps" else f"plan of {entry.name or ''}")
    if kind == "session":
        word = "began" if entry.kind == Kind.SESSION else "resumed"
        said = SessionEntry.of(entry)
        more = f" from {said.fork.session}" if said.fork else ""
        return replace(item, text=" · ".join(filter(None, (word + more, spoken(entry.name or ""), said.mode))))
    if kind == "taken":
        return replace(item, text=_taken(entry), touched=_touched(history, entry.id, cursor))
    return item


def _reply(history: History, item: TalkItem, end: Entry | None, error: str) -> TalkItem | None:
    if item.outcome is None:
        text = _payload(history, end, LONGEST)[0] if end is not None else ""
        return replace(item, text=text)
    text, cut = "", 0
    if end is not None and end.payload is not None:
        said = reply_text(history.store.contents.get(end.payload))
        text, cut = said[:LONGEST], max(0, len(said) - LONGEST)
    if text.strip():
        return replace(item, text=text, cut=cut)
    if item.outcome.well:
        return None  # it only called something
    return replace(item, kind="call", text=f"model {item.text}", said=error)


def _call(history: History, item: TalkItem, entry: Entry, end: Entry | None, cursor: int) -> TalkItem:
    over = end is not None and end.phase != PART
    seconds = (end.time - entry.time) / 1e6 if over and end is not None and end.id != entry.id else None
    touched = _touched(history, entry.id, cursor)
    tokens = ""
    if over and end is not None:
        use = end.usage
        if use.input is not None or use.output is not None:
            tokens = f"{(use.input or 0) + (use.output or 0):,}"
        elif use.estimated is not None:
            tokens = f"~{use.estimated:,}"
    return replace(item, seconds=seconds, tokens=tokens, touched=touched)


def _outcome(entry: Entry) -> TalkItem | None:
    """How a prompt ended, where it was not simply done."""
    if entry.outcome is None or entry.outcome.well:
        return None
    text = _ENDED_AS.get(entry.outcome, f"this prompt ended as {entry.outcome}")
    said = PromptEntry.of(entry).error
    return TalkItem(entry.id, entry.operation, "outcome", text, entry.time, entry.outcome, said=said)


def _touched(history: History, operation: int, cursor: int, *, caused: bool = False) -> Touched | None:
    documents, path, added, removed = history.store.versions.tally(operation, cursor, caused=caused)
    return Touched(documents, path if documents == 1 else None, added, removed) if documents else None


def _asking(history: History, entry: Entry) -> str:
    given = given_arguments(_payload(history, entry, 2_000)[0].encode()) or {}
    said = next((str(given[name]) for name in ("path", "command", "text", "action") if given.get(name)), "")
    return " ".join(f"asked to {entry.name or ''} {said.strip().splitlines()[0] if said.strip() else ''}".split())


def _decided(answer: ApprovalEntry, outcome: Outcome | None) -> str:
    if outcome is None:
        return "waiting for you"
    word = {"no": "not allowed", "session": "allowed from now on"}.get(answer.allow or "", "allowed")
    if answer.allow is None:
        word = outcome
    return f"{word}: {answer.reason}" if answer.reason else word


def _taken(entry: Entry) -> str:
    who, name = entry.actor or "someone", entry.name or ""
    if entry.kind == Kind.REVERT and name.startswith("failed attempt"):
        return f"taken back: {name}"
    verb = _VERBS[entry.kind]
    return f"{who} {verb} {name}".rstrip()


def _arguments(text: str) -> str:
    """What a call was given, a line an argument, its text as it is."""
    given = given_arguments(text.encode())
    if given is None:
        return text
    return "\n".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in given.items()
    )


def _lesson(text: str) -> str:
    told = LessonText.read(text.encode())
    return "\n".join(filter(None, (told.why, told.tried, told.diff))) or text


def _payload(history: History, entry: Entry, most: int) -> tuple[str, int]:
    """The text of an entry, and how many characters of it are left out."""
    if entry.payload is None:
        return "", 0
    text = history.store.contents.get(entry.payload).decode("utf-8", "replace")
    return text[:most], max(0, len(text) - most)
