"""Messages on the socket: what each field may hold, and one sentence about what it may not."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from typing import Any, get_args

import pytest

import runtime
import workspace
from runtime.host.acts import registry
from runtime.protocol import (
    ActName,
    Advanced,
    Answer,
    Attach,
    Command,
    Delta,
    Event,
    Hold,
    Interrupt,
    Open,
    Perform,
    Prompt,
    ProtocolError,
    Reply,
    Status,
    Stop,
    decode,
    encode,
)
from workspace import Conflict, Conflicted, WorkspaceError

MESSAGES: list[Command | Event | Reply] = [
    Attach(), Open(), Open("s1", None, "opus", "read-only", 10, 20, "/w"), Prompt("s1", "Hello\n\ud800"),
    Interrupt("s1"), Hold("s1", True), Answer(7, "session"), Answer(7, "no", "not now"),
    Perform("revert", {"operations": ["op:1"], "consent": False}), Status(), Stop(True), Advanced(9),
    Delta(1, 2, "text"), Reply(3, {"any": [1, None]}), Reply(0, error="No."),
]  # fmt: skip


def test_every_act_that_is_declared_has_a_name_on_the_socket() -> None:
    assert {act.name for act in registry()} == set(get_args(ActName))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_arrives_as_it_was_sent(message: Command | Event | Reply) -> None:
    assert decode(encode(message))[0] == message


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({"type": "Prompt", "session": "s1"}, "Prompt: text is missing."),
        ({"type": "Prompt", "session": 1, "text": "x"}, "Prompt: session has to be a text."),
        ({"type": "Prompt", "session": "s1", "text": "x", "more": 1}, "Prompt has no more."),
        ({"type": "Hold", "session": "s1", "held": "no"}, "Hold: held has to be true or false."),
        ({"type": "Hold", "session": "s1", "held": 0}, "Hold: held has to be true or false."),
        ({"type": "Answer", "approval": True, "allow": "once"}, "Answer: approval has to be a whole number."),
        ({"type": "Answer", "approval": 1, "allow": "yes"}, "Answer: allow has to be once or session or no."),
        ({"type": "Answer", "approval": 1, "allow": ["once"]}, "Answer: allow has to be once or session or no."),
        ({"type": "Open", "max_tokens": 1.5}, "Open: max_tokens has to be a whole number or null."),
        ({"type": "Open", "mode": "yolo"}, "Open: mode has to be read-only or ask or auto."),
        (
            {"type": "Perform", "name": "continue"},
            "Perform: name has to be scan or restore or revert or undo or redo or apply or drop or branch or"
            " checkout or merge.",
        ),
        ({"type": "Perform", "name": "scan", "arguments": []}, "Perform: arguments has to be an object."),
    ],
)
def test_a_message_with_a_wrong_field_is_refused_in_one_sentence(record: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        decode(json.dumps(record).encode())
    assert str(refused.value) == sentence


def every_error() -> Iterator[type[WorkspaceError]]:
    for package in (workspace, runtime):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".execution.wk." not in module.name:
                importlib.import_module(module.name)
    below = [WorkspaceError]
    while below:
        error = below.pop()
        yield error
        below += error.__subclasses__()


def test_every_error_crosses_as_itself_with_a_code_of_its_own() -> None:
    seen: dict[str, type[WorkspaceError]] = {}
    for kind in every_error():
        if not kind.__module__.startswith(("workspace", "runtime")):
            continue
        assert seen.setdefault(kind.code, kind) is kind
        error = kind("It was so.", ()) if kind is Conflicted else kind("It was so.")
        reply, _ = decode(encode(Reply.failed(4, error)))
        with pytest.raises(kind, match=r"^It was so\.$") as caught:
            reply.result()
        assert type(caught.value) is kind
        assert caught.value.code == kind.code
    assert len(seen) > 12


def test_conflicts_cross_with_both_sides_and_what_they_began_as() -> None:
    conflict = Conflict("a\udcff.txt", "both sides changed the same lines", 7, 3, b"\x00\xff", b"mine\r\n", b"")
    reply, _ = decode(encode(Reply.failed(1, Conflicted("a: no.", [conflict, Conflict("b", "gone")]))))
    with pytest.raises(Conflicted) as caught:
        reply.result()
    assert caught.value.conflicts == (conflict, Conflict("b", "gone"))


def test_an_error_of_a_newer_program_keeps_its_sentence_and_its_code() -> None:
    line = b'{"type": "Reply", "number": 1, "error": "Full moon.", "code": "full_moon", "data": {"phase": 4}}\n'
    with pytest.raises(WorkspaceError, match="Full moon") as caught:
        decode(line)[0].result()
    assert (type(caught.value), caught.value.code) == (WorkspaceError, "full_moon")
    assert WorkspaceError("x").code == "refused"


def test_a_plain_answer_is_read_by_programs_that_know_no_codes() -> None:
    assert set(json.loads(encode(Reply(1, {"pid": 2})))) == {"type", "number", "value", "error"}
