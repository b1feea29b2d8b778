"""Model servers on this machine: which run, what they serve, how much they read."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

TIMEOUT = 0.5
"""Seconds to wait for a server on this machine."""
WINDOW = 32_768
"""Tokens of context assumed where a server does not tell, and asked of Ollama at most."""


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A kind of server on its usual port; ``prefix`` begins the names of its models."""

    prefix: str
    title: str
    port: int

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"


SERVERS: tuple[LocalServer, ...] = (
    LocalServer("ollama", "Ollama", 11434),
    LocalServer("llamacpp", "llama.cpp", 8080),
    LocalServer("vllm", "vLLM", 8000),
    LocalServer("lmstudio", "LM Studio", 1234),
)
"""Asked in this order."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that a server offers; ``window`` is in tokens."""

    model: str
    window: int


def models(server: LocalServer, wanted: str | None = None) -> list[ServedModel]:
    """What a server offers for conversation; empty where it does not run.

    Only the first model, or the wanted one, is asked for its window.
    """
    if server.prefix == "ollama":
        listed = _get(f"{server.root}/api/tags", "models")
        names = _names(listed, "name")
    else:
        listed = _get(f"{server.root}/v1/models", "data")
        names = _names(listed, "id")
    chosen = wanted if wanted in names else (names[0] if names else None)
    return [ServedModel(name, _window(server, name, listed) if name == chosen else WINDOW) for name in names]


def at(base: str, key: str | None = None) -> list[str]:
    """Names of the models at an OpenAI-compatible address; empty where nothing answers."""
    return _names(_get(f"{base.rstrip('/')}/models", "data", key=key), "id")


def _names(listed: Sequence[Mapping[str, object]], field: str) -> list[str]:
    found = [str(each[field]) for each in listed if isinstance(each, dict) and each.get(field)]
    return [name for name in found if "embed" not in name.lower()]


def _window(server: LocalServer, name: str, listed: Sequence[Mapping[str, object]]) -> int:
    if server.prefix == "ollama":
        shown = _ask(f"{server.root}/api/show", {"model": name}).get("model_info")
        lengths = [v for k, v in shown.items() if k.endswith(".context_length")] if isinstance(shown, dict) else []
        return min(WINDOW, *lengths) if lengths else WINDOW
    if server.prefix == "llamacpp":
        settings = _ask(f"{server.root}/props").get("default_generation_settings")
        known = settings.get("n_ctx") if isinstance(settings, dict) else None
    else:
        known = next((each.get("max_model_len") for each in listed if each.get("id") == name), None)
    return known if isinstance(known, int) and known > 0 else WINDOW


def _get(url: str, field: str, *, key: str | None = None) -> list[dict[str, object]]:
    value = _ask(url, key=key).get(field)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _ask(url: str, body: dict[str, object] | None = None, *, key: str | None = None) -> dict[str, object]:
    """The JSON object at an address; empty where there is none. No proxy, no redirect."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request("GET" if body is None else "POST", parts.path, payload, headers)
            answer = connection.getresponse()
            value = json.loads(answer.read(1_000_000)) if answer.status == 200 else {}
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    return value if isinstance(value, dict) else {}
