"""One line to be typed: where to go, what to search, a comment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable

from widgets.dialog import Dialog
from widgets.draft import Draft, edited, field
from widgets.paint import Ink, Line
from widgets.panel import paragraphs

Check = Callable[[str], str | Awaitable[str | None] | None]
"""Given what was typed: a sentence that says what is wrong with it, or None; at once or later."""
LIMIT = 4_000


class AskScreen(Dialog[str]):
    """Answers what was typed, maybe nothing, or None.

    What ``check`` finds wrong stands under the field, and what was typed stays in it.
    """

    DEFAULT_CSS = "AskScreen { align: center bottom; background: $background 0%; }"
    WIDEST = 90

    def __init__(
        self,
        title: str,
        hint: str = "",
        *,
        sign: str = ">",
        text: str = "",
        check: Check | None = None,
        ink: Ink | None = None,
    ) -> None:
        super().__init__(ink=ink)
        self._title, self._sign, self._hint, self._check = title, sign, hint, check
        self._draft = Draft(text, len(text))
        self._error = ""
        self._checking = False

    def heading(self) -> str:
        return self._title

    def body(self, width: int) -> Sequence[Line]:
        sign = f"{self._sign} "
        line: list[tuple[str, str]] = [(sign, "accent"), *field(self._draft, width - len(sign), lit=True)]
        if not self._draft.text and self._hint:
            line.append((self._hint, "faint"))
        if self._error:
            return [line, *paragraphs(f"✗ {self._error}", width, "fail")]
        return [line, [("looking …", "dim")] if self._checking else ()]

    def offered(self) -> list[tuple[str, str]]:
        return [("enter", "go"), ("esc", "close")]

    def pressed(self, key: str, character: str | None) -> bool:
        if key == "enter":
            self._enter()
        elif (draft := edited(self._draft, key, character)) is not None and len(draft.text) <= LIMIT:
            self._put(draft)
        return True

    def pasted(self, text: str) -> None:
        draft = self._draft.insert(" ".join(text.splitlines()))
        if len(draft.text) <= LIMIT:
            self._put(draft)
        else:
            self._fail(f"A line takes {LIMIT:,} characters.")

    def _put(self, draft: Draft) -> None:
        if draft.text != self._draft.text:
            self._error = ""
        self._draft = draft
        self.panel.changed()

    def _enter(self) -> None:
        if self._checking:
            return
        text = self._draft.text
        answer = self._check(text) if self._check else None
        if isawaitable(answer):
            self._checking = True
            self.panel.changed()
            self.run_worker(self._later(text, answer), group="check", exclusive=True)
        else:
            self._end(text, answer)

    async def _later(self, text: str, answer: Awaitable[str | None]) -> None:
        found = await answer
        self._checking = False
        if self._draft.text == text:
            self._end(text, found)
        else:
            self.panel.changed()

    def _end(self, text: str, error: str | None) -> None:
        if error is None:
            self.dismiss(text)
        else:
            self._fail(error)

    def _fail(self, error: str) -> None:
        self._error = error
        self.panel.changed()
