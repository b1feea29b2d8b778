"""Messages on the socket: what each field may hold, and one sentence about what it may not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.protocol import (
    Act,
    Advanced,
    Answer,
    Attach,
    Command,
    Delta,
    Event,
    Hold,
    Interrupt,
    Open,
    Prompt,
    ProtocolError,
    Reply,
    Status,
    Stop,
    decode,
    encode,
)

MESSAGES: list[Command | Event | Reply] = [
    Attach(), Open(), Open("s1", None, "opus", "read-only", 10, 20, "/w"), Prompt("s1", "Hello\n\ud800"),
    Interrupt("s1"), Hold("s1", True), Answer(7, "session"), Answer(7, "no", "not now"),
    Act("revert", {"operations": ["op:1"], "consent": False}), Status(), Stop(True), Advanced(9),
    Delta(1, 2, "text"), Reply(3, {"any": [1, None]}), Reply(0, error="No."),
]  # fmt: skip


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
        ({"type": "Act", "name": "continue"}, "Act: name has to be scan or restore or revert or undo or redo."),
        ({"type": "Act", "name": "scan", "arguments": []}, "Act: arguments has to be an object."),
    ],
)
def test_a_message_with_a_wrong_field_is_refused_in_one_sentence(record: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        decode(json.dumps(record).encode())
    assert str(refused.value) == sentence
