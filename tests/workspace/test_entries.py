"""What entries say: written and read by one record for each kind, those of older programs too."""

from __future__ import annotations

import ast
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from workspace import Act, History, Workspace
from workspace.entries import (
    ApprovalEntry,
    AttemptEntry,
    CapabilityEntry,
    CaptureEntry,
    Check,
    Fork,
    ImportEntry,
    LessonEntry,
    LessonText,
    MergeEntry,
    ModelEntry,
    OutsideEntry,
    Passed,
    PlanEntry,
    PlannedStep,
    PromptEntry,
    RevertEntry,
    SessionEntry,
    SummaryEntry,
    UndoEntry,
    dated,
    given_arguments,
    is_probable,
    reply_text,
    said,
)
from workspace.kinds import Kind, Outcome

RECORDED: list[tuple[str, dict[str, Any], Any]] = [
    (
        "scan",
        {"skipped": [["big.bin", "too large", 99], ["node_modules", "ignored", None]], "covered": ["a\udcff"],
         "first": True},
        CaptureEntry(
            (Passed("big.bin", "too large", 99), Passed("node_modules", "ignored", None)), ("a\udcff",), first=True
        ),
    ),
    ("scan", {"claims": [4, 5]}, CaptureEntry(claims=(4, 5))),
    ("outside", {"watched": True}, CaptureEntry(watched=True)),
    ("import", {"message": "Mend it\n\nAt length."}, ImportEntry("Mend it\n\nAt length.")),
    ("merge", {"parents": [[1, 20], [2, 19]]}, MergeEntry(((1, 20), (2, 19)))),
    (
        "capability",
        {"outside": [[".env", "edited", "secret"]], "caches": ["a.pyc"], "refused": [".git/config"],
         "counts": {"outside": 1, "caches": 201, "refused": 1}},
        OutsideEntry(((".env", "edited", "secret"),), ("a.pyc",), (".git/config",), (1, 201, 1)),
    ),
    ("undo", {"target": 7}, UndoEntry(7)),
    ("revert", {"reverts": [3, 9]}, RevertEntry((3, 9))),
    (
        "session",
        {"model": "cassette:/a.toml", "asked": None, "mode": "ask", "inside": "/workspace", "max_tokens": None,
         "max_cost": None},
        SessionEntry("cassette:/a.toml", None, "ask", "/workspace"),
    ),
    (
        "session",
        {"model": "m", "asked": "mm", "mode": "read-only", "inside": "/w", "max_tokens": 10, "max_cost": 20,
         "fork": {"session": "s1", "entry": 12}},
        SessionEntry("m", "mm", "read-only", "/w", 10, 20, Fork("s1", 12)),
    ),
    ("prompt", {"error": "No key."}, PromptEntry("No key.")),
    ("model", {"asked": 800, "limit": 1_000}, ModelEntry(800, 1_000)),
    ("model", {"finish": "stop"}, ModelEntry(finish="stop")),
    ("model", {"error": "Overloaded."}, ModelEntry(error="Overloaded.")),
    ("summary", {"kept": 8}, SummaryEntry(8)),
    ("capability", {"call": "c9x0", "capability": "edit"}, CapabilityEntry("c9x0", "edit")),
    (
        "capability",
        {"call": "c9x1", "capability": "run", "attribution": "probable"},
        CapabilityEntry("c9x1", "run", "probable"),
    ),
    ("capability", {"capability": "program", "sandbox": False}, CapabilityEntry(None, "program", sandbox=False)),
    ("capability", {"whole": True}, CapabilityEntry(whole=True)),
    ("approval", {"allow": "no", "reason": "not now"}, ApprovalEntry("no", "not now")),
    ("approval", {"allow": "once"}, ApprovalEntry("once")),
    ("approval", {"effects": ["execute", "write"]}, ApprovalEntry(effects=("execute", "write"))),
    (
        "plan",
        {"steps": [{"title": "Read", "attempts": 3}, {"title": "Book", "check": {"document": "a", "exists": False},
                                                      "attempts": 2}]},
        PlanEntry((PlannedStep("Read", None, 3), PlannedStep("Book", Check(document="a", exists=False), 2))),
    ),
    ("attempt", {"lessons": [31]}, AttemptEntry((31,))),
    ("attempt", {"why": "Row E.", "note": "Sorry."}, AttemptEntry(why="Row E.", note="Sorry.")),
    ("lesson", {"attempt_operation": 30}, LessonEntry(30)),
]  # fmt: skip
"""Details as a program of protocol 1 wrote them, and what they say."""


@pytest.mark.parametrize(
    ("kind", "detail", "record"), RECORDED, ids=[f"{row[0]} {n}" for n, row in enumerate(RECORDED)]
)
def test_details_of_an_older_program_say_what_they_said_then(
    tmp_path: Path, kind: str, detail: dict[str, Any], record: Any
) -> None:
    with Workspace.open(tmp_path, store=tmp_path / ".store") as work:
        old = work.record(Act(kind=Kind(kind), detail=detail))
        new = work.record(Act(kind=Kind(kind)).saying(record))
    with History.open(tmp_path, store=tmp_path / ".store") as history:
        for id_ in (old, new):
            assert type(record).of(history.operation(id_)) == record
            assert type(record).of(history.store.journal.entry(id_)) == record
        given = {key: value for key, value in detail.items() if value is not None}
        assert history.store.journal.entry(new).detail == given  # an older program reads what a new one writes


