"""Why a line is there: from the prompt down to the edit, what it cost, what became of it, what was there before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from widgets.paint import Ink, Line, Span, cells, clip, wrap
from widgets.pane import Pane
from workspace.kinds import Outcome

Role = Literal["prompt", "attempt", "loop", "call"]
Fated = Literal["stands", "changed", "reverted", "undone", "verified", "failed", "lesson", "used"]

SIGNS: dict[Fated, tuple[str, str]] = {
    "stands": ("✓", "ok"), "changed": ("·", "dim"), "reverted": ("↩", "warn"), "undone": ("↩", "warn"),
    "verified": ("✓", "ok"), "failed": ("✗", "fail"), "lesson": ("•", "text"), "used": ("✓", "ok"),
}  # fmt: skip
LABEL = 10
"""Cells of the column of labels."""


@dataclass(frozen=True, slots=True)
class Made:
    """An operation that made a version; ``note`` says in a sentence what kind of act it was, where it has to."""

    version: int
    operation: int
    label: str
    who: str
    session: str | None
    clock: str
    ago: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class WhyCause:
    """One level of what led to an edit. ``text``: a prompt's first line, a step's title, an operation's label.

    ``times`` counts the operations that one loop made; ``step`` and ``attempt`` are numbers,
    ``check`` how the attempt was to be judged; ``outcome`` is None while it runs, ``why`` why it failed.
    """

    role: Role
    operation: int
    text: str
    who: str = ""
    clock: str = ""
    times: int = 1
    step: int | None = None
    attempt: int | None = None
    check: str = ""
    outcome: Outcome | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class WhyDecision:
    """What allowed an edit: the recorded outcome of asking; ``who`` and ``clock`` where a person was asked."""

    text: str
    who: str = ""
    clock: str = ""
    operation: int | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an attempt or a prompt cost: ``text`` says what is reported, ``~`` estimated, ``?`` unknown."""

    of: str
    operation: int
    text: str


