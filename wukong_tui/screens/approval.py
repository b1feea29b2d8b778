"""Asking a person whether a call may go on, with exactly what would be done."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from runtime.tools.capability import Refused
from runtime.tools.declared import declared
from widgets.dialog import CALM, TOO_EARLY, Dialog
from widgets.draft import Draft, edited, field
from widgets.paint import Ink, Line
from widgets.panel import paragraphs
from workspace.amounts import plural
from wukong_tui.screens.arguments import argument_lines

AnswerWord = Literal["once", "session", "no"]
WORDS: Mapping[str, AnswerWord] = {"y": "once", "enter": "once", "s": "session", "n": "no"}
MEANINGS: Mapping[str, str] = {
    "read": "reads documents",
    "journal": "writes into the journal",
    "write": "changes documents",
    "execute": "runs a program",
    "network": "uses the network",
    "send": "sends something out",
    "spend": "spends money",
}


class ApprovalAnswer(NamedTuple):
    """What a person said; the reason is told to the model."""

    allow: AnswerWord
    reason: str = ""


class ApprovalScreen(Dialog[ApprovalAnswer]):
    """Shows all arguments of a call. Answers a Verdict, or None: then it goes on waiting."""

    def __init__(
        self,
        session: str,
        capability: str,
        arguments: Mapping[str, object],
        effects: Collection[str] = (),
        *,
        calm: float = CALM,
        ink: Ink | None = None,
    ) -> None:
        super().__init__(calm=calm, ink=ink)
        self._session, self._capability, self._arguments = session, capability, arguments
        self._effects = effects
        self._reason: Draft | None = None
        self._note = ""
        self._insisting: AnswerWord | None = None

    def heading(self) -> str:
        return f"{self._session} asks"

    def body(self, width: int) -> Iterator[Line]:
        yield [("Allow ", "text"), (f"{self._capability} ", "strong"), ("with exactly this?", "text")]
        summary, effects = meaning(self._capability, self._effects)
        yield from paragraphs(summary, width, "dim")
        if effects:
            yield from paragraphs(f"It {listed([MEANINGS.get(effect, effect) for effect in effects])}.", width, "dim")
        yield ()
        yield from argument_lines(self._arguments, width)

    def foot(self, width: int) -> Sequence[Line]:
        if self._reason is not None:
            prompt = "Why not? "
            return [[(prompt, "strong"), *field(self._reason, width - len(prompt), lit=True)]]
        return paragraphs(self._note, width, "warn") if self._note else ()

    def offered(self) -> list[tuple[str, str]]:
        if self._reason is not None:
            return [("enter", "refuse, and tell the model so"), ("esc", "back")]
        return [
            ("y enter", "once"),
            ("s", f"every {self._capability} of this session"),
            ("n", "refuse"),
            ("esc", "later"),
        ]

    def answers(self) -> Collection[str]:
        return WORDS

    def early(self) -> None:
        self._say(TOO_EARLY)

    def pressed(self, key: str, character: str | None) -> bool:
        if self._reason is not None:
            self._give_reason(key, character)
            return True
        if key not in WORDS:
            return False
        if WORDS[key] == "no":
            self._reason = Draft()
            self._note = ""
            self.panel.fit()
            self.panel.redraw()
        else:
            self._allow(WORDS[key])
        return True

    def pasted(self, text: str) -> None:
        if self._reason is not None:
            self._reason = self._reason.insert(" ".join(text.split()))
            self.panel.redraw()

    def escaped(self) -> None:
        if self._reason is None:
            super().escaped()
            return
        self._reason = None
        self.panel.fit()
        self.panel.redraw()

    def _allow(self, word: AnswerWord) -> None:
        unseen = self.panel.unseen
        if not unseen or self._insisting == word:
            self.dismiss(ApprovalAnswer(word))
            return
        self._insisting = word
        lines = plural(unseen, "line")
        self._say(f"{lines} of this not shown yet. Press it again to allow anyway.")

    def _give_reason(self, key: str, character: str | None) -> None:
        assert self._reason is not None
        if key == "enter":
            self.dismiss(ApprovalAnswer("no", self._reason.text.strip()))
        elif (draft := edited(self._reason, key, character)) is not None:
            self._reason = draft
            self.panel.redraw()

    def _say(self, note: str) -> None:
        self._note = note
        self.panel.fit()
        self.panel.redraw()


def meaning(capability: str, effects: Collection[str]) -> tuple[str, Sequence[str]]:
    """What a capability does, in a sentence, and the effects of this call, else all of its, in a fixed order."""
    summary = "This capability is not known here."
    try:
        found = declared().find(capability)
        summary, effects = found.summary, effects or found.effects
    except Refused:
        pass
    return summary, [effect for effect in MEANINGS if effect in effects]


def listed(words: Iterable[str]) -> str:
    """``a, b and c``."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
