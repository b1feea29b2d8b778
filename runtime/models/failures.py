"""What went wrong with a call, in one sentence that says what to do, with no key in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from runtime.models.base import ModelError

_LONGEST_DETAIL = 200
_KEY = re.compile(
    r"\b(?:sk|pk|rk|gsk|csk|xai|hf|r8|nvapi|key|token)[-_][\w*.\-]{4,}|\bAIza[\w\-*]{6,}|(?i:\bbearer\s+)\S+"
    r"|(?<=[?&]key=)[^&\s'\"]+"
)
_PREFIX = re.compile(r"^(?:\s*(?:litellm\.)?\w*(?:Error|Exception)\b\s*[:\-]\s*)+")
_HINT = re.compile(r"\s*Handle with `litellm\.\w+`\.")
_MESSAGE = re.compile(r'"(?:message|error)":\s*("(?:[^"\\]|\\.)*")')
_QUOTA = re.compile(r"insufficient.?(?:quota|balance|credit)|current quota|credit balance|out of credit", re.I)
_UNREACHED = re.compile(
    r"APIConnectionError|Connection error|[Cc]annot connect|ConnectError|connection attempts failed"
)
_CONTEXT = re.compile(r"context.?(?:length|window)|maximum context|prompt is too long|too many tokens", re.I)


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` without keys: the given ones, and whatever looks like one.

    >>> scrub("Incorrect API key provided: sk-ab12****9xyz.")
    'Incorrect API key provided: [key].'
    """
    for secret in secrets:
        if len(secret) >= 8:
            text = text.replace(secret, "[key]")
    return _KEY.sub(lambda match: "[key]." if match[0].endswith(".") else "[key]", text)


def from_exception(
    error: BaseException, model: str, *, key: str = "", secrets: Iterable[str] = (), text: str = ""
) -> ModelError:
    """The ModelError of what litellm or the network raised.

    ``key`` is the environment variable of the model's key, ``text`` what had arrived.
    """
    inner = getattr(error, "original_exception", None)
    if type(error).__name__ == "MidStreamFallbackError" and isinstance(inner, BaseException):
        error = inner
    status, said = _status(error), scrub(str(error), secrets)
    provider = model.partition("/")[0] if "/" in model else "The provider"
    detail = _detail(said)
    kind = type(error).__name__
    if isinstance(error, TimeoutError) or kind in ("Timeout", "APITimeoutError") or status == 408:
        return ModelError(f"{model} did not answer in time; it may be overloaded.", retry=True, text=text)
    if status == 402 or (status in (400, 403, 429) and _QUOTA.search(said)):
        return ModelError(
            f"{provider} says that the credit of this key is used up: top it up or choose another model."
        )
    if status == 429:
        return ModelError(f"{provider} asks to slow down: {detail}", retry=True, after=_after(error), text=text)
    if kind == "ContextWindowExceededError" or (status in (400, 413) and _CONTEXT.search(said)):
        return ModelError(
            f"The conversation is longer than {model} can read: begin a new session or choose another model."
        )
    if status == 401:
        return ModelError(f"{provider} does not accept the key: check {key or 'the key in your environment'}.")
    if status == 403:
        return ModelError(f"{provider} does not let this key use {model}: choose another model or ask for access.")
    if status == 404:
        return ModelError(f"{provider} has no model {model}: `wukong models` lists what is available.")
    if status is not None and 400 <= status < 500 and status not in (409, 425, 499):
        return ModelError(f"{provider} refused the request: {detail}", text=text)
    if text or kind in ("RemoteProtocolError", "ReadError"):
        return cut(model, text)
    if status is None or _UNREACHED.search(f"{kind} {said}"):
        where = f"{provider} cannot be reached: check the network, or whether its server runs"
        return ModelError(f"{where} ({detail.rstrip('.')}).", retry=True)
    return ModelError(f"{provider} failed with status {status}: {detail}", retry=True, after=_after(error), text=text)


def cut(model: str, text: str) -> ModelError:
    """The ModelError of a reply that stopped before its end."""
    return ModelError(
        f"The reply of {model} was cut off before its end; nothing in it was executed.", retry=True, text=text
    )


def _status(error: BaseException) -> int | None:
    for source in (error, getattr(error, "response", None)):
        code = getattr(source, "status_code", None)
        if isinstance(code, int | str) and str(code).isdigit():
            return int(code)
    return None


def _detail(said: str) -> str:
    """The provider's own words, short, on one line, as the end of a sentence."""
    said = said.replace("\\'", "'")
    quoted = _MESSAGE.search(said)
    if quoted:
        with suppress(ValueError):
            said = str(json.loads(quoted[1]))
    else:
        said = _HINT.sub("", _PREFIX.sub("", said))
    words = " ".join(said.split()).lstrip(". ") or "it gave no reason"
    words = words if len(words) <= _LONGEST_DETAIL else words[: _LONGEST_DETAIL - 1] + "…"
    return words if words[-1] in ".!?…" else words + "."


def _after(error: BaseException) -> float | None:
    """Seconds to wait as the provider says: ``Retry-After`` in seconds or as a date."""
    headers: Any = getattr(error, "litellm_response_headers", None)
    headers = headers or getattr(getattr(error, "response", None), "headers", None) or {}
    found = {str(name).lower(): str(value) for name, value in headers.items()}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = found.get(name) or found.get(f"llm_provider-{name}")
        if value is None:
            continue
        try:
            return max(0.0, float(value) * unit)
        except ValueError:
            pass
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            continue
        return max(
            0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
        )
    return None
