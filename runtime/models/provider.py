"""The litellm adapter: any provider behind one streaming call. The only module that imports litellm.

litellm takes seconds and 170 MB to import, so that happens in a thread with the first
call. It invents what a provider leaves out (a finish reason, usage, a message id); what
is reported here is read before it does.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import threading
import warnings
import weakref
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import ModuleType
from typing import Any

from runtime.models import failures, prices, sending, tokens
from runtime.models.assemble import CallFragments
from runtime.models.base import Finish, Message, ModelError, ModelReply, TextDelta, Tool
from workspace import Usage

PATIENCE = 300.0
"""Seconds without a byte after which a call is given up; models that think are silent for minutes."""
CONNECT = 15.0
"""Seconds to reach a provider."""

_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches prices from the network
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",  # and these
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_MODE": "PRODUCTION",  # else it loads .env from the current folder
    "LITELLM_TELEMETRY": "False",
    "DISABLE_AIOHTTP_TRANSPORT": "True",  # one HTTP stack, whose errors are of one kind
}
_LATE = ("openai.resources.chat", "anyio._backends._asyncio")
"""What litellm imports with the first call, in the event loop, for up to a second."""
_FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "length": "length",
}

_loading = threading.Lock()
_loaded: list[ModuleType] = []
_loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()


def load() -> ModuleType:
    """Import litellm, silent and offline, once; returns the module. Takes seconds: call it in a thread."""
    with _loading:
        if _loaded:
            return _loaded[0]
        os.environ.update(_ENVIRONMENT)
        import litellm

        for name in _LATE:
            with suppress(ImportError):
                importlib.import_module(name)
        litellm.suppress_debug_info = True
        litellm.set_verbose = False  # type: ignore[attr-defined]
        litellm.telemetry = False
        litellm.drop_params = True  # an option that a provider lacks is left out, not refused
        litellm.disable_token_counter = True  # else it guesses usage, at length, in the event loop
        litellm.enable_anthropic_prompt_caching = True
        # A line of a table is no endless loop.
        litellm.REPEATED_STREAMING_CHUNK_LIMIT = 1_000_000  # type: ignore[attr-defined]
        for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
            logger = logging.getLogger(name)
            logger.handlers = [logging.NullHandler()]  # it would write to the terminal, keys included
            logger.propagate = False
        warnings.filterwarnings("ignore", message="Pydantic serializer warnings")
        _loaded.append(litellm)
        return litellm


def _forget_other_loops(litellm: ModuleType) -> None:
    """Drop the connections of event loops before this one.

    litellm keeps some for all loops, and some by the address of their loop, which is used again.
    """
    loop = asyncio.get_running_loop()
    if loop not in _loops:
        _loops.add(loop)
        litellm.in_memory_llm_clients_cache.flush_cache()
        vars(litellm).pop("module_level_aclient", None)  # made anew when it is wanted


class LiteLLM:
    """A model of any provider that litellm knows, as ``provider/model``.

    ``route`` is litellm's name for it where ours differs, ``key_name`` the environment
    variable of its key, ``options`` go into every request. ``patience`` is in seconds.
    """

    scripted = False

    def __init__(
        self,
        name: str,
        *,
        route: str | None = None,
        api_base: str | None = None,
        api_key: str | None = None,
        key_name: str = "",
        window: int | None = None,
        options: Mapping[str, object] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.name = name
        self.window = window or prices.window(name)
        self._route = route or name
        self._key = api_key
        self._key_name = key_name
        self.patience = patience
        self._options = dict(options or {})
        if api_base:
            self._options["api_base"] = api_base

    def __repr__(self) -> str:
        return f"LiteLLM({self.name!r})"  # never the key

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, limit: int | None = None
    ) -> AsyncIterator[TextDelta | ModelReply]:
        """Ask once: deltas, then exactly one ModelReply. ``limit``: output tokens. Raises ModelError.

        Closing the iterator, or cancelling who reads it, closes the connection.
        """
        said, calls = "", CallFragments()
        thought = False
        response: Any = None
        failure: ModelError | None = None
        try:
            litellm = await asyncio.to_thread(load)
            _forget_other_loops(litellm)
            async with asyncio.timeout(self.patience):
                response = await litellm.acompletion(**self._request(litellm, messages, tools, limit))
            while True:
                try:
                    async with asyncio.timeout(self.patience):
                        chunk = await anext(response)
                except StopAsyncIteration:
                    break
                delta = _delta(chunk)
                if delta is None:
                    continue
                reasoning = getattr(delta, "reasoning_content", None)
                if isinstance(reasoning, str) and reasoning:
                    thought = True
                    yield TextDelta(reasoning, reasoning=True)
                if isinstance(delta.content, str) and delta.content:
                    said += delta.content
                    yield TextDelta(delta.content)
                for part in delta.tool_calls or ():
                    calls.add(part.index, part.id, part.function.name, part.function.arguments)
            finish = self._finish(response, said, calls)
            yield self._reply(response, said, calls, finish, thought)
        except ModelError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - litellm raises of everything; it becomes one sentence
            failure = failures.from_exception(
                error, self.name, key=self._key_name, secrets=self._secrets(), text=said
            )
        finally:
            if response is not None:
                with suppress(Exception):
                    await response.aclose()
        if failure is not None:  # raised here, so that no traceback leads to a request with a key in it
            raise failure

    def count(self, messages: Sequence[Message], tools: Sequence[Tool]) -> int:
        """Input tokens of a call, estimated."""
        return tokens.of_call(messages, tools)

    def cost(self, usage: Usage) -> int | None:
        """What usage costs in 1e-9 USD; None where the price or the usage is not known.

        The cost that a ModelReply's usage brings along is kept: it knows what was written to a cache.
        """
        return usage.cost if usage.cost is not None else prices.cost(self.name, usage)

    def _request(
        self, litellm: ModuleType, messages: Sequence[Message], tools: Sequence[Tool], limit: int | None
    ) -> dict[str, object]:
        import httpx

        request: dict[str, object] = {
            "model": self._route,
            "messages": sending.messages(messages, self._route),
            "stream": True,
            "stream_options": {"include_usage": True},  # else usage is 0 or a guess
            "timeout": httpx.Timeout(self.patience, connect=CONNECT),
            "num_retries": 0,  # the loop retries
            "max_retries": 0,
            **self._options,
        }
        if self._key:
            request["api_key"] = self._key
        if limit is not None:
            request["max_tokens"] = limit
        if tools:
            known = litellm.get_supported_openai_params(model=self._route)
            if known is not None and "tools" not in known:
                raise ModelError(f"{self.name} cannot call tools, so it cannot work here: choose another model.")
            request["tools"] = sending.tools(tools)
        return request

    def _finish(self, response: Any, said: str, calls: CallFragments) -> Finish:
        """Why the reply ended, in the provider's own word. Raises ModelError where it gave none: it was cut."""
        word = getattr(response, "received_finish_reason", None)
        if not word:
            raise failures.cut(self.name, said)
        if word in ("content_filter", "refusal", "safety", "SAFETY"):
            raise ModelError(
                f"{self.name} or its provider's filter declined to answer: ask in other words.", text=said
            )
        finish = _FINISHES.get(str(word), "stop")
        if finish == "length":
            return finish
        return "tool_calls" if calls else "stop"

    def _reply(self, response: Any, said: str, calls: CallFragments, finish: Finish, thought: bool) -> ModelReply:
        reports = [report for chunk in response.chunks if (report := getattr(chunk, "usage", None)) is not None]
        usage, written = usage_of(reports, bool(said or calls), thought)
        cost = prices.cost(self.name, usage, written)
        if self._route.startswith("openrouter/"):  # which routes to changing providers, and says what it cost
            charged = [report.cost for report in reports if isinstance(getattr(report, "cost", None), int | float)]
            cost = round(charged[-1] * 1e9) if charged and charged[-1] > 0 else cost
        id = getattr(response, "response_id", None)
        return ModelReply(
            text=said,
            calls=calls.finish(),
            usage=replace(usage, cost=cost),
            message_id=str(id) if id else None,
            model=self.name,
            finish=finish,
        )

    def _secrets(self) -> list[str]:
        found = [
            value for name, value in os.environ.items() if name.endswith(("_KEY", "_TOKEN", "_SECRET")) and value
        ]
        return [*found, *([self._key] if self._key else [])]


