"""Why a line is there: who put it there, what led to it, what allowed it, what it cost, what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from widgets.why import Account, Past, WhyNeed, WhyPage
from workspace import History, Version
from workspace.kinds import Kind
from workspace.operations.blame import LineState, Origin, Story, line_at
from wukong_tui.views import Look
from wukong_tui.views.accounts import Accounts
from wukong_tui.views.blame import BlameView

SLICE = 0.015
"""Seconds that one page may go on looking."""
STATES = 8
"""Earlier states that are told, at most."""
FRESH = 1_000_000
"""Microseconds for which what became of an edit is not looked up again, while others are at work."""
TEXT = 400
"""Characters of a line that are kept."""
WALK = 400
"""Versions in which the edit that was taken back is looked for, at most."""


class WhyView:
    """Explains the chosen line, in slices where its history is long."""

    def __init__(self, blame: BlameView | None = None) -> None:
        """``blame``: what the Document pane knows already of who made which line."""
        self.pending = False
        """Whether the page that was loaded last is not all yet: load it again."""
        self._blame = blame
        self._search: _Search | None = None

    def load(self, history: History, look: Look, need: WhyNeed) -> WhyPage | None:
        """The explanation of a line of the version looked at, as far as SLICE seconds bring it. Raises Damaged."""
        version = _looked_at(history, look, look.document)
        if version is None:
            self._search, self.pending = None, False
            return None
        search = self._found(history, version, need.line)
        if search is None:
            self.pending = True
            line = need.line or 0
            return WhyPage(
                version.path,
                version.number,
                line + 1,
                _text(history, LineState(version, line)) or "",
                None,
                pending=True,
            )
        self._search = search
        search.advance(history, SLICE)
        self.pending = not search.finished
        return search.why(history, look)

    def _found(self, history: History, version: Version, line: int | None) -> _Search | None:
        """The search for a line, the one at hand if it is about the same edit; None where blame does not know yet.

        Blame is carried along while a document changes every moment, where a search would begin anew.
        """
        search = self._search
        if search is not None and search.is_of(version, line):
            return search
        origin = None
        if self._blame is not None and line is not None:
            blame = self._blame.of(history, version)
            if not blame.advance(line, line + 1, seconds=SLICE):
                return None
            origin = blame.origin(line)
        if search is not None and origin is not None and search.goes_on(history, version, line, origin):
            return search
        return _Search(history, version, line, origin)


def _looked_at(history: History, look: Look, document: int | None) -> Version | None:
    return None if document is None else history.store.versions.at(document, look.branch, look.cursor)


@dataclass(slots=True)
class _Fold:
    """States that one loop made, one after the other: ``state`` is the newest of ``times``."""

    key: tuple[object, ...]
    state: LineState
    first: int
    times: int = 1


class _Search:
    """The story of one line, read in slices and folded, and the accounts of the edits that matter."""

    def __init__(self, history: History, version: Version, line: int | None, origin: Origin | None = None) -> None:
        """``origin``: who made the line, where that is known."""
        self._version = version
        self._line = line
        self._text = "" if line is None else _text(history, LineState(version, line))
        versions = history.store.versions
        start = version if origin is None else versions.get(version.document, origin.version)
        place = line if origin is None else origin.line
        self._story: Story | None = None if self._text is None else Story(versions, start, place)
        self._source: Story | None = None
        self._folds: list[_Fold] = []
        self._read = 0
        self._whole = False
        self._told: tuple[int, Account | None, Account | None] | None = None
        self._told_at = (-1, False)

    def is_of(self, version: Version, line: int | None) -> bool:
        return self._version == version and self._line == line

    def goes_on(self, history: History, version: Version, line: int | None, origin: Origin) -> bool:
        """Look at another version whose line the same edit made, if it did."""
        made = self.maker
        if made is None or version.document != made.version.document:
            return False
        if origin != (made.version.number, made.line):
            return False
        self._version, self._line, self._told = version, line, None
        return True

    @property
    def finished(self) -> bool:
        return self._story is None or (self._whole and (self._source is None or bool(self._source.states)))

    @property
    def maker(self) -> LineState | None:
        return self._story.states[0] if self._story is not None and self._story.states else None

    def advance(self, history: History, seconds: float | None = None) -> None:
        """Go on until all that is told is known, at most for some seconds."""
        story = self._story
        while story is not None and not self._whole:
            done = story.advance(len(story.states) + 64, seconds=seconds)
            self._fold(history, story)
            self._whole = story.finished or len(self._folds) > STATES
            if not done and seconds is not None:
                return
            if seconds is not None and not self._whole:
                seconds = max(0.0, seconds - 0.005)
                if not seconds:
                    return
        if self.maker is not None and self._source is None:
            self._source = self._restored(history, self.maker)
        if self._source is not None:
            self._source.advance(1, seconds=seconds)

    def why(self, history: History, look: Look) -> WhyPage | None:
        """What is known so far; None where there is no such line."""
        if self._story is None:
            return None
        path, number = self._version.path, self._version.number
        line = None if self._line is None else self._line + 1
        if self.maker is None:
            return WhyPage(path, number, line, self._text or "", None, pending=True)
        account, behind = self._accounts(history, look)
        tell = Accounts(history, look)
        story = []
        for fold in self._folds[:STATES]:
            text = None if fold.state.line is None else _text(history, fold.state) or ""
            story.append(Past(fold.first, fold.state.version.number, fold.times, tell.made(fold.state.version), text))
        again = history.store.journal.entry(self.maker.version.entry).kind in (Kind.RESTORE, Kind.REDO)
        about = "What it brought back" if again else "What it took back"
        return WhyPage(path, number, line, self._text or "", account, behind, about, tuple(story), not self.finished)

    # -- inside

    def _fold(self, history: History, story: Story) -> None:
        for state in story.states[max(1, self._read) :]:
            if len(self._folds) > STATES:
                break
            entry = history.store.journal.entry(state.version.entry)
            alone = () if entry.parent is not None else (state.version.number,)
            key = (entry.parent, entry.kind, entry.name, entry.actor, entry.session, *alone)
            if self._folds and self._folds[-1].key == key:
                self._folds[-1].first = state.version.number
                self._folds[-1].times += 1
            else:
                self._folds.append(_Fold(key, state, state.version.number))
        self._read = len(story.states)

    def _restored(self, history: History, maker: LineState) -> Story | None:
        """For a restore: the story of the line in the version that it brought back."""
        versions = history.store.versions
        operation = history.operation(maker.version.operation)
        if operation.kind != Kind.RESTORE or maker.version.content is None:
            return None
        for version in versions.line(maker.version):
            if version.number < maker.version.number and version.content == maker.version.content:
                return Story(versions, version, maker.line)
        return None

    def _accounts(self, history: History, look: Look) -> tuple[Account | None, Account | None]:
        """The accounts of the edit that made the line and of the one it took back, looked up anew now and then."""
        assert self.maker is not None
        state = (look.newest, look.cursor, self.finished)
        if self._told is not None and self._told_at == state[1:] and look.now - self._told[0] < FRESH:
            return self._told[1], self._told[2]
        tell = Accounts(history, look)
        maker = self.maker.version
        source = self._source.states[0].version if self._source is not None and self._source.states else None
        account = tell.account(maker, self._version, self._line, source)
        taken = source or self._taken(history, tell, maker)
        behind = None if taken is None else tell.account(taken)
        self._told, self._told_at = (look.now, account, behind), state[1:]
        return account, behind

    def _taken(self, history: History, tell: Accounts, maker: Version) -> Version | None:
        """The edit that a revert, undo or redo is about: in the line's story, else in the versions before."""
        targets = tell.targets(history.operation(maker.operation))
        if not targets or self._story is None:
            return None
        for fold in self._folds:
            if targets & set(tell.ancestry(fold.state.version.operation)):
                return fold.state.version
        if not self._whole:
            return None
        for count, version in enumerate(history.store.versions.line(maker)):
            if count > WALK:
                break
            if targets & set(tell.ancestry(version.operation)):
                return version
        return None


def _text(history: History, state: LineState) -> str | None:
    """A line's text without its end; None where there is no such line."""
    if state.line is None:
        return None
    found = line_at(history.store.versions.bytes_of(state.version), state.line)
    return None if found is None else found[: TEXT * 4].rstrip(b"\r\n").decode("utf-8", "surrogateescape")[:TEXT]
