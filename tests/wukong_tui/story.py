"""A piece of work that is always the same: the same entries, numbers and times."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runtime.agent import conversation
from runtime.models.base import ToolCall
from workspace import Act, Usage, Workspace
from workspace.entries import LessonText

SESSION = "s1"
BEGAN = 1_790_000_000_000_000
"""When it begins, in microseconds since 1970: 14:13:20 in UTC."""
BEAT = 3_000_000
"""Microseconds from one entry to the next."""
ASKED = """\
Give the warehouse a page of **rules**, and book the bottles in.
Lane E stays free.
"""
REPLY = """\
## What I found

The floor has *two* rows, `A` and `E`. In short:

- `floor.txt` is plain text, one bay a line
- nothing has been booked in so far

| row | bays | free |
|-----|-----:|-----:|
| A   |   40 |   40 |
| E   |   40 |    0 |

```python
for bay in range(1, 41):
    wk.edit("floor.txt", f"A{bay:02} -", f"A{bay:02} 12")
```

I set a plan of three steps.
"""
STEPS = [
    {"title": "Write the rules of the house", "check": {"document": "rules.md", "contains": "Lane E"}, "attempts": 3},
    {"title": "Book the bottles in", "check": {"document": "floor.txt", "lacks": "E01 12"}, "attempts": 3},
    {"title": "Report to the house", "attempts": 3},
]
RULES = """\
# Rules of the house

1. A bay takes **twelve** bottles.
2. Lane E stays free.

| lane | use |
|------|-----|
| A | bottles |
| E | fire lane |

> Who moves a bottle writes it down.
"""
BOOK = '''\
"""Book bottles into the bays of a row."""

from __future__ import annotations

import wk

BAYS = 40  # in each row


def book(row: str, bottles: int) -> int:
    """Put twelve bottles into each bay; how many are left."""
    for bay in range(1, BAYS + 1):
        wk.edit("floor.txt", f"{row}{bay:02} -", f"{row}{bay:02} 12")
        bottles -= 12
    return bottles


if __name__ == "__main__":
    print(book("A", 480))
'''
WIDE = (
    "item\tname\tcount\n酒\t紹興酒 (大)\t12\nтара\tящик\t3\ncafe\u0301\tnai\u0308ve\t7\n"
    "esc\t\x1b[31mred\x1b[0m\t1\n長\t" + "漢字" * 60 + "\t9\n"
)
FLOOR = "".join(f"{row}{bay:02} {'-' if row == 'A' else 'x'}\n" for row in "AE" for bay in range(1, 41))


@dataclass(slots=True)
class Clock:
    """The journal's clock while the story is told."""

    at: int = BEGAN

    def __call__(self) -> int:
        self.at += BEAT
        return self.at


