"""A conversation as providers take it, who differ in what they refuse."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

from runtime.models.assemble import is_object
from runtime.models.base import Message, Sent, Tool

_FIELDS = ("role", "content", "tool_calls", "tool_call_id", "name", "reasoning_content")
_MISTRAL = re.compile(r"mi[sx]tral|ministral|devstral|codestral|magistral|pixtral", re.I)


def messages(conversation: Sequence[Message], model: str) -> list[Sent]:
    """The messages of a call of ``model``, copied: litellm changes what it is given."""
    sent = [_message(message) for message in conversation]
    return _for_mistral(sent) if _MISTRAL.search(model) else sent


def tools(offered: Sequence[Tool]) -> list[dict[str, object]]:
    """Tools in the OpenAI form."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
        }
        for tool in offered
    ]


def _message(message: Message) -> Sent:
    """Known fields, whole Unicode, and arguments that are an object.

    Most providers refuse a conversation in which an earlier call's arguments are malformed.
    """
    sent: Sent = {name: _clean(message[name]) for name in _FIELDS if message.get(name) is not None}
    for call in sent.get("tool_calls", ()):
        function = call["function"]
        raw = function.get("arguments") or "{}"
        function["arguments"] = raw if is_object(raw) else json.dumps({"malformed_arguments": raw})
    sent.setdefault("content", None if sent.get("tool_calls") else "")
    return sent


def _clean(value: object) -> object:
    """A copy of a JSON value without lone surrogates, which cannot be sent."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def _for_mistral(sent: list[Sent]) -> list[Sent]:
    """Ids of nine letters and digits, and no user's message right after a tool's: Mistral refuses others."""
    out: list[Sent] = []
    for message in sent:
        for call in message.get("tool_calls", ()):
            call["id"] = _nine(call["id"])
        if "tool_call_id" in message:
            message["tool_call_id"] = _nine(message["tool_call_id"])
        last = out[-1] if out else {}
        if message["role"] == "user" and last.get("role") == "tool" and isinstance(message["content"], str):
            last["content"] = f"{last['content']}\n\n{message['content']}"
        else:
            out.append(message)
    return out


def _nine(id: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9]{9}", id):
        return id
    return hashlib.sha256(id.encode("utf-8", "replace")).hexdigest()[:9]
