"""How replies look on the wire: the streaming protocols that the loopback provider speaks."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from typing import Any

Chunk = dict[str, Any]


def complete(record: Mapping[str, Any], number: int, model: str) -> dict[str, Any]:
    """A reply with everything a provider adds: ids, a model, a time."""
    whole = copy.deepcopy(dict(record))
    whole = {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1, "model": model} | whole
    for place, call in enumerate(whole["choices"][0]["message"].get("tool_calls") or ()):
        call.setdefault("id", f"call_{number}_{place}")
    return whole


def listing(path: str, model: str, window: int) -> dict[str, Any] | None:
    """The answer to a request that asks for models or their settings; None for other requests."""
    if path == "/v1/models":
        return {"object": "list", "data": [{"id": model, "object": "model", "max_model_len": window}]}
    if path == "/props":
        return {"default_generation_settings": {"n_ctx": window}}
    if path == "/api/tags":
        return {"models": [{"name": model, "model": model}]}
    if path == "/api/show":
        return {"model_info": {"general.architecture": "loop", "loop.context_length": window}}
    return None


def chunks(path: str, record: dict[str, Any], fault: str | None) -> list[bytes]:
    """A reply as the pieces that a server of this path sends."""
    if path.endswith("/messages"):
        return [f"event: {c['type']}\ndata: {json.dumps(c)}\n\n".encode() for c in _anthropic(record)]
    if path.endswith("/api/chat"):
        return [json.dumps(c).encode() + b"\n" for c in _ollama(record)]
    return [f"data: {json.dumps(c)}\n\n".encode() for c in _openai(record, fault)] + [b"data: [DONE]\n\n"]


def middle(pieces: list[bytes]) -> int:
    """Where to cut a stream: after the first fragment of a tool call's arguments, else halfway."""
    for place, piece in enumerate(pieces):
        if b'"arguments": "' in piece and b'"arguments": ""' not in piece:
            return place + 1
    return max(1, len(pieces) // 2)


def _pieces(text: str) -> list[str]:
    return re.findall(r"(?s).{1,24}", text)


def _openai(record: dict[str, Any], fault: str | None) -> list[Chunk]:
    message, finish = record["choices"][0]["message"], record["choices"][0]["finish_reason"]
    shell = {key: record[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> Chunk:
        return shell | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    made = [chunk({"role": "assistant", "content": ""})]
    made += [chunk({"reasoning_content": piece}) for piece in _pieces(message.get("reasoning_content") or "")]
    made += [chunk({"content": piece}) for piece in _pieces(message.get("content") or "")]
    calls = message.get("tool_calls") or []
    fragments = [_fragments(call, place, fault) for place, call in enumerate(calls)]
    made += [chunk({"tool_calls": [fragment]}) for call in fragments for fragment in call]
    last = chunk({}, finish)
    if fault == "late-finish" and len(made) > 1:
        made[-1]["choices"][0]["finish_reason"] = finish
    else:
        made.append(last)
    usage = _usage(record.get("usage"), fault)
    if usage is not None:
        made.append(shell | {"choices": [], "usage": usage})
    if fault == "double-final":
        made += copy.deepcopy([last, *made[-1:]])
    return made


def _fragments(call: dict[str, Any], place: int, fault: str | None) -> list[dict[str, Any]]:
    name, arguments, name_of = call["function"]["name"], call["function"]["arguments"], call["id"]
    if fault == "malformed":
        arguments = arguments[:-1] + ',"'
    if fault == "object-arguments":
        return [
            {
                "index": place,
                "id": name_of,
                "type": "function",
                "function": {"name": name, "arguments": json.loads(arguments)},
            }
        ]
    if fault == "repeat-ids":
        name_of = "call_same"
    first: dict[str, Any] = {
        "index": place,
        "id": name_of,
        "type": "function",
        "function": {"name": name, "arguments": ""},
    }
    rest: list[dict[str, Any]] = [{"index": place, "function": {"arguments": piece}} for piece in _pieces(arguments)]
    made = [first, *rest]
    if fault == "name-pieces":
        first["function"]["name"] = name[:2]
        made.insert(1, {"index": place, "function": {"name": name[2:], "arguments": ""}})
    for fragment in made:
        if fault in ("ids-everywhere", "name-everywhere"):
            fragment["id"] = name_of
        if fault == "name-everywhere":
            fragment["function"]["name"] = name
        if fault == "no-ids":
            fragment.pop("id", None)
        if fault == "no-index":
            fragment.pop("index")
    return made


def _usage(usage: dict[str, Any] | None, fault: str | None) -> dict[str, Any] | None:
    if fault == "no-usage" or usage is None:
        return None
    if fault == "zero-usage":
        return {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    if fault == "negative-usage":
        return {"prompt_tokens": -5, "completion_tokens": -1, "total_tokens": -6}
    return usage


def _anthropic(record: dict[str, Any]) -> list[Chunk]:
    message, usage = record["choices"][0]["message"], record.get("usage") or {}
    details = usage.get("prompt_tokens_details") or {}
    read, written = details.get("cached_tokens", 0), details.get("cache_creation_tokens", 0)
    counted = {
        "input_tokens": usage.get("prompt_tokens", 0) - read - written,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
        "output_tokens": 1,
    }
    shell = {"id": record["id"], "type": "message", "role": "assistant", "model": record["model"], "content": []}
    made: list[Chunk] = [{"type": "message_start", "message": shell | {"stop_reason": None, "usage": counted}}]
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if message.get("content"):
        deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(message["content"])]
        blocks.append(({"type": "text", "text": ""}, deltas))
    for call in message.get("tool_calls") or ():
        block = {"type": "tool_use", "id": call["id"], "name": call["function"]["name"], "input": {}}
        pieces = _pieces(call["function"]["arguments"])
        blocks.append((block, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]))
    for place, (block, deltas) in enumerate(blocks):
        made.append({"type": "content_block_start", "index": place, "content_block": block})
        made += [{"type": "content_block_delta", "index": place, "delta": delta} for delta in deltas]
        made.append({"type": "content_block_stop", "index": place})
    reason = "tool_use" if message.get("tool_calls") else "end_turn"
    tail = {"output_tokens": usage.get("completion_tokens", 0)}
    made.append({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": tail})
    return [*made, {"type": "message_stop"}]


def _ollama(record: dict[str, Any]) -> list[Chunk]:
    message, usage = record["choices"][0]["message"], record.get("usage") or {}
    shell = {"model": record["model"], "created_at": "2025-01-01T00:00:00Z", "done": False}
    made = [
        shell | {"message": {"role": "assistant", "content": piece}}
        for piece in _pieces(message.get("content") or "")
    ]
    for call in message.get("tool_calls") or ():
        function = {"name": call["function"]["name"], "arguments": json.loads(call["function"]["arguments"])}
        made.append(shell | {"message": {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}})
    counted = {"prompt_eval_count": usage.get("prompt_tokens", 0), "eval_count": usage.get("completion_tokens", 0)}
    empty = {"role": "assistant", "content": ""}
    return [*made, shell | {"message": empty, "done": True, "done_reason": "stop"} | counted]
