"""What acts did in all: added up as it happens, it is what a look at all of it at once gives."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from workspace import Act, Usage, Workspace
from wukong_tui.views.sums import Did, Sums


def told(sums: Sums, work: Workspace, operation: int) -> tuple[int, Did]:
    """How many acts an operation caused, and what it did, once all of it is added up."""
    while True:
        sums.begin()
        whole = work.operation(operation)
        last = whole.last if whole.outcome is not None else work.cursor
        count = sums.count(work, operation, last)
        did = sums.of(work, whole, last, work.cursor, composite=count > 0)
        if not did.pending:
            return count, did


@pytest.mark.parametrize("seed", range(4))
def test_sums_that_grow_equal_sums_made_at_once(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    (tmp_path / "work").mkdir()
    with Workspace.open(tmp_path / "work", store=tmp_path / "store") as work:
        prompts = [work.begin(Act(kind="prompt", name=f"p{n}")) for n in range(3)]
        calls: list[int] = []
        parents = list(prompts)
        growing = Sums()
        for number in range(120):
            match chance.randrange(5):
                case 0:
                    calls.append(work.begin(Act(kind="model", model="m", parent=chance.choice(parents))))
                case 1 if calls:  # an end, or another end of the same call: the newest counts
                    use = Usage(input=chance.randrange(50), output=1) if chance.random() < 0.8 else Usage()
                    work.end(chance.choice(calls), usage=use, ref=chance.choice([None, b"one", b"two"]))
                case 2:
                    parents.append(work.begin(Act(kind="capability", name="program", parent=chance.choice(parents))))
                case 3:
                    act = Act(kind="capability", parent=chance.choice(parents))
                    work.write(f"d{chance.randrange(3)}", f"{number}\n".encode(), act=act)
                case _:
                    work.record(Act(kind="note", parent=chance.choice(parents)))
            if number == 80:  # what is under way then ends later
                work.end(prompts[0])
                parents = prompts[1:]
            if chance.random() < 0.3:
                for operation in prompts:
                    assert told(growing, work, operation) == told(Sums(), work, operation)
        assert sum(told(growing, work, prompt)[0] for prompt in prompts) > 20
