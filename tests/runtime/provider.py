"""A real model provider on loopback: plays replies over HTTP/1.1 and misbehaves as real ones do.

It speaks the streaming chat protocols of OpenAI (``/v1/chat/completions``), Anthropic
(``/v1/messages``) and Ollama (``/api/chat``), and lists its model as their servers do.

    replies = [reply("Let me look.", ("run", {"command": "ls"})), reply("Done.")]
    async with Provider(replies, faults=["rate", None, "cut"]) as provider:
        model = LiteLLM("openai/any", api_base=provider.url, api_key="sk-test")

Which reply is played is told by the number of assistant messages in the request, so a
request that is repeated gets the same reply. Faults go by the number of the request.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from . import dialects

TRANSIENT = ("rate", "server", "overloaded", "reset", "reset-late", "cut", "eof")
"""Faults after which the same request may succeed."""

REFUSALS = ("quota", "bad", "key", "forbidden", "missing", "context")
"""Faults that repeating the request does not cure."""

SHAPES = (
    "malformed", "no-usage", "zero-usage", "negative-usage", "repeat-ids", "no-ids", "ids-everywhere",
    "no-index", "name-pieces", "name-everywhere", "object-arguments", "double-final", "late-finish", "slow",
)  # fmt: skip
"""Odd ways of streaming a reply that is whole."""

Faults = Callable[[int], str | None] | Mapping[int, str] | Sequence[str | None]

_STATUS: dict[str, tuple[int, str, str]] = {
    "rate": (429, "rate_limit_exceeded", "Rate limit reached for requests"),
    "quota": (
        429,
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "server": (500, "server_error", "The server had an error while processing your request"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "bad": (400, "invalid_request_error", "Invalid value for 'messages[1].content'"),
    "key": (401, "invalid_api_key", "Incorrect API key provided: {key}."),
    "forbidden": (403, "permission_error", "This key may not use this model"),
    "missing": (404, "model_not_found", "The model does not exist"),
    "context": (
        400,
        "context_length_exceeded",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    ),
}


def reply(text: str = "", *calls: tuple[str, Any], reasoning: str = "", **fields: Any) -> dict[str, Any]:
    """A reply in OpenAI's response form; ``fields``: ``usage``, ``id``, ``finish``. Arguments: a dict or raw text."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if reasoning:
        message["reasoning_content"] = reasoning
    if calls:
        message["tool_calls"] = [
            {"type": "function", "function": {"name": name, "arguments": _raw(arguments)}}
            for name, arguments in calls
        ]
    finish = fields.get("finish") or ("tool_calls" if calls else "stop")
    usage = fields.get("usage", {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110})
    record = {"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage}
    return record | {key: fields[key] for key in ("id", "model") if key in fields}


def _raw(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def trajectories() -> list[Path]:
    """Recorded agent runs, where they are at hand; none otherwise."""
    root = Path(__file__).resolve().parents[2]
    folder = os.environ.get("WUKONG_TRAJECTORIES") or root.parent / "shared" / "data" / "trajectories"
    return sorted(Path(folder).glob("*.traj.json"))


def from_trajectory(path: Path) -> list[dict[str, Any]]:
    """The provider's replies of a recorded run, as the provider gave them."""
    messages = json.loads(path.read_text("utf-8"))["messages"]
    return [m["extra"]["response"] for m in messages if m["role"] == "assistant" and "response" in m.get("extra", {})]


def seeded(
    seed: int, share: float = 0.3, kinds: Sequence[str] = TRANSIENT, streak: int = 2
) -> Callable[[int], str | None]:
    """A plan of faults: a ``share`` of requests fails, never more than ``streak`` in a row."""
    chance, plan = random.Random(seed), []

    def fault(number: int) -> str | None:
        while len(plan) <= number:
            calm = streak and len(plan) >= streak and all(plan[-streak:])
            plan.append(chance.choice(kinds) if chance.random() < share and not calm else None)
        return plan[number]

    return fault


@dataclass(slots=True)
class Request:
    """What a client asked. ``left``: it closed the connection before the answer was whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    fault: str | None = None
    answered: bool = False
    left: bool = False


class Provider:
    """The server. ``requests`` are the chat requests so far, ``gone`` is set when a client leaves early."""

    def __init__(
        self,
        replies: Sequence[Mapping[str, Any]],
        faults: Faults = (),
        *,
        model: str = "loopback",
        window: int = 65_536,
        retry_after: str | None = "0",
    ) -> None:
        self.replies = [dialects.complete(record, number, model) for number, record in enumerate(replies)]
        self.model = model
        self.window = window
        self.retry_after = retry_after
        self.requests: list[Request] = []
        self.gone = asyncio.Event()
        self.port = 0
        self._faults = faults
        self._played: Counter[int] = Counter()
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    @property
    def root(self) -> str:
        """The server's address without a path: what Anthropic's and Ollama's clients take."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base address that OpenAI's clients take."""
        return f"{self.root}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        served = [task for task in self._open.values() if task]
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*served)
        await self._server.wait_closed()

    def fault(self, number: int) -> str | None:
        """The fault planned for a request."""
        if callable(self._faults):
            return self._faults(number)
        if isinstance(self._faults, Mapping):
            return self._faults.get(number)
        return self._faults[number] if number < len(self._faults) else None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while request := await _read(reader):
                if not await self._answer(request, reader, writer):
                    break
        del self._open[writer]
        writer.close()

    async def _answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection stays open."""
        listing = dialects.listing(request.path, self.model, self.window)
        if listing is not None:
            await _plain(writer, 200, listing)
            return True
        request.fault = fault = self.fault(len(self.requests))
        self.requests.append(request)
        number = sum(message["role"] == "assistant" for message in request.body.get("messages", ()))
        if fault in _STATUS:
            status, code, text = _STATUS[fault]
            key = request.headers.get("authorization", "").removeprefix("Bearer ") or request.headers.get(
                "x-api-key", ""
            )
            extra = {"Retry-After": self.retry_after} if fault == "rate" and self.retry_after else {}
            await _plain(
                writer, status, {"error": {"message": text.format(key=key), "type": code, "code": code}}, extra
            )
            return True
        if number >= len(self.replies):
            await _plain(writer, 400, {"error": {"message": f"There is no reply {number}.", "type": "off_script"}})
            return True
        if fault == "reset":
            _reset(writer)
            return False
        self._played[number] += 1
        record = self.replies[number]
        if self._played[number] > 1:  # a new response, and so a new id
            record = record | {"id": f"{record['id']}-{self._played[number]}"}
        if not request.body.get("stream"):
            await _plain(writer, 200, record)
            return True
        return await self._stream(request, dialects.chunks(request.path, record, fault), reader, writer)

    async def _stream(
        self, request: Request, pieces: list[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        kind = "application/x-ndjson" if request.path.startswith("/api/") else "text/event-stream"
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        fault, middle = request.fault, dialects.middle(pieces)
        if fault in ("cut", "reset-late", "eof", "hang"):
            pieces = pieces[:middle]
        for piece in pieces:
            parts = [piece[:7], piece[7:]] if fault == "slow" else [piece]
            for part in filter(None, parts):
                writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                await writer.drain()
                if fault == "slow":
                    await asyncio.sleep(0.001)
        if fault == "hang":
            await reader.read(1)
            request.left = True
            self.gone.set()
            return False
        if fault == "cut":
            return False
        if fault == "reset-late":
            _reset(writer)
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        request.answered = fault != "eof"
        return True


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = head[0].split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, json.loads(body) if body else {})


async def _plain(
    writer: asyncio.StreamWriter, status: int, body: Mapping[str, Any], extra: Mapping[str, str] | None = None
) -> None:
    data = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Answer", "Content-Type: application/json", f"Content-Length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in (extra or {}).items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
    await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with RST instead of FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
