"""The scenes of the demo: a title and a caption for every instant, told from the journal alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workspace import History, Operation
from workspace.entries import CapabilityEntry
from workspace.kinds import Kind, Outcome

BANNER = "REHEARSAL: replies scripted, work real"
"""Stands over every scene."""
BOOKING = 3
"""The step of the plan that books."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene: its name in code, a title of a few words and a caption of one or two sentences."""

    name: str
    title: str
    caption: str


_ALL = (
    Scene("office", "An empty warehouse", "20 aisles of 50 bays, one character a bay. Three documents, one entry."),
    Scene("prompt", "Ten thousand bottles", "One sentence is the whole order. The agent reads the house rules."),
    Scene("plan", "A plan with checks", "Five steps. The office runs the checks, not the agent that wants to pass."),
    Scene("read", "1 Read", "The agent looks at what is there. Its tokens are counted, ~ where estimated."),
    Scene("program", "2 Program", "book.py books bottle by bottle. It is a document like any other."),
    Scene("first", "3 Book, attempt 1", "One program, thousands of calls: each bottle a version, at 0 tokens."),
    Scene("failed", "The check fails", "600 bottles stand in fire lane E, against rule 3 of rules.md."),
    Scene("reverted", "Taken back in one frame", "3,000 bookings are gone in one act, their tokens are waste; the"
          " lesson stays."),
    Scene("lesson", "3 Book, attempt 2", "The office hands the lesson to the next attempt, and the agent quotes it."),
    Scene("second", "10,000 bookings", "Every one a version at 0 tokens; a tool call each would cost millions (~)."),
    Scene("effective", "The check passes", "Attempt 2 used the lesson: what 1 wasted is effective after all."),
    Scene("check", "4 Check", "The floor is counted again: 833 full bays and one of four."),
    Scene("report", "5 Report", "What was done, where it is, and what went wrong on the way."),
    Scene("stopped", "Stopped", "What was done is kept, nothing is lost. `wukong demo` starts over."),
    Scene("turn", "Your turn", "Hold ← and the floor empties. w on lane E: why. R, then U: nothing is lost."),
)  # fmt: skip
SCENES: Mapping[str, Scene] = {scene.name: scene for scene in _ALL}
"""Every scene by its name, in the order of the story."""


def scene(history: History, session: str | None, cursor: int | None = None) -> Scene:
    """The scene that the demo is in at the cursor: a few index look-ups, whatever lies between."""
    return SCENES[_name(history, session, history.cursor if cursor is None else cursor)]


def _name(history: History, session: str | None, cursor: int) -> str:
    journal = history.store.journal

    def newest(kind: Kind) -> Operation | None:
        found = journal.of_kind(kind, cursor, session=session) if session is not None and cursor > 0 else []
        return journal.operation(found[-1], cursor) if found else None

    prompt = newest(Kind.PROMPT)
    if prompt is None:
        return "office"
    if prompt.ended is not None:
        return "turn" if prompt.well else "stopped"
    attempt = newest(Kind.ATTEMPT)
    if attempt is None:
        return "prompt" if newest(Kind.PLAN) is None else "plan"
    if attempt.step != BOOKING:
        return {1: "read", 2: "program", 4: "check", 5: "report"}.get(attempt.step or 0, "plan")
    if attempt.outcome == Outcome.FAILED:
        return "failed" if newest(Kind.REVERT) is None else "reverted"
    if attempt.outcome is not None:
        return "effective"
    if attempt.attempt == 1:
        return "first"
    begun = (journal.entry(id_) for id_ in journal.children(attempt.id) if id_ <= cursor)
    running = any(CapabilityEntry.of(entry).capability == "program" for entry in begun)
    return "second" if running else "lesson"