@dataclass(slots=True)
class Story:
    """A workspace in which a session has worked; ``moments`` are entries by name, ``now`` is when one looks at it."""

    work: Workspace
    root: Path
    clock: Clock
    moments: dict[str, int] = field(default_factory=dict)
    prompt: int = 0
    attempt: int | None = None
    step: int | None = None
    number: int | None = None
    calls: int = 0

    @property
    def now(self) -> int:
        return self.clock.at + 90_000_000

    # -- acts

    def act(self, kind: str, name: str | None = None, **more: Any) -> Act:
        fields = {
            "session": SESSION, "actor": "agent", "step": self.step, "attempt": self.number,
            "parent": self.attempt or self.prompt or None, **more,
        }  # fmt: skip
        return Act(kind=kind, name=name, **fields)

    def say(self, text: str) -> int:
        """A person gives a prompt."""
        first = text.strip().splitlines()[0]
        act = Act(kind="prompt", name=first, actor="ann", session=SESSION)
        self.prompt = self.work.begin(act, payload=text.encode())
        return self.prompt

    def ask(self, text: str, usage: Usage | None, *calls: tuple[str, dict[str, Any]]) -> int:
        """A model call and its reply; without usage nobody knows what it took."""
        model = self.work.begin(self.act("model", "opus-5", model="opus-5", detail={"asked": 1_200}))
        self.reply(model, text, usage, *calls)
        return model

    def reply(self, model: int, text: str, usage: Usage | None, *calls: tuple[str, dict[str, Any]]) -> None:
        """A model call comes to its end."""
        made = [ToolCall(f"c{model}x{n}", name, json.dumps(given)) for n, (name, given) in enumerate(calls)]
        payload = json.dumps(conversation.assistant(text, made)).encode()
        self.work.end(model, usage=usage, payload=payload, ref=f"m{model}".encode())

    def call(self, name: str, arguments: dict[str, Any], answer: str, outcome: str = "done", label: str = "") -> int:
        """A capability call; ``write`` does what it says."""
        detail = {"call": f"k{self.calls}", "capability": name}
        self.calls += 1
        act = self.act("capability", label or f"{name} {arguments.get('path', '')}".strip(), decision="allowed",
                       detail=detail)  # fmt: skip
        operation = self.work.begin(act, payload=json.dumps(arguments).encode())
        if name == "write":
            part = self.act(act.kind, act.name, operation=operation)
            self.work.write(arguments["path"], arguments["text"].encode(), act=part)
        self.work.end(operation, outcome, payload=answer.encode())
        return operation

    def write(self, path: str, text: str) -> int:
        return self.call("write", {"path": path, "text": text}, f"Wrote {path}.")

    def program(self, name: str, text: str, rows: list[tuple[str, str]]) -> int:
        """A program that edits floor.txt once for each of ``rows``: a loop."""
        act = self.act("capability", f"program {name}", decision="allowed",
                       detail={"call": f"k{self.calls}", "capability": "program"})  # fmt: skip
        self.calls += 1
        operation = self.work.begin(act, payload=json.dumps({"title": name, "text": text}).encode())
        floor = (self.root / "floor.txt").read_bytes().decode()
        with self.work.batch():
            for old, new in rows:
                floor = floor.replace(old, new)
                edit = self.act("capability", "edit floor.txt", parent=operation)
                self.work.write("floor.txt", floor.encode(), act=edit)
        self.work.end(operation, payload=f"{len(rows)} calls\n[exit status 0]".encode())
        return operation

    def start(self, step: int, number: int, taught: tuple[int, ...] = ()) -> int:
        """An attempt at a step begins."""
        self.step, self.number = step, number
        detail = {"lessons": list(taught)} if taught else {}
        act = self.act("attempt", str(STEPS[step - 1]["title"]), parent=self.prompt, detail=detail)
        self.attempt = self.work.begin(act)
        return self.attempt

    def finish(self, outcome: str, why: str = "") -> int:
        """An attempt ends; a failed one is remembered and taken back. The lesson, or the attempt."""
        attempt, step = self.attempt, self.step
        assert attempt is not None
        assert step is not None
        self.work.end(attempt, outcome, detail={"why": why} if why else {})
        lesson = attempt
        if outcome == "failed":
            title = str(STEPS[step - 1]["title"])
            act = self.act("lesson", why, parent=self.prompt, detail={"attempt_operation": attempt})
            payload = LessonText(title, why, "program book.py", "-E01 x\n+E01 12\n", 2_140, estimated=True).payload()
            lesson = self.work.record(act, payload=payload)
            revert = self.act("revert", f"failed attempt at {title}", parent=self.prompt)
            self.work.revert([attempt], act=revert, consent=True)
        self.attempt = self.step = self.number = None
        return lesson

    def outside(self, path: str, data: bytes) -> None:
        """Another program changes a file, and that is noticed."""
        (self.root / path).write_bytes(data)
        self.work.catch_up()

    def mark(self, name: str) -> None:
        self.moments[name] = self.work.cursor

    # -- while somebody looks

    def answer(self) -> int:
        """A model call more, with what it took."""
        return self.ask("", Usage(input=4_105, output=212, cached=3_072, cost=13_400_000))

    def wait_for_an_answer(self) -> int:
        """An approval that nobody has answered."""
        arguments = {"command": "python3 count.py --row E", "seconds": 30}
        act = self.act("approval", "run", actor="ann")
        return self.work.begin(act, payload=json.dumps(arguments, sort_keys=True).encode())


