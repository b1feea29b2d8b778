"""What the same work would have cost with one tool call for each item."""

from __future__ import annotations

import json

from runtime.agent import conversation
from runtime.models import tokens
from runtime.models.base import Message
from runtime.tools.declared import declared
from wukong_tui.demo import floor


def one_by_one(items: int, prompt: str) -> int:
    """Tokens that ``items`` bookings would take as a model call each, estimated: show it with ``~``.

    It is the least: every call is told the office's rules, its tools, the prompt and the last
    booking, and none of what came before, though a conversation grows with every call.
    """
    row = next(line for line in floor.empty().splitlines() if line.startswith("A "))
    before, after = row, row.replace(floor.SHADES[0], "1", 1).replace(" 0", " 1")
    arguments = json.dumps({"path": "floor.txt", "old": before, "new": after}, ensure_ascii=False)
    call = {"id": "c1x0", "type": "function", "function": {"name": "edit", "arguments": arguments}}
    said: Message = {"role": "assistant", "content": "", "tool_calls": [call]}
    told: list[Message] = [
        {"role": "system", "content": conversation.SYSTEM},
        {"role": "user", "content": prompt},
        said,
        {"role": "tool", "tool_call_id": "c1x0", "content": "floor.txt@2: +1 -1 lines"},
    ]
    return items * (tokens.of_call(told, declared().tools()) + tokens.of_call([said], ()))
