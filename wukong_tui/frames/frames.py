"""One frame: the cursor moved, the document chosen, every visible pane given its page; in a reader's thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from runtime.usage.ledger import Ledger
from widgets.pane import Need, Page, Pane
from workspace import History, Operation, WorkspaceError
from workspace.entries import ApprovalEntry, CapabilityEntry, given_arguments
from workspace.kinds import Kind
from wukong_tui.frames import cursor_moves
from wukong_tui.frames.cursor_moves import Target
from wukong_tui.frames.frame import Approval, Frame, FrameRequest, Load, Move, Show
from wukong_tui.views import Look, PaneView
from wukong_tui.views.blame import BlameView
from wukong_tui.views.document import DocumentView
from wukong_tui.views.meter import MeterView
from wukong_tui.views.plan import PlanView
from wukong_tui.views.scrubber import Density, ScrubberView
from wukong_tui.views.talk import TalkView
from wukong_tui.views.timeline import TimelineView
from wukong_tui.views.why import WhyView

if TYPE_CHECKING:
    from wukong_tui.demo import Scene
    from wukong_tui.frames.panes import Panes

RECENT = 24
"""Versions from which it is told which document a loop works on."""


class Frames:
    """Makes frames, in the reader's thread, with the views and what they have read already."""

    def __init__(self, panes: Panes) -> None:
        density, ledger, blame = Density(), Ledger(), BlameView()
        self._document, self._why = DocumentView(blame), WhyView(blame)
        self._fed: Mapping[str, Callable[[], Load]] = {
            "talk": _fed(panes.talk, TalkView()),
            "plan": _fed(panes.plan, PlanView(ledger)),
            "meter": _fed(panes.meter, MeterView(ledger)),
            "document": _fed(panes.document, self._document),
            "timeline": _fed(panes.timeline, TimelineView(density)),
            "scrubber": _fed(panes.scrubber, ScrubberView(density)),
            "why": _fed(panes.why, self._why),
        }
        self.story: Callable[[History, str | None, int], Scene] | None = None
        """What is told at a cursor, in a demo."""

    def loads(self, names: Iterable[str]) -> Mapping[str, Load]:
        """What fills these panes as they are now; called in the event loop."""
        return {name: self._fed[name]() for name in names}

    def make(self, history: History, ask: FrameRequest) -> Frame:
        """The frame that is asked for. Raises WorkspaceError where the history cannot be read."""
        newest = history.cursor
        cursor, live, document, pinned = ask.cursor, ask.live, ask.document, ask.pinned
        cursor = newest if live else min(cursor, newest)
        notice, stepped = "", False
        for move in ask.moves:
            try:
                target = self._target(history, move, cursor, document, ask)
            except WorkspaceError as error:
                notice = str(error)
                continue
            notice = target.note or notice
            live = move.kind == "live" or (live and target.cursor == cursor)
            pinned = pinned and move.kind != "follow"
            stepped = move.kind == "version"
            if move.kind in ("goto", "document") and target.document is not None:
                document, pinned = target.document, True
            cursor = target.cursor
        cursor = newest if live else max(0, min(cursor, newest))
        if document is None or not (pinned or stepped):
            document = followed(history, cursor, document, live=live)
        session = ask.session or newest_session(history, newest)
        look = Look(cursor, newest, live, session, document, ask.branch, ask.now)
        pages = [load(history, look) for load in ask.loads.values()]
        again = ("why" in ask.loads and self._why.pending) or ("document" in ask.loads and self._document.pending)
        time = cursor_moves.time_of(history, cursor)
        versions = 0
        if document is not None:
            versions = history.store.versions.history(document, limit=1)[0].number
        told = self.story(history, session, cursor) if self.story is not None else None
        asked = approvals(history, ask.asked_since)
        return Frame(look, pinned, time, versions, pages, asked, ask.asked_since, notice, again, told)

    def _target(self, history: History, move: Move, cursor: int, document: int | None, ask: FrameRequest) -> Target:
        """Where a move leads. Raises WorkspaceError."""
        match move.kind:
            case "version":
                return cursor_moves.version_step(history, document, ask.branch, cursor, move.count)
            case "operation":
                return cursor_moves.operation_step(history, cursor, move.count)
            case "step":
                return cursor_moves.plan_step(history, cursor, move.count)
            case "prompt":
                return cursor_moves.prompt_step(history, cursor, move.count)
            case "entry":
                return Target(move.count)
            case "first":
                return cursor_moves.first(history)
            case "live":
                return cursor_moves.live(history)
            case "goto":
                return cursor_moves.parse_goto(history, move.text, document, ask.branch, cursor, ask.now / 1e6)
            case "follow":
                return Target(cursor)
            case "document":
                return Target(cursor, move.count)


def _fed(pane: Pane[Need, Page], view: PaneView[Need, Page]) -> Callable[[], Load]:
    """What fills a pane from its view, each in its own thread."""

    def ask() -> Load:
        need = pane.need()

        def load(history: History, look: Look) -> Show:
            page = view.load(history, look, need)
            return lambda: pane.show(page)

        return load

    return ask


def followed(history: History, cursor: int, document: int | None, *, live: bool) -> int | None:
    """The document that is in the middle of what happens at the cursor: the one changed last.

    In a loop it is the one that the loop changes most, so that it does not flicker. While
    looking back the document stays unless the operation at the cursor changed another one.
    """
    versions, journal = history.store.versions, history.store.journal
    recent = versions.newest(cursor, RECENT)
    if not recent:
        return document
    if not live and document is not None:
        made = {d for d, entry in recent if entry == cursor}
        if not made or document in made:
            return document
    newest_document, entry = recent[0]
    if document in {d for d, e in recent if e == entry}:
        return document
    loop = journal.entry(entry).parent
    if loop is None or CapabilityEntry.of(journal.entry(loop)).capability != "program":
        return newest_document
    same = Counter(d for d, e in recent if journal.entry(e).parent == loop)
    return max(same, key=lambda d: (same[d], d == document))


def newest_session(history: History, newest: int) -> str | None:
    """The session begun last, if there is any."""
    found = history.store.journal.nearest((Kind.SESSION,), newest + 1, forward=False)
    return history.store.journal.entry(found).session if found is not None else None


def approvals(history: History, since: int) -> list[Approval]:
    """The approvals asked for after an entry that still wait for an answer, oldest first."""
    journal = history.store.journal
    found: list[Approval] = []
    at: int | None = since
    while at is not None and (at := journal.nearest((Kind.APPROVAL,), at, forward=True)) is not None:
        operation = journal.operation(at)
        if operation.ended is None:
            arguments = _arguments(history, operation)
            effects = ApprovalEntry.of(operation).effects
            found.append(Approval(at, operation.session or "", operation.name or "", arguments, effects))
    return found


def _arguments(history: History, operation: Operation) -> dict[str, object]:
    payload = history.store.journal.entry(operation.id).payload
    if payload is None:
        return {}
    raw = history.store.contents.get(payload)
    given = given_arguments(raw)
    return {"": raw.decode("utf-8", "replace")} if given is None else given
