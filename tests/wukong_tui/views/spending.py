"""A piece of work with a plan, for the tests of the plan and the meter: what an office would have recorded."""

from __future__ import annotations

from dataclasses import dataclass

from workspace import Act, Usage, Workspace

SESSION = "s1"
STEPS = [
    {"title": "Read the floor and the manifest"},
    {"title": "Write the program book.py", "check": {"document": "book.py", "contains": "wk.edit"}},
    {
        "title": "Book 10,000 bottles in",
        "check": {"document": "floor.txt", "forbids": r"^E [· ]*[1-9ab#].*?(\d+)  fire lane"},
        "attempts": 3,
    },
    {"title": "Count what stands on the floor", "check": {"command": "python3 count.py"}},
    {"title": "Report to the house", "check": {"document": "report.md", "contains": "10,000 bottles"}},
]


@dataclass(slots=True)
class Story:
    """A workspace in which a session works; ``moments`` are entries by name."""

    work: Workspace
    moments: dict[str, int]
    prompt: int = 0
    attempt: int | None = None
    step: int | None = None
    number: int | None = None

    def act(self, kind: str, name: str | None = None, **more: object) -> Act:
        parent = more.pop("parent", self.attempt or self.prompt or None)
        fields = {"session": SESSION, "actor": "agent", "step": self.step, "attempt": self.number, **more}
        return Act(kind=kind, name=name, parent=parent, **fields)  # type: ignore[arg-type]

    def ask(self, usage: Usage | None, ref: bytes | None = None) -> int:
        """A model call; without usage nobody knows what it took."""
        call = self.work.begin(self.act("model", "opus", model="opus"))
        self.work.end(call, usage=usage, ref=ref)
        return call

    def do(self, name: str, times: int = 0) -> int:
        """A capability call, or a program of that many."""
        operation = self.work.begin(self.act("capability", name))
        for _ in range(times):
            self.work.record(self.act("capability", "edit floor.txt", parent=operation))
        self.work.end(operation)
        return operation

    def start(self, step: int, number: int, lessons: tuple[int, ...] = ()) -> int:
        self.step, self.number = step, number
        detail = {"lessons": list(lessons)} if lessons else {}
        act = self.act("attempt", str(STEPS[step - 1]["title"]), parent=self.prompt, detail=detail)
        self.attempt = self.work.begin(act)
        return self.attempt

    def finish(self, outcome: str, why: str | None = None) -> int:
        """End the attempt; a failed one is remembered and taken back. The lesson, or the attempt."""
        attempt = self.attempt
        assert attempt is not None
        self.work.end(attempt, outcome, detail={"why": why} if why else {})
        lesson = attempt
        if outcome == "failed":
            act = self.act("lesson", why, parent=self.prompt, detail={"attempt_operation": attempt})
            lesson = self.work.record(act)
            self.work.record(self.act("revert", "failed attempt", parent=self.prompt, detail={"reverts": [attempt]}))
        self.attempt = self.step = self.number = None
        return lesson

    def mark(self, name: str) -> int:
        self.moments[name] = self.work.cursor
        return self.work.cursor


def tell(work: Workspace, *, bottles: int = 12, max_tokens: int | None = None, max_cost: int | None = None) -> Story:
    """The whole story; the moments are set, planned, running, failed, again, verified and unknown."""
    story = Story(work, {})
    detail = {"max_tokens": max_tokens, "max_cost": max_cost}
    work.record(Act(kind="session", name="opus", actor="ann", session=SESSION, detail=detail))
    story.prompt = work.begin(Act(kind="prompt", name="Book 10,000 bottles in.", actor="ann", session=SESSION))
    story.mark("set")
    story.ask(Usage(input=1_204, output=85, cost=4_900_000), b"a")
    story.do("read rules.md")
    work.record(story.act("plan", "5 steps", parent=story.prompt, detail={"steps": STEPS}))
    story.mark("planned")
    story.start(1, 1)
    story.ask(Usage(input=1_890, output=112, cached=1_024, cost=6_100_000), b"b")
    story.do("read floor.txt")
    story.finish("done")
    story.start(2, 1)
    story.ask(Usage(input=2_310, output=640, cached=1_024, cost=9_300_000), b"c")
    story.do("write book.py")
    story.finish("verified")
    story.start(3, 1)
    story.ask(Usage(estimated=2_140), b"d")
    story.do("program book.py", bottles)
    story.mark("running")
    lesson = story.finish("failed", "600 bottles stand in fire lane E (rules.md, rule 3)")
    story.mark("failed")
    story.start(3, 2, (lesson,))
    story.ask(Usage(input=3_480, output=505, cached=2_048, cost=11_000_000), b"e")
    story.mark("again")
    story.do("program book.py", bottles * 2)
    story.finish("verified")
    story.mark("verified")
    story.start(4, 1)
    story.ask(None)
    story.do("run python3 count.py")
    story.mark("unknown")
    return story