@pytest.mark.parametrize(
    "record", list(dict.fromkeys(type(row[2]) for row in RECORDED)), ids=lambda kind: kind.__name__
)
@pytest.mark.parametrize("value", [None, "x", 1.5, True, [], [None], ["x"], {}, {"session": 1}, [["a"]], -1])
def test_what_is_missing_or_makes_no_sense_reads_as_by_default(record: Any, value: object) -> None:
    assert record.of(Act()) == record()
    keys = [field.name for field in fields(record)]
    read = record.of(Act(detail=dict.fromkeys(keys, value)))
    hash(read)  # plain immutable values, whatever was there
    assert record.of(Act().saying(read)) == read


def test_an_unknown_permission_or_scope_is_the_narrowest() -> None:
    said = SessionEntry.of(Act(detail={"mode": "yolo", "scope": "everywhere"}))
    assert (said.mode, said.scope) == ("read-only", "external")
    assert SessionEntry.of(Act(detail={"mode": "auto"})).mode == "auto"


def test_settings_replace_limits_and_what_they_name() -> None:
    begun = SessionEntry("m", "mm", "ask", "/w", 10, 20, Fork("s1", 3))
    assert begun.renewed(SessionEntry("n", None, "auto", "/w", None, 30)) == SessionEntry(
        "n", "mm", "auto", "/w", None, 30, Fork("s1", 3)
    )


def test_a_lesson_reads_as_it_was_told_even_where_it_was_no_text() -> None:
    told = LessonText("Fill", "Row E \ud800", "edit", "-a\n+b\n", 12, True)
    assert LessonText.read(told.payload()) == LessonText("Fill", "Row E ?", "edit", "-a\n+b\n", 12, True)
    assert LessonText.read(b"not json") == LessonText.read(b"[]") == LessonText("", "", "", "", 0, False)
    old = {"step": "s", "why": "w", "tried": "", "diff": "", "tokens": 5, "estimated": False}
    assert LessonText.read(json.dumps(old).encode()) == LessonText("s", "w", "", "", 5, False)


def test_what_holds_for_any_kind_is_read_from_any() -> None:
    assert [said(Act(detail={key: "So."})) for key in ("error", "why", "reason", "note")] == ["So.", "So.", "So.", ""]
    assert [is_probable(act) for act in (Act(detail={"attribution": "probable"}), Act())] == [True, False]
    assert (dated(Act(detail={"dated": 5})), dated(Act())) == (5, None)


def test_payloads_of_calls_are_read_whatever_they_hold() -> None:
    assert reply_text(b'{"role": "assistant", "content": "Done."}') == "Done."
    told = [reply_text(raw) for raw in (b'{"content": null}', b"plain \xff", b"[1]", b"")]
    assert told == ["", "plain \ufffd", "[1]", ""]
    assert given_arguments(b'{"path": "a"}') == {"path": "a"}
    assert [given_arguments(raw) for raw in (b"{", b"[]", b"", b"[" * 100_000)] == [None] * 4


LITERALS = {word.value for word in (*Kind, *Outcome)}
ROOT = Path(__file__).parent.parent.parent


def by_hand(source: str) -> list[int]:
    """Lines that compare an entry's kind or outcome with a text, or take a key out of its detail."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Compare(ast.Attribute(ast.Name("operation" | "entry" | "act"), "kind" | "outcome"), _, others):
                known = [part for other in others for part in ast.walk(other) if isinstance(part, ast.Constant)]
                found += [node.lineno] * any(part.value in LITERALS for part in known)
            case ast.keyword("kind" | "outcome", ast.Constant(value)) if value in LITERALS:
                found.append(node.value.lineno)
            case ast.Call(ast.Attribute(ast.Attribute(_, "detail"), "get")):
                found.append(node.lineno)
            case ast.Subscript(ast.Attribute(_, "detail")):
                found.append(node.lineno)
    return sorted(found)


def test_nobody_else_knows_the_words_and_keys() -> None:
    own = {ROOT / "workspace/kinds.py", *(ROOT / "workspace/entries").iterdir()}
    for package in ("workspace", "runtime", "wukong_tui", "widgets"):
        for path in (ROOT / package).rglob("*.py"):
            if path not in own:
                assert by_hand(path.read_text("utf-8")) == [], path


def test_words_and_keys_by_hand_are_found() -> None:
    source = "entry.kind == 'scan'\nwork.end(1, outcome='done')\nx.detail['a']\nx.detail.get('b')"
    assert by_hand(source) == [1, 2, 3, 4]
    assert by_hand("operation.outcome in ('failed', 'limit')\nitem.kind == 'reply'") == [1]