def usage_of(reports: Iterable[Any], spoke: bool, thought: bool) -> tuple[Usage, int]:
    """Usage from a stream's reports, and the input tokens written to a cache.

    Reports grow along a stream, and some providers split them, so the largest of each
    number counts. What cannot be true is not known: no input, or no output though it spoke.
    """
    asked: list[int] = []
    answered: list[int] = []
    cached: list[int] = []
    written: list[int] = []
    reasoned: list[int] = []
    for report in reports:
        before = getattr(report, "prompt_tokens_details", None)
        after = getattr(report, "completion_tokens_details", None)
        for into, value in (
            (asked, getattr(report, "prompt_tokens", None)),
            (answered, getattr(report, "completion_tokens", None)),
            (cached, getattr(before, "cached_tokens", None)),
            (written, getattr(before, "cache_creation_tokens", None)),
            (reasoned, getattr(after, "reasoning_tokens", None)),
        ):
            if isinstance(value, int) and value >= 0:
                into.append(value)
    given, taken = max(asked, default=0) or None, max(answered, default=None)
    if given is None or (taken == 0 and spoke):
        taken = None
    read = max(cached, default=None)
    used = max(reasoned, default=None)
    usage = Usage(
        input=given,
        output=taken,
        cached=read if given is not None and read is not None and read <= given else None,
        reasoning=None if taken is None or (used == 0 and thought) else used,
    )
    return usage, max(written, default=0) if given is not None else 0


def _delta(chunk: Any) -> Any:
    choices = getattr(chunk, "choices", None)
    return choices[0].delta if choices else None
