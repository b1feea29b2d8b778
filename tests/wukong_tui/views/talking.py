"""Conversations to look at, made by a real office with rehearsed models."""

from __future__ import annotations

from pathlib import Path

from runtime.protocol import Perform
from tests.runtime.office import begin, office, prompt, turn, write_cassette
from workspace import History
from wukong_tui.views import Look

SAID = """\
## What I did

I changed `a.txt` and checked it:

- one **line** is new
- the rest stands

```python
def area(r: float) -> float:
    return 3.14 * r  # of a circle
```
"""


async def converse(folder: Path, tmp_path: Path) -> str:
    """A session with edits, a plan that fails once, an undo and a question; its name."""
    (folder / "a.txt").write_text("one\n")
    steps = [{"title": "Shout", "check": {"document": "a.txt", "contains": "TWO"}, "attempts": 2}]
    tape = write_cassette(
        tmp_path / "tape.toml",
        [
            turn("I look first.", ("read", {"path": "a.txt"})),
            turn("", ("edit", {"path": "a.txt", "old": "one", "new": "two"}), ("read", {"path": "none.txt"})),
            turn(SAID),
            turn("", ("plan", {"action": "set", "steps": steps})),
            turn("", ("plan", {"action": "start"})),
            turn("", ("write", {"path": "b.txt", "text": "new\nlines\n"})),
            turn("", ("plan", {"action": "finish", "note": "wrote b"})),
            turn("", ("plan", {"action": "start"})),
            turn("", ("edit", {"path": "a.txt", "old": "two", "new": "TWO"})),
            turn("", ("plan", {"action": "finish"})),
            turn("It is **done** now."),
            turn("Added.", ("write", {"path": "c.txt", "text": "c\n"})),
            turn("All is there."),
            turn("It was taken out, I see."),
        ],
    )
    async with office(folder, tape) as desk:
        session = await begin(desk)
        await prompt(desk, session, "Please change the one line of a.txt\nand say what you did.")
        await prompt(desk, session, "Now shout, by a plan.")
        await prompt(desk, session, "Add c.txt.")
        await desk.handle(Perform("undo", {"as": session.name}))
        await prompt(desk, session, "What is there now?")
        return session.name


def look(history: History, session: str | None, cursor: int | None = None) -> Look:
    """Navigation at a session, live or at a cursor."""
    newest = history.cursor
    at = newest if cursor is None else cursor
    return Look(at, newest, cursor is None, session, None, 1, 0)
