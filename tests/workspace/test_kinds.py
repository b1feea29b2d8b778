"""What operations are and how they end: one vocabulary, that of newer programs included."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workspace import Act, History, Workspace
from workspace.kinds import Kind, Outcome
from workspace.operations.verify import verify


def test_every_outcome_is_well_or_a_failure_and_only_one_is_a_refusal() -> None:
    assert [outcome for outcome in Outcome if outcome.well] == ["done", "verified"]
    assert all(outcome.well != outcome.failed for outcome in Outcome)
    assert [outcome for outcome in Outcome if outcome.refused] == ["refused"]


def test_an_operation_that_runs_is_neither_well_nor_a_failure(tmp_path: Path) -> None:
    with Workspace.open(tmp_path, store=tmp_path / ".store") as work:
        prompt = work.begin(Act(kind=Kind.PROMPT))
        running = work.operation(prompt)
        assert (running.outcome, running.well, running.failed, running.refused) == (None, False, False, False)
        work.end(prompt, Outcome.LIMIT)
        assert (work.operation(prompt).well, work.operation(prompt).failed) == (False, True)


def test_words_of_a_newer_program_are_read_as_they_were_written(tmp_path: Path) -> None:
    with Workspace.open(tmp_path, store=tmp_path / ".store") as work:
        dream = work.begin(Act(kind=Kind("dream"), name="of electric sheep"))
        work.end(dream, Outcome("awoken"))
    with History.open(tmp_path, store=tmp_path / ".store") as history:
        told = history.operation(dream)
        assert (told.kind, told.outcome) == ("dream", "awoken")
        assert f"{told.kind} {told.outcome}" == "dream awoken"
        assert told.failed  # what nobody here knows to be well is shown as a failure, never hidden
        assert history.store.journal.of_kind(Kind("dream")) == [dream]
        assert verify(history.store).ok


@pytest.mark.parametrize("word", [*Kind, *Outcome])
def test_a_word_is_its_text_wherever_text_is_written(word: Kind | Outcome) -> None:
    assert json.loads(json.dumps({"said": word})) == {"said": word.value}
    assert (str(word), f"{word:>12}") == (word.value, f"{word.value:>12}")
    assert {word.value: 1}[word] == 1
