"""The prompt: several lines, a history, commands, documents by name, and always where it goes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Literal

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset
from textual.message import Message

from widgets.choices import Choice, Choices
from widgets.completion import Query, SlashCommand, asked, completed, given
from widgets.draft import Draft, DraftRow, column, cursor_spans, edited, row_of, rows_of, vertical
from widgets.match import AT_ONCE, Names
from widgets.paint import Ink, Line, Span, clip
from widgets.sheet import Sheet

ROWS = 6
"""The prompt grows to so many rows, then it scrolls."""
LIMIT = 100_000
"""Characters that a prompt takes; more belongs into a document."""
OFFERED = 50
"""Completions found at most."""
CALM = 0.03
"""Seconds without a key after which documents are looked for."""

LIVE = "→ LIVE"
BACK = "→ branch"
"""How the name of a target begins that lies in the past."""
NEWLINE_KEYS = frozenset({"ctrl+j", "shift+enter", "alt+enter", "newline"})


class PromptInput(Sheet):
    """Text for an agent, being typed.

    The app gives it ``commands``, ``paths`` of documents and ``history`` (oldest first;
    what is sent is appended), says in ``target`` where it goes, and gives it as many ``rows`` as it wants.
    """

    DEFAULT_CSS = "PromptInput { height: 1; width: 1fr; }"

    class Submitted(Message):
        """This was sent."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Command(Message):
        """A command was given; ``argument`` is what followed its name, or nothing."""

        def __init__(self, name: str, argument: str) -> None:
            super().__init__()
            self.name = name
            self.argument = argument

    class Refused(Message):
        """What was typed or pasted was not taken; the sentence says why."""

        def __init__(self, sentence: str) -> None:
            super().__init__()
            self.sentence = sentence

    class Grown(Message):
        """It takes another number of ``rows`` now; whoever arranges the screen should give it so many."""

    class PathsWanted(Message):
        """A document is about to be named: ``paths`` should hold those that there are now."""

    def __init__(self, *, id: str | None = None, ink: Ink | None = None) -> None:
        super().__init__(id=id, ink=ink)
        self.history: list[str] = []
        self.commands: Sequence[SlashCommand] = ()
        self.hint = ""
        self._resting: Line | None = None
        self.choices = Choices(ink=ink)
        self._target = LIVE
        self._draft = Draft()
        self._top = 0
        self._wanted = 1
        self._rows_of = ("", -1)
        self._all_rows: list[DraftRow] = []
        self._walk = -1  # how far back in the history; -1 is the draft itself
        self._left: dict[int, Draft] = {}
        self._undo: list[Draft] = []
        self._redo: list[Draft] = []
        self._typing = False
        self._paths: Sequence[str] = ()
        self._names: Names | None = None
        self._shut: Query | None = None
        self._asked: Query | None = None
        self._search = threading.Event()

    # -- for the app

    @property
    def text(self) -> str:
        """What is typed so far."""
        return self._draft.text

    @property
    def paths(self) -> Sequence[str]:
        """The documents that ``@`` finds."""
        return self._paths

    @paths.setter
    def paths(self, paths: Sequence[str]) -> None:
        self._paths, self._names = paths, None
        self._offer(again=True)

    @property
    def rows(self) -> int:
        """The height that it wants, from 1 to ``ROWS``."""
        return self._wanted

    @property
    def target(self) -> str:
        """Where the text goes: ``→ LIVE``, ``→ branch from op 4,217``."""
        return self._target

    @target.setter
    def target(self, target: str) -> None:
        if target != self._target:
            self._target = target
            self._place(self._draft)

    def rest(self, line: Line | None) -> None:
        """Show this line instead of what is typed, while the keys go elsewhere; None to show that again."""
        self._resting = line
        self.redraw()

    def put(self, text: str) -> None:
        """Replace what is typed, the cursor behind it; ``ctrl+z`` brings back what was there."""
        self._set(Draft().insert(text))

    def clear(self) -> None:
        """Begin anew."""
        self._undo, self._redo = [], []
        self._walk, self._left = -1, {}
        self._place(Draft())

    def send(self) -> None:
        """Send what is typed, as enter does."""
        if not self._draft.text.strip():
            self.post_message(self.Refused("Nothing typed yet."))
        self._enter()

    def recall(self) -> None:
        """Show the prompt before this one in the history, as an arrow key does."""
        walk = max(self._walk + 1, int(self.history[-1:] == ["/recall"]))
        if walk >= len(self.history):
            self.post_message(self.Refused("No earlier prompt."))
        else:
            self._recall(walk, -1)

    def begin(self, sign: Literal["/", "@"]) -> None:
        """Begin to name a command, in place of what is typed, or a document, at the cursor."""
        if sign == "/":
            self.put("/")
        else:
            before = self._draft.text[: self._draft.at]
            self._set(self._draft.insert("@" if not before or before[-1].isspace() else " @"))

    def undo(self) -> None:
        """Take back what was typed last."""
        if not self._undo:
            self.post_message(self.Refused("Nothing typed to take back."))
        self._swap(self._undo, self._redo)

    def close_popup(self) -> bool:
        """Close the completions; whether there were any."""
        if not self.choices.display:
            return False
        self._shut = self._asked
        self._search.set()
        self.choices.show(())
        return True

    def paint(self, ink: Ink) -> None:
        self.choices.paint(ink)
        super().paint(ink)

    # -- drawing

    def compose(self) -> ComposeResult:
        yield self.choices

    def lines(self, width: int, height: int) -> list[list[Span]]:
        if self._resting is not None:
            return [list(self._resting)]
        target = self._label(width)
        room = self._room(width)
        text = self._draft.text
        all_rows = self._broken(width)
        now = row_of(all_rows, self._draft.at)
        out: list[list[Span]] = []
        for index in range(self._top, min(len(all_rows), self._top + height)):
            first, last = index == self._top, index == self._top + height - 1
            more = (first and index > 0) or (last and index < len(all_rows) - 1)
            line: list[Span] = [("⋮ " if more else "> " if index == 0 else "  ", "faint" if more else "accent")]
            line += self._drawn_row(text, all_rows[index], lit=index == now)
            if not text and self.hint:
                line.append((clip(self.hint, room - 1), "faint"))
            if first:
                used = sum(cell_len(piece) for piece, _ in line)
                line += [
                    (" " * max(0, width - 1 - used - cell_len(target)), ""),
                    (target, "time" if self._target.startswith(BACK) else "accent"),
                ]
            out.append(line)
        return out

    def redraw(self) -> None:
        super().redraw()
        if self.has_focus and self.size.width:
            self.app.cursor_position = self._cursor()  # where a terminal's input method shows itself

    def watch_has_focus(self, focused: bool) -> None:
        if not focused:
            self.close_popup()
        super().watch_has_focus(focused)

    def on_resize(self, event: events.Resize) -> None:
        self._follow()
        super().on_resize(event)

    def _label(self, width: int) -> str:
        return clip(self._target, max(8, width // 2))

    def _room(self, width: int) -> int:
        """Cells of a row for text; the cursor may stand one further."""
        return max(4, width - 2 - 1 - 2 - cell_len(self._label(width)))

    def _broken(self, width: int) -> list[DraftRow]:
        made_of = self._draft.text, self._room(width)
        if self._rows_of != made_of:
            self._rows_of, self._all_rows = made_of, rows_of(*made_of)
        return self._all_rows

    def _drawn_row(self, text: str, row: DraftRow, *, lit: bool) -> list[Span]:
        if lit and self.has_focus:
            return cursor_spans(text, row, self._draft.at, lit=True)
        return cursor_spans(text, row, row.end, lit=False)

    def _cursor(self) -> Offset:
        all_rows = self._broken(self.size.width)
        now = row_of(all_rows, self._draft.at)
        x = 2 + column(self._draft.text, all_rows[now], self._draft.at)
        return self.region.offset + Offset(x, now - self._top)

    # -- keys

    def on_key(self, event: events.Key) -> None:
        if self._choose_by(event.key) or self._do(event.key):
            event.stop()
            event.prevent_default()
        elif (draft := edited(self._draft, event.key, event.character)) is not None:
            event.stop()
            event.prevent_default()
            self._set(draft, typed=event.is_printable and event.character != " ")

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self._set(self._draft.insert(event.text))

    def _do(self, key: str) -> bool:
        """Carry out a key that is more than editing; whether it is one."""
        if key == "enter":
            self._enter()
        elif key in NEWLINE_KEYS:
            self._set(self._draft.insert("\n"))
        elif key in ("up", "down"):
            self._vertical(-1 if key == "up" else 1)
        elif key == "ctrl+z":
            self._swap(self._undo, self._redo)
        elif key == "ctrl+y":
            self._swap(self._redo, self._undo)
        else:
            return False
        return True

    def _enter(self) -> None:
        draft = self._draft
        if draft.at == draft.line_end and draft.text[: draft.at].endswith("\\"):
            self._set(draft.without(draft.at - 1, draft.at).insert("\n"))
            return
        text = draft.text.strip()
        if not text:
            return
        command = given(text) if draft.text.startswith("/") else None
        message: Message = self.Submitted(text)
        if command is not None:
            name, argument, nothing_else = command
            known = next((known for known in self.commands if known.name == name), None)
            refusal = known.refusal(argument) if known is not None else ""
            if known is None and nothing_else:
                # A slip in a command's name must not be sent, and paid for, as a question.
                refusal = f"There is no command /{name}; a space before it sends it as text."
            if refusal:
                self.post_message(self.Refused(refusal))
                return
            if known is not None:
                message = self.Command(name, argument)
        if not self.history or self.history[-1] != text:
            self.history.append(text)
        self.clear()
        self.post_message(message)

    def _vertical(self, by: int) -> None:
        moved = vertical(self._draft, self._room(self.size.width), by)
        if moved is not None:
            self._place(moved)
            return
        walk = self._walk - by
        if -1 <= walk < len(self.history):
            self._recall(walk, by)

    def _recall(self, walk: int, by: int) -> None:
        """Show what lies so far back in the history, coming from below (``by`` -1) or from above."""
        self._left[self._walk] = self._draft
        self._walk = walk
        text = self.history[-1 - walk] if walk >= 0 else ""
        left = self._left.get(walk, Draft(text, len(text)))
        self._undo, self._redo = [], []
        # The cursor goes where the next key walks on: up into the first line, down into the last.
        at = left.at if walk < 0 else left.text.find("\n") % (len(left.text) + 1) if by < 0 else len(left.text)
        self._draft = left.to(at)
        self._shut = asked(self._draft)  # a list that opened here would take the next arrow
        self._place(self._draft)

    def _swap(self, source: list[Draft], target: list[Draft]) -> None:
        if source:
            target.append(self._draft)
            self._typing = False
            self._place(source.pop())

    # -- changes

    def _set(self, draft: Draft, *, typed: bool = False) -> None:
        if len(draft.text) > max(LIMIT, len(self._draft.text)):
            self.post_message(
                self.Refused(
                    f"A prompt takes {LIMIT:,} characters; put longer text into a document, and name it with @."
                )
            )
            return
        if draft.text != self._draft.text:
            if not (typed and self._typing):
                self._undo = [*self._undo[-99:], self._draft]
            self._redo = []
        self._typing = typed
        self._place(draft)

    def _place(self, draft: Draft) -> None:
        self._draft = draft
        self._follow()
        self._offer()
        self.redraw()

    def _follow(self) -> None:
        """Grow and scroll so that the cursor is in sight."""
        if not self.size.width:
            return
        all_rows = self._broken(self.size.width)
        height = min(ROWS, len(all_rows))
        now, seen = row_of(all_rows, self._draft.at), max(1, self.size.height)
        self._top = max(0, now - seen + 1, min(self._top, now, len(all_rows) - seen))
        if height != self._wanted:
            self._wanted = height
            self.post_message(self.Grown())

    # -- completions

    def _offer(self, *, again: bool = False) -> None:
        """Offer what completes the word at the cursor; ``again`` where there are other documents than before."""
        query = asked(self._draft)
        if query == self._asked and not again:
            return
        fresh = query is not None and query.kind == "@" and not query.same_place(self._asked)
        self._asked = query
        self._search.set()  # whoever still looks for an earlier query may stop
        if query is None or not query.same_place(self._shut):
            self._shut = None
        if query is None or self._shut is not None:
            self.choices.show(())
            return
        letters = query.letters
        if query.kind == "/":
            found = Names([command.name for command in self.commands]).best(letters, OFFERED)
            self.choices.show([Choice(f"/{self.commands[i].name}", self.commands[i].title) for i in found])
            return
        if fresh:
            self.post_message(self.PathsWanted())
        if len(self._paths) <= AT_ONCE:
            self._show_paths(self._made_names().best(letters, OFFERED))
        else:
            self._search = threading.Event()
            self.run_worker(self._look(letters, self._search), group="complete", exclusive=True)

    async def _look(self, letters: str, gone: threading.Event) -> None:
        await asyncio.sleep(CALM)
        found = await asyncio.to_thread(lambda: self._made_names().best(letters, OFFERED, gone.is_set))
        if not gone.is_set():
            self._show_paths(found)

    def _made_names(self) -> Names:
        names = self._names
        if names is None:
            names = self._names = Names(self._paths)
        return names

    def _show_paths(self, found: list[int]) -> None:
        self.choices.show([Choice(self._paths[i]) for i in found])

    def _choose_by(self, key: str) -> bool:
        """Carry out a key of the completions; whether it is one."""
        if not self.choices.display:
            return False
        if key == "escape":
            self.close_popup()
        elif key in ("up", "down"):
            self.choices.move(-1 if key == "up" else 1)
        elif key in ("tab", "enter"):
            return self._take(key)
        else:
            return False
        return True

    def _take(self, key: str) -> bool:
        query = asked(self._draft)
        if query is None:
            return False
        title = self.choices.choices[self.choices.at].title
        if key == "enter" and title == f"{query.kind}{query.letters}":
            return False  # it is all there: enter gives the command
        self._set(completed(self._draft, query, title))
        return True
