"""Tokens, estimated offline: one table that litellm brings along, or four characters a token.

No model's own tokenizer is asked for: it would have to be downloaded. Estimates are within
some ten percent for prose and code, and are shown as estimates.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache

from runtime.models.base import Message, Tool
from runtime.models.prices import litellm_folder

_FILE = "litellm_core_utils/tokenizers/9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
"""The ranks of cl100k_base, named by the digest of where they come from."""
_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|"
    r"\s+(?!\S)|\s"
)
_MESSAGE = 4
"""Tokens around a message: its role and its ends."""
_KEPT = 8192
"""Counts remembered: a conversation is counted again with every call, and only its end is new."""

_counts: dict[tuple[int, int], int] = {}


@cache
def _encoder() -> Callable[[str], list[int]] | None:
    folder = litellm_folder()
    if folder is None or not (folder / _FILE).is_file():
        return None
    try:
        import tiktoken
        from tiktoken.load import load_tiktoken_bpe

        # A path, not an address: tiktoken reads it as it is and never asks the network.
        ranks = load_tiktoken_bpe(str(folder / _FILE))
        encoding = tiktoken.Encoding("cl100k", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens={})
    except (ImportError, OSError, ValueError):
        return None
    return encoding.encode_ordinary


def of_text(text: str) -> int:
    """Tokens of a text, estimated."""
    if not text:
        return 0
    key = (hash(text), len(text))
    count = _counts.get(key)
    if count is None:
        encode = _encoder()
        count = len(encode(text)) if encode else -(-len(text) // 4)
        if len(_counts) >= _KEPT:
            _counts.clear()
        _counts[key] = count
    return count


def of_call(messages: Sequence[Message], tools: Sequence[Tool]) -> int:
    """Input tokens of a call, estimated."""
    total = 3 + sum(_MESSAGE + _of_message(message) for message in messages)
    for tool in tools:
        total += 8 + of_text(tool.name) + of_text(tool.description) + of_text(json.dumps(tool.parameters))
    return total


def _of_message(message: Message) -> int:
    content = message.get("content")
    total = of_text(content if isinstance(content, str) else json.dumps(content) if content else "")
    for call in message.get("tool_calls") or ():
        total += _MESSAGE + of_text(call["function"]["name"]) + of_text(call["function"]["arguments"] or "")
    return total
