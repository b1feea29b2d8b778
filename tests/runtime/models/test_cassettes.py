"""Cassettes: written by hand, recorded, and played."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.models import cassette
from runtime.models.base import Message, ModelError, ModelReply, TextDelta, ToolCall
from runtime.models.cassette import BadCassette
from runtime.models.scripted import Scripted
from workspace import Usage

DOCS = Path(__file__).resolve().parents[3] / "docs" / "cassettes.md"


def tape(folder: Path, text: str) -> Scripted:
    path = folder / "demo.toml"
    path.write_text(text, encoding="utf-8")
    return Scripted(path)


async def play(model: Scripted, *told: str) -> ModelReply:
    """The reply to a conversation in which the model has spoken once after each text but the last."""
    messages: list[Message] = []
    for text in told:
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": "…"}]
    *deltas, last = [piece async for piece in model.stream(messages[:-1], [])]
    assert isinstance(last, ModelReply)
    assert "".join(d.text for d in deltas if isinstance(d, TextDelta) and not d.reasoning) == last.text
    return last


async def test_the_cassette_in_the_documentation_plays_the_same_every_time(folder: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text("utf-8"), re.S)
    model = tape(folder, example)
    assert (model.cassette.title, model.pace) == ("A first edit", 60)
    model.pace = 0
    first = await play(model, "Write a greeting.")
    assert first.text == "I will write the greeting.\n"
    assert first.calls == (
        ToolCall("call_1_1", "write", '{"path": "greeting.txt", "text": "Hello, it\'s a fine day.\\n"}'),
    )
    assert first.finish == "tool_calls"
    second = await play(model, "Write a greeting.", "written")
    assert (second.text, second.calls, second.finish) == ("Done: `greeting.txt` says hello.", (), "stop")
    assert await play(tape(folder, example.replace("pace = 60", "")), "Write a greeting.") == first


async def test_an_expectation_that_is_not_met_names_the_turn(folder: Path) -> None:
    model = tape(folder, '[[turn]]\ntext = "a"\n[[turn]]\nexpect = ["one", "two"]\ntext = "b"\n')
    await play(model, "anything")
    assert (await play(model, "anything", "two and one")).text == "b"
    with pytest.raises(ModelError, match=r"Turn 2 of demo\.toml expects 'two', but was told 'only one'") as raised:
        await play(model, "two", "only one")
    assert not raised.value.retry


async def test_an_expectation_looks_at_every_result_since_the_last_reply(folder: Path) -> None:
    model = tape(folder, '[[turn]]\nexpect = "first"\ntext = "seen"\n')
    messages: list[Message] = [
        {"role": "tool", "tool_call_id": "a", "content": "first result"},
        {"role": "tool", "tool_call_id": "b", "content": "second result"},
    ]
    assert [piece async for piece in model.stream(messages, [])]


async def test_a_conversation_longer_than_the_cassette_is_an_error_not_silence(folder: Path) -> None:
    model = tape(folder, '[[turn]]\ntext = "a"\n')
    with pytest.raises(ModelError, match="ends with turn 1") as raised:
        await play(model, "one", "two")
    assert not raised.value.retry


async def test_rehearsed_failures_happen_once_and_then_the_turn_plays(folder: Path) -> None:
    model = tape(
        folder,
        '[[turn]]\nerror = 429\nafter = 2\ntext = "one"\n'
        '[[turn]]\ncut = true\ntext = "two halves"\n'
        '[[turn]]\nerror = 401\ntext = "three"\n',
    )
    with pytest.raises(ModelError) as raised:
        await play(model, "a")
    assert (raised.value.retry, raised.value.after) == (True, 2)
    assert (await play(model, "a")).text == "one"
    with pytest.raises(ModelError) as raised:
        await play(model, "a", "b")
    assert (raised.value.retry, raised.value.text) == (True, "two h")
    assert (await play(model, "a", "b")).text == "two halves"
    with pytest.raises(ModelError) as raised:
        await play(model, "a", "b", "c")
    assert not raised.value.retry


async def test_usage_is_what_the_cassette_reports_or_an_estimate_that_says_so(folder: Path) -> None:
    model = tape(folder, '[[turn]]\ntext = "a"\n[turn.usage]\ninput = 10\noutput = 5\n[[turn]]\ntext = "b"\n')
    reported, guessed = await play(model, "x"), await play(model, "x", "y")
    assert reported.usage == Usage(input=10, output=5)
    assert guessed.usage.input is guessed.usage.output is None
    assert (guessed.usage.estimated or 0) > 0
    assert model.cost(reported.usage) is None
    assert reported.message_id is None


async def test_at_a_pace_a_reply_comes_word_by_word_and_can_be_stopped(folder: Path) -> None:
    model = tape(folder, 'pace = 100000\n[[turn]]\nreasoning = "hm hm"\ntext = "one two\\nthree"\n')
    pieces = [piece async for piece in model.stream([{"role": "user", "content": "x"}], [])]
    assert [(p.text, p.reasoning) for p in pieces if isinstance(p, TextDelta)] == [
        ("hm ", True), ("hm", True), ("one ", False), ("two\n", False), ("three", False),
    ]  # fmt: skip
    model.pace = 0.001
    playing = asyncio.create_task(play(model, "x"))
    await asyncio.wait([playing], timeout=0.05)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"has no \[\[turn\]\]"),
        ("turn = 1\n", "`turn` cannot be 1"),
        ("turn = [1]\n", "must be a table"),
        ("[[turn]]\n", "turn 1 says nothing"),
        ('[[turn]]\ntext = "a"\n[[turn]]\ntxt = "b"\n', "turn 2 has no `txt`"),
        ("[[turn]]\ntext = true\n", "`text` cannot be true"),
        ("[[turn]]\n[[turn.call]]\narguments = {}\n", "a call needs a `name`"),
        ('[[turn]]\n[[turn.call]]\nname = "x"\narguments = {a = nan}\n', "JSON cannot say"),
        ('[[turn]]\n[[turn.call]]\nname = "x"\narguments = {a = 2020-01-01}\n', "JSON cannot say"),
        ('[[turn]]\ntext = "a"\n[turn.usage]\ninput = -1\n', "cannot be negative"),
        ("[[turn]\n", "cannot be read as a cassette"),
    ],
)
def test_a_slip_in_a_cassette_is_named(folder: Path, text: str, complaint: str) -> None:
    with pytest.raises(BadCassette, match=complaint):
        tape(folder, text)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["'''\n", "ends with '", 'a\n"""\n', "\\n\nx", "\r\n", "\x7f\n", "\n", "tab\t\nand so on\n", "''"]
)
JSON = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(
    texts=st.lists(TEXT, min_size=1, max_size=3),
    calls=st.lists(st.dictionaries(TEXT, JSON, max_size=3) | st.sampled_from(['{"a": ', "", "[1]"]), max_size=3),
)
def test_what_is_recorded_plays_again(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], calls: list[Any]
) -> None:
    path = tmp_path_factory.mktemp("tapes") / "recorded.toml"
    made = tuple(
        ToolCall(str(n), f"name {n}", call if isinstance(call, str) else json.dumps(call))
        for n, call in enumerate(calls)
    )
    usage = Usage(input=7, output=0, cached=None, cost=3)
    replies = [ModelReply(text or "x", made, usage, "id", "a/model", "stop") for text in texts]
    cassette.record(path, replies, title="'''")
    again = cassette.read(path)
    assert [turn.text for turn in again.turns] == [reply.text for reply in replies]
    for turn in again.turns:
        assert turn.usage == Usage(input=7, output=0)
        for (name, raw), call, wrote in zip(turn.calls, made, calls, strict=True):
            assert name == call.name
            assert raw == wrote if isinstance(wrote, str) else json.loads(raw) == wrote


def test_half_a_character_from_a_provider_is_recorded_as_a_replacement(folder: Path) -> None:
    cassette.record(folder / "r.toml", [ModelReply("a\ud83d\nb", (), Usage(), None, "m", "stop")])
    (turn,) = cassette.read(folder / "r.toml").turns
    assert turn.text == "a�\nb"
    assert turn.usage is None
