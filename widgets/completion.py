"""What is being named in a prompt, and what naming it makes of the draft."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from widgets.draft import Draft

_COMMAND = re.compile(r"\A/(\S*)\Z")
_DOCUMENT = re.compile(r'(?:\A|(?<=\s))@(?:"([^"\n]*)|([^\s"]*))\Z')
_GIVEN = re.compile(r"\A/([^\s/]+)(?:\s+(.*))?\Z", re.DOTALL)
_PLAIN = re.compile(r"\A/[a-z_-]+(?:\s|\Z)")
FAR = 400
"""A name longer than so many characters is not looked for."""


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """A command of the prompt: its name without the slash, what it does, and what may follow the name.

    ``argument`` is empty where nothing may, ``[COUNT]`` for a number, in square brackets where it may be left out.
    """

    name: str
    title: str
    argument: str = ""

    @property
    def usage(self) -> str:
        """How it is typed: ``/model NAME``."""
        return f"/{self.name} {self.argument}".rstrip()

    def refusal(self, argument: str) -> str:
        """Why it cannot be given with this argument; empty where it can."""
        if not argument:
            return ""
        if not self.argument:
            return f"/{self.name} takes nothing after it; a space before it sends it as text."
        if self.argument == "[COUNT]" and not argument.isdecimal():
            return f"/{self.name} takes a number after it; a space before it sends it as text."
        return ""


@dataclass(frozen=True, slots=True)
class Query:
    """The ``letters`` so far of a command (``/``) or a document (``@``) whose sign stands at ``start``."""

    kind: Literal["/", "@"]
    start: int
    letters: str

    def same_place(self, other: Query | None) -> bool:
        """Whether both are about one sign in the text."""
        return other is not None and (self.kind, self.start) == (other.kind, other.start)


def asked(draft: Draft) -> Query | None:
    """What is being named where the cursor stands."""
    before = draft.text[: draft.at]
    if found := _COMMAND.match(before):
        return Query("/", 0, found[1])
    start = max(0, len(before) - FAR)
    if found := _DOCUMENT.search(before[start:]):
        return Query("@", start + found.start(), found[1] if found[1] is not None else found[2])
    return None


def completed(draft: Draft, query: Query, name: str) -> Draft:
    """The draft with the name in the place of its letters; one with blanks in it is quoted."""
    if query.kind == "@":
        quoted = any(character.isspace() or character == '"' for character in name)
        name = f'@"{name}"' if quoted else f"@{name}"
    return draft.without(query.start, draft.at).insert(f"{name} ")


def given(text: str) -> tuple[str, str, bool] | None:
    """Of a text that begins with ``/``: the name, what follows it, and whether it can be nothing but a command."""
    if (found := _GIVEN.match(text)) is None:
        return None
    return found[1], (found[2] or "").strip(), _PLAIN.match(text) is not None
