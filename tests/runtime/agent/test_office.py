"""Sessions at work: calls executed exactly once, people's edits kept, limits exact, lessons used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from runtime.agent import conversation
from runtime.dispatch.session import Session
from runtime.execution import sandbox
from runtime.host.sessions import Sessions
from runtime.models.base import Message, ModelError, ModelReply, TextDelta, Tool, ToolCall
from runtime.planning import plan
from runtime.protocol import Answer, Interrupt, Open, Perform, Prompt
from runtime.usage import meter
from runtime.usage.budget import Budget, LimitReached
from tests.runtime.office import begin, office, operations, prompt, told, turn, until, write_cassette
from workspace import Usage, WorkspaceError
from workspace.operations.verify import verify

needs_sandbox = pytest.mark.skipif(sandbox.available() is not None, reason="no sandbox works here")


def tape(tmp_path: Path, *turns: dict[str, Any], name: str = "tape.toml") -> Path:
    return write_cassette(tmp_path / name, turns)


async def test_a_prompt_is_one_undo_and_the_model_is_told(folder: Path, tmp_path: Path) -> None:
    (folder / "a.txt").write_text("one\n")
    script = tape(
        tmp_path,
        turn("", ("read", {"path": "a.txt"}), ("edit", {"path": "a.txt", "old": "one", "new": "two"})),
        turn("", ("write", {"path": "b.txt", "text": "new\n"})),
        turn("Done."),
        turn("I see.", expect="did undo of op:"),
    )
    async with office(folder, script) as desk:
        session = await begin(desk)
        done = await prompt(desk, session)
        assert done.outcome == "done"
        assert (folder / "a.txt").read_text() == "two\n"
        await desk.handle(Perform("undo"))
        assert (folder / "a.txt").read_text() == "one\n"
        assert not (folder / "b.txt").exists()
        told = await desk.read(lambda history: conversation.messages(history, session.name))
        assert not told
        await desk.handle(Perform("redo"))
        assert (folder / "b.txt").read_text() == "new\n"
        assert (await prompt(desk, session, "And now?")).outcome == "done"
        assert (await desk.read(lambda history: verify(history.store))).ok


async def test_malformed_unknown_and_repeated_calls_are_answered_and_never_executed(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "a.txt").write_text("one\n")
    good = {"path": "n.txt", "text": "x\n"}
    script = tape(
        tmp_path,
        turn("", ("write", '{"path": "n.txt", '), ("fly", {}), ("write", {"path": "n.txt"}),
             ("write", {**good, "extra": 1}), ("write", {"path": 3, "text": "x"})),
        turn("", ("write", good), ("read", {"path": "/etc/passwd"}), ("read", {"path": "../x"})),
        turn("Done."),
    )  # fmt: skip
    async with office(folder, script) as desk:
        session = await begin(desk)
        assert (await prompt(desk, session)).outcome == "done"
        calls = await operations(desk, "capability")
        assert [call.outcome for call in calls][:5] == ["refused"] * 5
        assert (folder / "n.txt").read_text() == "x\n"
        assert [call.outcome for call in calls][5:] == ["done", "refused", "refused"]
        answers = [m for m in told(desk, session) if m["role"] == "tool"]
        assert len(answers) == 8


async def test_a_persons_edit_made_during_a_failed_attempt_stays(folder: Path, tmp_path: Path) -> None:
    (folder / "a.txt").write_text("alpha\nbeta\ngamma\ndelta\n")
    steps = [{"title": "Shout", "check": {"document": "a.txt", "contains": "never"}, "attempts": 1}]
    script = tape(
        tmp_path,
        turn("", ("plan", {"action": "set", "steps": steps})),
        turn("", ("plan", {"action": "start"})),
        turn("", ("edit", {"path": "a.txt", "old": "alpha", "new": "ALPHA"})),
        turn("", ("edit", {"path": "a.txt", "old": "delta", "new": "DELTA"})),
        turn("", ("plan", {"action": "finish", "note": "shouted"})),
        turn("It failed."),
    )
    async with office(folder, script) as desk:
        session = await begin(desk)
        edits = 0

        def person(event: Any) -> None:
            nonlocal edits
            text = (folder / "a.txt").read_text()
            if "ALPHA" in text and edits == 0:
                edits += 1
                (folder / "a.txt").write_text(text.replace("gamma", "gamma, by ann"))

        desk.subscribe(person)
        assert (await prompt(desk, session)).outcome == "done"
        assert edits == 1
        assert (folder / "a.txt").read_text() == "alpha\nbeta\ngamma, by ann\ndelta\n"
        (attempt,) = await operations(desk, "attempt")
        assert attempt.outcome == "failed"
        assert len(await operations(desk, "lesson")) == 1


async def test_the_second_time_a_task_is_done_its_lesson_is_offered_and_it_costs_less(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "rules.md").write_text("Lane E stays free.\n")
    steps = [{"title": "Fill the floor", "check": {"document": "floor.txt", "lacks": "E"}}]
    plan_calls = [
        turn("", ("plan", {"action": "set", "steps": steps})),
        turn("", ("plan", {"action": "start"})),
    ]
    good = [
        turn("", ("write", {"path": "floor.txt", "text": "AAAA\n"})),
        turn("", ("plan", {"action": "finish"})),
        turn("Done."),
    ]
    first = tape(
        tmp_path, *plan_calls, turn("", ("write", {"path": "floor.txt", "text": "AAEE\n"})),
        turn("", ("plan", {"action": "finish"})), turn("", ("plan", {"action": "start"}), expect="Lesson op:"),
        *good, name="first.toml",
    )  # fmt: skip
    second = tape(
        tmp_path, *plan_calls, turn("", ("read", {"path": "floor.txt"}), expect="floor.txt contains 'E'"), *good,
        name="second.toml",
    )  # fmt: skip
    async with office(folder, first, second) as desk:
        one, two = await begin(desk), await begin(desk)
        assert (await prompt(desk, one)).outcome == "done"
        assert (await prompt(desk, two)).outcome == "done"

        def look(history: Any) -> tuple[meter.Total, meter.Total, meter.Effect, plan.Plan | None]:
            of = [meter.total(meter.calls(history, session=s.name)) for s in (one, two)]
            return of[0], of[1], meter.effect(history, session=one.name), plan.at(history, two.name)

        before, after, effect, current = await desk.read(look)
        assert after.estimated < before.estimated
        assert effect.wasted.calls == 0
        assert effect.effective.calls > 0
        assert current is not None
        assert current.steps[0].attempts[0].lessons
        print(f"tokens of the first time ~{before.estimated:,}, of the second ~{after.estimated:,}")


class Odd:
    """A model whose usage cannot be true, and that counts how many calls run."""

    name, window, scripted = "odd", 100_000, True

    def __init__(self, usages: Sequence[Usage]) -> None:
        self.asked = 0
        self._usages = usages

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, limit: int | None = None
    ) -> AsyncIterator[TextDelta | ModelReply]:
        usage = self._usages[self.asked % len(self._usages)]
        self.asked += 1
        await asyncio.sleep(0)
        yield TextDelta("hm")
        yield ModelReply("hm", (), usage, None, self.name, "stop")

    def count(self, messages: Sequence[Message], tools: Sequence[Tool]) -> int:
        return 1000

    def cost(self, usage: Usage) -> int | None:
        return 1000


async def test_thirty_parallel_calls_against_a_limit_for_three_run_three_at_most(folder: Path) -> None:
    from runtime.agent.model_call import OUTPUT, ask

    model = Odd([Usage(input=0, output=0), Usage(input=-5, output=-5), Usage()])
    desk = Sessions(folder, choose=lambda _: model)
    await desk.start()
    try:
        session = await begin(desk, max_cost=3000)
        session.budget = Budget(max_cost=3 * 1000)

        async def asked() -> list[Any]:
            pieces = ask(session, model, session.cause, [{"role": "user", "content": "?"}], ())
            return [piece async for piece in pieces]

        answers = await asyncio.gather(*(asked() for _ in range(30)), return_exceptions=True)
        assert model.asked == 3
        assert sum(isinstance(answer, LimitReached) for answer in answers) == 27
        session.budget = Budget(max_tokens=3 * (1000 + OUTPUT))
        model.asked = 0
        await asyncio.gather(*(asked() for _ in range(30)), return_exceptions=True)
        assert model.asked <= 3
    finally:
        await desk.close()


async def test_a_prompt_over_the_limit_ends_as_limit_and_can_be_resumed_or_undone(
    folder: Path, tmp_path: Path
) -> None:
    script = tape(tmp_path, turn("", ("write", {"path": "a.txt", "text": "1\n"})), turn("Done."))
    async with office(folder, script) as desk:
        session = await begin(desk, max_tokens=2_600)
        done = await prompt(desk, session)
        assert done.outcome == "limit"
        assert "limit of 2,600 tokens" in done.detail["error"]
        assert (folder / "a.txt").exists()
        session = desk.session(await desk.handle(Open(resume=session.name, mode="auto", max_tokens=9_000)))
        assert (await prompt(desk, session, "Go on.")).outcome == "done"
        await desk.handle(Perform("undo"))  # the second prompt, which edited nothing
        await desk.handle(Perform("undo"))
        assert not (folder / "a.txt").exists()


async def test_ask_mode_names_exact_arguments_and_a_refusal_reaches_the_model(folder: Path, tmp_path: Path) -> None:
    arguments = {"path": "a.txt", "text": "1\n"}
    script = tape(
        tmp_path, turn("", ("write", arguments)), turn("", ("write", arguments), expect="not on a friday"),
        turn("", ("write", {**arguments, "path": "b.txt"})), turn("Done."),
    )  # fmt: skip
    async with office(folder, script) as desk:
        session = await begin(desk, mode="ask")
        answers = iter([("no", "not on a friday"), ("session", "")])
        asked: list[Any] = []

        def person(_: Any) -> None:
            for approval in desk.approvals.listing():
                if approval["approval"] not in [a["approval"] for a in asked]:
                    asked.append(approval)
                    allow, reason = next(answers)
                    task = asyncio.ensure_future(desk.handle(Answer(approval["approval"], allow, reason)))  # type: ignore[arg-type]
                    kept.append(task)

        kept: list[Any] = []
        desk.subscribe(person)
        assert (await prompt(desk, session)).outcome == "done"
        assert [a["arguments"] for a in asked] == [arguments, arguments]
        approvals = await operations(desk, "approval")
        assert [a.outcome for a in approvals] == ["refused", "done"]
        assert (folder / "b.txt").exists()


@needs_sandbox
@pytest.mark.parametrize("mode", ["read-only", "ask"])
async def test_the_check_of_a_step_needs_the_permission_of_a_command(folder: Path, tmp_path: Path, mode: str) -> None:
    (folder / "a.txt").write_text("safe\n")
    steps = [{"title": "x", "check": {"command": "echo taken > a.txt"}}]
    script = tape(
        tmp_path, turn("", ("plan", {"action": "set", "steps": steps})), turn("", ("plan", {"action": "start"})),
        turn("", ("plan", {"action": "finish"})), turn("Done."),
    )  # fmt: skip
    async with office(folder, script) as desk:
        session = await begin(desk, mode=mode)
        kept: list[Any] = []

        def person(_: Any) -> None:
            kept.extend(asyncio.ensure_future(refuse(desk, a["approval"])) for a in desk.approvals.listing())

        desk.subscribe(person)
        await prompt(desk, session)
        await asyncio.gather(*kept, return_exceptions=True)
        assert (folder / "a.txt").read_text() == "safe\n"
        assert "verified" not in [attempt.outcome for attempt in await operations(desk, "attempt")]


async def refuse(desk: Sessions, approval: int) -> None:
    await desk.handle(Answer(approval, "no"))


@needs_sandbox
async def test_what_git_would_execute_cannot_be_written_in_the_sandbox(folder: Path, tmp_path: Path) -> None:
    (folder / ".git" / "hooks").mkdir(parents=True)
    (folder / ".git" / "config").write_text("[core]\n")
    command = "echo x > .git/hooks/pre-commit; echo y >> .git/config; echo z > fine"
    script = tape(tmp_path, turn("", ("run", {"command": command})), turn("Done."))
    async with office(folder, script) as desk:
        await prompt(desk, await begin(desk))
    assert not list((folder / ".git" / "hooks").iterdir())
    assert (folder / ".git" / "config").read_text() == "[core]\n"
    assert (folder / "fine").exists()


async def test_half_a_character_is_refused_and_the_next_prompt_goes_on(folder: Path, tmp_path: Path) -> None:
    script = tape(
        tmp_path, turn("", ("write", '{"path": "a.txt", "text": "\\ud83d x"}')), turn("Done."), turn("Done.")
    )
    async with office(folder, script) as desk:
        session = await begin(desk)
        assert (await prompt(desk, session)).outcome == "done"
        assert [call.outcome for call in await operations(desk, "capability")] == ["refused"]
        assert (await prompt(desk, session, "again")).outcome == "done"


async def test_a_pattern_that_never_ends_is_stopped(folder: Path, tmp_path: Path) -> None:
    (folder / "a.txt").write_text("a" * 40 + "!\n")
    script = tape(tmp_path, turn("", ("search", {"text": "(a|a)+$", "regex": True})), turn("Done."))
    async with office(folder, script) as desk:
        assert (await prompt(desk, await begin(desk, mode="read-only"))).outcome == "done"


async def test_what_still_works_cannot_be_undone_half(folder: Path, tmp_path: Path) -> None:
    script = tape(
        tmp_path,
        turn("", ("write", {"path": "b.txt", "text": "x"})),
        turn("", ("write", {"path": "c.txt", "text": "y"})),
        turn("Done."),
    )
    async with office(folder, script) as desk:
        session = await begin(desk, mode="ask")
        session.policy.grant("write")
        operation = await desk.handle(Prompt(session.name, "go"))
        await until((folder / "b.txt").exists)
        if session.busy:
            with pytest.raises(WorkspaceError, match="still at work"):
                await desk.handle(Perform("undo", {"target": operation}))
        await until(lambda: not session.busy)


async def test_read_only_sessions_change_nothing(folder: Path, tmp_path: Path) -> None:
    script = tape(
        tmp_path, turn("", ("write", {"path": "a.txt", "text": "1"}), ("run", {"command": "touch b"})), turn(".")
    )
    async with office(folder, script) as desk:
        session = await begin(desk, mode="read-only")
        await prompt(desk, session)
        assert [call.outcome for call in await operations(desk, "capability")] == ["refused", "refused"]
        assert sorted(p.name for p in folder.iterdir()) == [".wukong"]


def seen_inside(desk: Sessions, session: Session, name: str) -> bool:
    """Whether a file is there for the command that runs, or in the folder where it runs there."""
    place = desk.workplace(session).inside_root() or desk.root
    return (place / name).exists()


@needs_sandbox
async def test_an_interrupted_command_is_recorded_with_what_it_changed(folder: Path, tmp_path: Path) -> None:
    script = tape(tmp_path, turn("", ("run", {"command": "echo x > started; sleep 60"})), turn("Next."))
    async with office(folder, script) as desk:
        session = await begin(desk)
        operation = await desk.handle(Prompt(session.name, "wait"))
        await until(lambda: seen_inside(desk, session, "started"))
        await desk.handle(Prompt(session.name, "queued meanwhile"))
        await desk.handle(Interrupt(session.name))
        await until(lambda: not session.busy and not session.queue)
        ended = await desk.read(lambda history: history.operation(operation))
        assert ended.outcome == "interrupted"
        (run,) = [call for call in await operations(desk, "capability") if call.outcome == "interrupted"]
        made = await desk.read(lambda history: history.store.versions.of_operation(run.id))
        assert [version.path for version in made] == ["started"]
        assert [p.outcome for p in await operations(desk, "prompt")] == ["interrupted", "done"]


async def test_a_session_is_resumed_and_forked_from_the_journal_alone(folder: Path, tmp_path: Path) -> None:
    script = tape(
        tmp_path, turn("First."), turn("Second.", expect="again"), turn("Third.", expect="once more"),
    )  # fmt: skip
    async with office(folder, script) as desk:
        session = await begin(desk)
        first = await prompt(desk, session, "begin")
        name, kept = session.name, list(told(desk, session))
    async with office(folder, script) as desk:
        resumed = desk.session(await desk.handle(Open(resume=name)))
        done = await prompt(desk, resumed, "again")
        assert done.outcome == "done"
        assert told(desk, resumed)[: len(kept)] == kept
        forked = desk.session(await desk.handle(Open(fork=first.last, mode="auto")))
        assert forked.name != name
        other = await prompt(desk, forked, "again")
        assert other.outcome == "done"
        assert [m["content"] for m in told(desk, forked)] == ["begin", "First.", "again", "Second."]


class Reading(Odd):
    """A model with a small window that reads a long document again and again."""

    window = 14_000

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, limit: int | None = None
    ) -> AsyncIterator[TextDelta | ModelReply]:
        self.asked += 1
        text, calls = (
            ("So far: much was read.", ()) if not tools else ("", (ToolCall("1", "read", '{"path": "a.txt"}'),))
        )
        if self.asked > 8:
            text, calls = "Done.", ()
        yield ModelReply(text, calls, Usage(10, 10), str(self.asked), self.name, "stop")

    def count(self, messages: Sequence[Message], tools: Sequence[Tool]) -> int:
        return sum(len(str(message)) // 4 for message in messages)


async def test_a_full_window_is_summarised_by_an_operation_with_its_cost(folder: Path) -> None:
    (folder / "a.txt").write_text("word " * 2000)
    desk = Sessions(folder, choose=lambda _: Reading([]))
    await desk.start()
    try:
        await desk.alone(lambda work: work.scan())
        session = await begin(desk)
        assert (await prompt(desk, session)).outcome == "done"
        summaries = await operations(desk, "summary")
        assert summaries
        cost = await desk.read(lambda history: meter.of_family(history, summaries[0].id))
        assert (cost.calls, cost.reported) == (1, 20)
        assert told(desk, session)[0]["content"].startswith("[Summary of the conversation so far]")
        rebuilt = await desk.read(lambda history: conversation.messages(history, session.name))
        assert rebuilt == told(desk, session)
    finally:
        await desk.close()


async def test_errors_that_may_pass_are_tried_again_and_others_are_not(folder: Path) -> None:
    class Flaky(Odd):
        async def stream(
            self, messages: Sequence[Message], tools: Sequence[Tool], *, limit: int | None = None
        ) -> AsyncIterator[TextDelta | ModelReply]:
            self.asked += 1
            if self.asked < 3:
                yield TextDelta("half a ")
                raise ModelError("cut", retry=True, text="half a ")
            yield ModelReply(
                "whole", (ToolCall("1", "list", "{}"),) if self.asked == 3 else (), Usage(5, 5), "id", "f", "stop"
            )

    desk = Sessions(folder, choose=lambda _: Flaky([]))
    await desk.start()
    try:
        session = await begin(desk)
        assert (await prompt(desk, session)).outcome == "done"
        models = await operations(desk, "model")
        assert [m.outcome for m in models] == ["failed", "failed", "done", "done"]
        total = await desk.read(lambda history: meter.total(meter.calls(history)))
        assert (total.input, total.calls, total.unknown) == (5, 3, 2)  # one message id is counted once
    finally:
        await desk.close()


@needs_sandbox
async def test_every_call_of_a_program_is_an_operation_and_costs_no_tokens(folder: Path, tmp_path: Path) -> None:
    code = "import wk\nfor n in range(300):\n    wk.write('n.txt', text=str(n))\nprint(wk.read('n.txt'))\n"
    script = tape(tmp_path, turn("", ("program", {"text": code, "title": "count"})), turn("Done."))
    async with office(folder, script) as desk:
        session = await begin(desk)
        assert (await prompt(desk, session)).outcome == "done"
        (program,) = [c for c in await operations(desk, "capability") if c.detail.get("capability") == "program"]
        made = await desk.read(lambda history: len(history.store.journal.children(program.id)))
        assert made == 301
        assert (await desk.read(lambda history: meter.of_family(history, program.id))).calls == 0
        await desk.handle(Perform("undo"))
        assert not (folder / "n.txt").exists()