@dataclass(frozen=True, slots=True)
class Fate:
    """Something that became of an edit."""

    kind: Fated
    text: str
    operation: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An edit with what led to it (outermost first), what allowed it, what it cost and what became of it."""

    made: Made
    causes: tuple[WhyCause, ...]
    decision: WhyDecision | None
    tokens: tuple[Tokens, ...]
    fates: tuple[Fate, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """One thing that stood in the line's place: a loop's many states are one, of which ``text`` is the last.

    ``first`` and ``last`` are versions; ``text`` is None for a version as a whole.
    """

    first: int
    last: int
    times: int
    made: Made
    text: str | None


@dataclass(frozen=True, slots=True)
class WhyPage:
    """Why a line of a version is what it is; ``line`` counts from 1 and is None for the version as a whole.

    ``account`` is of the edit that put the line there; where that took something back or
    brought something again, ``behind`` is of the edit that it is about, and ``about`` the
    heading over that. ``story`` is what stood there, newest first; ``pending`` says that not all of it is known yet.
    """

    path: str
    version: int
    line: int | None
    text: str
    account: Account | None
    behind: Account | None = None
    about: str = ""
    story: tuple[Past, ...] = ()
    pending: bool = False


@dataclass(frozen=True, slots=True)
class WhyNeed:
    """What the sheet has to be given; ``line`` from 0, None for the version as a whole."""

    line: int | None


class WhyPane(Pane[WhyNeed, WhyPage | None]):
    """Shows an explanation, in place of a pane or over one."""

    def __init__(self, *, id: str | None = None, ink: Ink | None = None) -> None:
        super().__init__(id=id, ink=ink)
        self._page: WhyPage | None = None
        self._line: int | None = None
        self._top = 0

    def ask(self, line: int | None) -> None:
        """Explain this line (from 0) of the version looked at, or with None the version."""
        if line != self._line:
            self._line, self._top = line, 0
            self.post_message(self.Wanted(self))

    def need(self) -> WhyNeed:
        return WhyNeed(self._line)

    def show(self, page: WhyPage | None) -> None:
        """Draw this page from now on; None where there is nothing to explain."""
        self._page = page
        self.redraw()

    def move(self, lines: int) -> None:
        """Scroll by lines, as far as there is anything."""
        width, height = self.room
        most = max(0, len(rows(self._page, width)) - height)
        top = min(max(0, self._top + lines), most)
        if top != self._top:
            self._top = top
            self.redraw()

    def page(self, pages: int) -> None:
        self.move(pages * max(1, self.room.height - 1))

    def home(self) -> None:
        self.move(-self._top)

    def end(self) -> None:
        self.move(1 << 30)

    def copied(self) -> str:
        """The explanation as text."""
        found = ("".join(text for text, _ in line).rstrip() for line in rows(self._page, 90))
        return "\n".join(found).replace("\xa0", " ")

    def heading(self, width: int) -> tuple[Line, Line]:
        why = self._page
        if why is None:
            return (("Why", ""),), ()
        where = f"{why.path}@{why.version:,}" + ("" if why.line is None else f" line {why.line:,}")
        return (("Why", ""),), ((clip(where, max(0, width - 12), keep="end"), "dim"),)

    def lines(self, width: int, height: int) -> Sequence[Line]:
        found = rows(self._page, width)
        top = min(self._top, max(0, len(found) - height))
        return found[top : top + height]


# -- drawing, as functions of the explanation


def rows(why: WhyPage | None, width: int) -> list[list[Span]]:
    """An explanation as lines of spans, each at most ``width`` cells."""
    if why is None:
        return [[(" Nothing to explain here.", "dim")]]
    out: list[list[Span]] = []
    if why.line is not None:
        number = f" {why.line:,} "
        out.append([(number, "dim"), ("▸ ", "accent"), (clip(why.text, width - len(number) - 2), "accent")])
    else:
        out.append([(" ▸ ", "accent"), (clip(f"{why.path}@{why.version:,}", width - 3, keep="end"), "accent")])
    out.append([])
    if why.account is None:
        return [*out, [(" Searching earlier versions …", "dim")]]
    out += _account(_without(why.account, why.behind), width, first=True)
    if why.behind is not None:
        out += [[], _section(why.about, width), *_account(why.behind, width, first=False)]
    if why.story:
        title = "Earlier in this place" if why.line is not None else "Earlier versions"
        out += [[], _section(title, width)]
        for past in why.story:
            out += _past(past, width)
    if why.pending:
        out.append([(" …", "dim")])
    return out


def _without(account: Account, behind: Account | None) -> Account:
    """An account without what is told again, and more of it, in the one behind it."""
    led = account.causes[:-1]
    if behind is None or behind.causes[: len(led)] != led:
        return account
    tokens = tuple(tokens for tokens in account.tokens if tokens not in behind.tokens)
    return replace(account, causes=(), tokens=tokens)


def _account(account: Account, width: int, *, first: bool) -> list[list[Span]]:
    made = account.made
    out = _labelled(
        "changed by" if first else "made by", [(f"@{made.version:,}", "strong"), (" ", ""), (made.label, "")], width
    )
    out += _labelled(
        "", [(_joined(made.who, made.session or "", made.clock, made.ago, f"op:{made.operation:,}"), "dim")], width
    )
    if made.note:
        out += _labelled("", [(made.note, "text")], width)
    if account.causes:
        out.append([])
        out += _tree(account.causes, width)
        out.append([])
    if account.decision is not None:
        asked = _joined(account.decision.who, account.decision.clock)
        said = [(account.decision.text, "text"), *([(f" · {asked}", "dim")] if asked else [])]
        out += _labelled("decision", said, width)
    for index, tokens in enumerate(account.tokens):
        said = [(tokens.text, "text"), (f"  {tokens.of}", "dim")]
        out += _labelled("" if index else "tokens", said, width)
    for index, fate in enumerate(account.fates):
        sign, style = SIGNS[fate.kind]
        at = [(f" op:{fate.operation:,}", "faint")] if fate.operation is not None else []
        out += _labelled("" if index else "became", [(f"{sign} ", style), (fate.text, "text"), *at], width, hang=2)
    return out


def _tree(causes: Sequence[WhyCause], width: int) -> list[list[Span]]:
    """The causes below each other, each a little further in."""
    out: list[list[Span]] = []
    deepest = max(1, (width - 24) // 3)
    for number, cause in enumerate(causes):
        last, depth = number == len(causes) - 1, min(number, deepest)
        branch = " " + "   " * (depth - 1) + "└─ " if depth else " "
        below = " " + "   " * depth + ("   " if last else "│  ")
        role = {"prompt": "prompt", "attempt": f"step {cause.step}", "loop": "loop", "call": "call"}[cause.role]
        text: list[Span] = [(f"{role}  ", "dim"), (cause.text, "text")]
        if cause.times > 1:
            text.append((f" × {cause.times:,}", "strong"))
        text.append((f" op:{cause.operation:,}", "faint"))
        out += _hung([(branch, "faint")], [(below, "faint")], text, width)
        facts: list[list[Span]] = []
        if cause.role == "prompt":
            facts.append([(_joined(cause.who, cause.clock), "dim")])
        if cause.attempt is not None and cause.role == "attempt":
            outcome: list[Span] = [(f"attempt {cause.attempt} ", "text")]
            if cause.outcome == Outcome.FAILED:
                outcome += [("✗ failed", "fail"), (f": {cause.why}" if cause.why else "", "text")]
            elif cause.outcome is not None and cause.outcome.well:
                outcome += [("✓ ", "ok"), (cause.outcome, "text")]
            else:
                outcome += [(cause.outcome or "in progress", "dim")]
            if cause.check:
                facts.append([("check ", "dim"), (cause.check, "text")])
            facts.append(outcome)
        for fact in facts:
            out += _hung([(below, "faint")], [(below, "faint")], fact, width)
    return out


def _past(past: Past, width: int) -> list[list[Span]]:
    which = f"@{past.last:,}" if past.times == 1 else f"@{past.first:,}…{past.last:,}"
    times = f" × {past.times:,}" if past.times > 1 else ""
    said: list[Span] = [(" ", ""), (which, "strong"), (times, "text")]
    said.append((f"  {_joined(past.made.label, past.made.who, past.made.ago)}", "dim"))
    out = [_cut(said, width)]
    if past.text is not None:
        out.append(
            [
                ("   ", ""),
                (clip(past.text, width - 3) if past.text else "(an empty line)", "text" if past.text else "dim"),
            ]
        )
    return out


def _section(title: str, width: int) -> list[Span]:
    return [(" ", ""), (title, "title"), (" ", ""), ("─" * max(0, width - len(title) - 3), "rule")]


def _labelled(label: str, value: Sequence[Span], width: int, hang: int = 0) -> list[list[Span]]:
    """A dim label and its value beside it, broken where it is longer."""
    head: list[Span] = [(f" {label:<{LABEL}} ", "dim")]
    return _hung(head, [(" " * (LABEL + 2 + hang), "")], value, width)


def _hung(first: list[Span], then: list[Span], value: Sequence[Span], width: int) -> list[list[Span]]:
    """A value after a head, its further lines after another."""
    indent = cells(then) - cells(first)
    found = wrap(value, max(8 + indent, width - 1 - cells(first)), indent=indent)
    cut = 1 if indent else 0  # the blanks that stand for what ``then`` has more than ``first``
    return [[*first, *found[0]], *([*then, *line[cut:]] for line in found[1:])]


def _cut(line: Sequence[Span], width: int) -> list[Span]:
    out: list[Span] = []
    left = width
    for text, style in line:
        shown = clip(text, left)
        left -= cells([(shown, "")])
        out.append((shown, style))
        if left <= 0:
            break
    return out


def _joined(*parts: str) -> str:
    """Short facts beside each other, each kept on one line."""
    return "\xa0· ".join(part.replace(" ", "\xa0") if len(part) < 20 else part for part in parts if part)
