"""What a check on a document forbids, and the words in which it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.planning.plan import Check, holds, parse
from workspace import Workspace, WorkspaceError


@pytest.mark.parametrize(
    ("check", "why"),
    [
        (Check(document="a.txt", forbids="lane F .*"), None),
        (Check(document="a.txt", forbids=r"^lane E *\d+"), "a.txt has 'lane E  12'"),
        (Check(document="a.txt", forbids=r"^lane E *(\d+)"), "a.txt has '12'"),
        (Check(document="a.txt", forbids=r"^lane E *(\d+)", says="{} stand in E"), "12 stand in E"),
        (Check(document="a.txt", forbids="lane E( never)?", says="{} stand in E"), " stand in E"),
        (Check(document="a.txt", matches="^lane F", says="lane F is missing"), "lane F is missing"),
        (Check(document="a.txt", contains="lane", says="no lanes"), None),
        (Check(document="b.txt", contains="x", says="b.txt has to be written"), "b.txt has to be written"),
        (Check(document="a.txt", exists=False, says="it has to go"), "it has to go"),
        (Check(document="b.txt", exists=False, says="it has to go"), None),
    ],
)
def test_a_check_fails_in_its_own_words(folder: Path, check: Check, why: str | None) -> None:
    with Workspace.open(folder) as work:
        work.write("a.txt", b"lane D  3\nlane E  12\n")
        assert holds(check, work) == why


def test_a_pattern_that_takes_too_long_fails_the_check_either_way(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.planning.plan.SECONDS", 0.01)
    with Workspace.open(folder) as work:
        work.write("a.txt", b"a" * 5_000 + b"!")
        for check in (Check(document="a.txt", matches="(?:a|aa)+$"), Check(document="a.txt", forbids="(?:a|aa)+$")):
            assert "takes longer" in (holds(check, work) or "")


def test_a_forbidden_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(WorkspaceError, match="no regular expression"):
        parse([{"title": "x", "check": {"document": "a", "forbids": "("}}])
    (step,) = parse([{"title": "x", "check": {"document": "a", "forbids": "b", "says": "no b"}}])
    assert str(Check(document="a", forbids="b")) == "a forbids 'b'"
    assert str(step.check) == "fails with “no b”"
    assert str(Check(document="a", forbids="b", says="{} b")) == "fails with “… b”"