@contextmanager
def told(folder: Path, *, whole: bool = True) -> Iterator[Story]:
    """The story in a new folder, or its empty workspace: the same journal every time. It stays open for writing."""
    root = folder / "warehouse"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workspace.store.journal.clock", clock := Clock())
        patch.setenv("TZ", "UTC")
        patch.delenv("NO_COLOR", raising=False)
        time.tzset()
        try:
            with Workspace.open(root, store=folder / "store") as work:
                story = Story(work, root, clock)
                if whole:
                    tell(story)
                yield story
        finally:
            patch.undo()
            time.tzset()


def tell(story: Story) -> None:
    """The moments are found, planned, failed, again, restored and doing."""
    work = story.work
    detail = {"model": "opus-5", "mode": "ask", "inside": "/workspace", "max_tokens": 60_000, "max_cost": None}
    story.root.joinpath("floor.txt").write_text(FLOOR)
    story.root.joinpath("stock.tsv").write_text(WIDE)
    story.root.joinpath("label.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4)
    work.scan(Act(kind="scan", name="scan", actor="ann"))
    work.record(Act(kind="session", name="opus-5", actor="ann", session=SESSION, detail=detail))

    story.say(ASKED)
    story.ask(
        "I look at the floor first.", Usage(input=1_204, output=85, cost=4_900_000), ("read", {"path": "floor.txt"})
    )
    story.call("read", {"path": "floor.txt"}, FLOOR[:80])
    story.ask(REPLY, Usage(input=1_890, output=412, cached=1_024, cost=8_100_000))
    story.mark("found")
    plan = story.act("plan", "3 steps", parent=story.prompt, detail={"steps": STEPS})
    work.record(plan)
    story.mark("planned")

    story.start(1, 1)
    story.ask("", Usage(input=2_310, output=640, cached=1_024, cost=9_300_000))
    story.write("rules.md", RULES.replace("2. Lane E stays free.\n", "").replace("> Who", "> *Who*"))
    story.write("rules.md", RULES)
    story.finish("verified")

    story.start(2, 1)
    story.ask("", Usage(estimated=2_140))
    story.write("book.py", BOOK.replace('book("A", 480)', 'book("E", 480)'))
    story.program("book.py", BOOK, [(f"E{n:02} x", f"E{n:02} 12") for n in range(1, 41)])
    story.mark("failing")
    lesson = story.finish("failed", "40 bottles stand in fire lane E (rules.md, rule 2)")
    story.mark("failed")
    story.clock.at += 45_000_000
    story.outside("stock.tsv", WIDE.replace("\t12\n", "\t480\n").encode())
    story.start(2, 2, (lesson,))
    story.ask("The lane was wrong; I book row A.", Usage(input=3_480, output=505, cached=2_048, cost=11_000_000))
    story.write("book.py", BOOK)
    story.program("book.py", BOOK, [(f"A{n:02} -", f"A{n:02} 12") for n in range(1, 41)])
    story.mark("again")
    story.finish("verified")
    work.end(story.prompt)
    work.restore(cursor=story.moments["planned"], paths=["stock.tsv"],
                 act=Act(kind="restore", name="stock.tsv", actor="ann", session=SESSION))  # fmt: skip
    story.mark("restored")

    story.clock.at += 600_000_000
    story.say("Now report to the house.")
    story.start(3, 1)
    story.ask("I count what stands in row A.", None)
    story.call("run", {"command": "python3 count.py"}, "python3: can't open file 'count.py'\n[exit status 2]",
               "failed", "run python3 count.py")  # fmt: skip
    story.write("book.py", BOOK.replace("BAYS = 40  # in each row", "BAYS = 40  # in each of the rows A and E"))
    story.ask("", Usage(input=3_905, output=118, cached=3_072, cost=10_200_000))
    story.mark("doing")
