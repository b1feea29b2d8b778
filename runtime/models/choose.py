"""Which model: the one that was named, else the configured one, else the first that is available."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import platformdirs

from runtime.models import keys, local, prices
from runtime.models.base import Model
from runtime.models.provider import LiteLLM
from runtime.models.scripted import Scripted
from workspace import WorkspaceError

CASSETTE = "cassette:"

PROVIDERS: tuple[tuple[str, str], ...] = (
    ("ANTHROPIC_API_KEY", "anthropic/claude-sonnet-5"),
    ("OPENAI_API_KEY", "openai/gpt-5.6-terra"),
    ("DASHSCOPE_API_KEY", "dashscope/qwen3-coder-plus"),
    ("DEEPSEEK_API_KEY", "deepseek/deepseek-chat"),
    ("GEMINI_API_KEY", "gemini/gemini-3.8-flash"),
    ("MISTRAL_API_KEY", "mistral/devstral-medium-latest"),
    ("GROQ_API_KEY", "groq/openai/gpt-oss-120b"),
    ("OPENROUTER_API_KEY", "openrouter/anthropic/claude-sonnet-5"),
    ("XAI_API_KEY", "xai/grok-4.3"),
    ("MOONSHOT_API_KEY", "moonshot/kimi-k2.6"),
    ("ZAI_API_KEY", "zai/glm-5.2"),
)
"""Keys in the order in which they are looked for, each with the model that it means."""

_KEY_OF = {model.partition("/")[0]: key for key, model in PROVIDERS}
_BASES = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
_WAYS_OUT = (
    "set a key such as ANTHROPIC_API_KEY, start a local server such as Ollama,"
    " or name a model: --model, or /model in the office (`cassette:FILE` plays a rehearsed one)"
)


class NoModel(WorkspaceError):
    """No model can be asked, or the one that was named cannot; the message says what to do."""

    code = "no_model"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that could be asked. Prices are USD per million tokens in and out, None where unknown."""

    name: str
    why: str
    window: int
    price: tuple[float, float] | None
    make: Callable[[], Model] = field(repr=False, compare=False)
    chosen: bool = False


def choose(
    name: str | None = None,
    *,
    config: Mapping[str, object] | Path | None = None,
    environ: Mapping[str, str] = os.environ,
    servers: Sequence[local.LocalServer] = local.SERVERS,
) -> Model:
    """The model to ask: ``name``, else WUKONG_MODEL, else the configuration's, else the first available.

    ``config`` is the user's own file unless given. Asks servers on this machine, so it may
    take a second: call it in a thread. Raises NoModel, or BadCassette for ``cassette:PATH``.
    """
    settings = config if isinstance(config, Mapping) else read_config(config)
    named = name or environ.get("WUKONG_MODEL") or settings.get("model")
    if named:
        return _named(str(named), settings, environ, servers).make()
    for candidate in _found(settings, environ, servers):
        return candidate.make()
    raise NoModel(f"No model is available: {_WAYS_OUT}.")


def available(
    name: str | None = None,
    *,
    config: Mapping[str, object] | Path | None = None,
    environ: Mapping[str, str] = os.environ,
    servers: Sequence[local.LocalServer] = local.SERVERS,
) -> list[Candidate]:
    """All models that could be asked, the one that ``choose`` takes marked as chosen.

    A model that was named but cannot be asked is listed too, with the reason.
    """
    settings = config if isinstance(config, Mapping) else read_config(config)
    named = name or environ.get("WUKONG_MODEL") or settings.get("model")
    found = list(_found(settings, environ, servers))
    if named:
        said = "named" if name else "WUKONG_MODEL" if environ.get("WUKONG_MODEL") else "configured"
        try:
            first = _named(str(named), settings, environ, servers)
            first = replace(first, why=f"{said}: {first.why}")
        except WorkspaceError as error:
            first = _impossible(str(named), f"{said}, but not available: {error}", error)
        found = [first, *(each for each in found if each.name != first.name)]
    return [replace(each, chosen=place == 0) for place, each in enumerate(found)]


def _impossible(name: str, why: str, error: WorkspaceError) -> Candidate:
    def make() -> Model:
        raise error

    return Candidate(name, why, prices.window(name), None, make=make)


def read_config(path: Path | None = None) -> dict[str, object]:
    """The user's ``config.toml``; empty where there is none. Keys: ``model``, ``api_base``. Raises NoModel."""
    place = path or platformdirs.user_config_path("wukong") / "config.toml"
    try:
        return tomllib.loads(place.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise NoModel(f"{place} cannot be read: {error}.") from None


def _found(
    settings: Mapping[str, object], environ: Mapping[str, str], servers: Sequence[local.LocalServer]
) -> Iterator[Candidate]:
    """What is available, first the keys in their order, then the servers on this machine."""
    base = _base(settings, environ)
    for key_name, model in PROVIDERS:
        key = keys.find(key_name, environ)
        if key_name == "OPENAI_API_KEY" and base:
            served = local.at(base, key[0] if key else None)
            names = [f"openai/{each}" for each in served[:1]] or ([model] if key else [])
            for each in names:
                yield _remote(each, f"served at {base}", settings, environ)
        elif key:
            yield _remote(model, key[1], settings, environ)
    for server in servers:
        for found in local.models(server)[:1]:
            yield _served(server, found, f"{server.title} answers on port {server.port}")


def _named(
    name: str, settings: Mapping[str, object], environ: Mapping[str, str], servers: Sequence[local.LocalServer]
) -> Candidate:
    if name.startswith(CASSETTE):
        path = Path(name.removeprefix(CASSETTE)).expanduser()
        model = Scripted(path)
        return Candidate(model.name, "rehearsed replies", model.window, None, make=lambda: model)
    prefix, _, rest = name.partition("/")
    server = next((each for each in servers if each.prefix == prefix.removesuffix("_chat")), None)
    if server is not None and rest:
        offered = {each.model: each for each in local.models(server, rest)}
        found = offered.get(rest) or offered.get(f"{rest}:latest")
        if found is None:
            has = f"it has {', '.join(offered)}" if offered else f"nothing answers on port {server.port}"
            raise NoModel(f"{server.title} does not serve {rest}: {has}.")
        return _served(server, found, f"{server.title} serves it on port {server.port}")
    base = _base(settings, environ)
    if not rest:
        listed = prices.entry(name)
        if listed is not None and str(listed.get("litellm_provider")) in _KEY_OF:
            name = f"{listed['litellm_provider']}/{name}"
        elif base:
            name = f"openai/{name}"
        elif listed is None:
            close = difflib.get_close_matches(name, prices.names(), 3, 0.6)
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            raise NoModel(f"{name} is no model that is known; write it as PROVIDER/MODEL.{hint}")
    if base and name.startswith("openai/"):
        return _remote(name, f"asked of {base}", settings, environ)
    provider = name.partition("/")[0]
    return _remote(
        name, f"{_KEY_OF[provider]} is there" if provider in _KEY_OF else "asked of its provider", settings, environ
    )


def _remote(name: str, why: str, settings: Mapping[str, object], environ: Mapping[str, str]) -> Candidate:
    provider = name.partition("/")[0]
    key_name = _KEY_OF.get(provider, "")
    key = keys.find(key_name, environ) if key_name else None
    base = _base(settings, environ) if provider == "openai" else None
    if key_name and key is None and base is None:
        raise NoModel(
            f"{name} needs a key: set {key_name}, or choose another model; `wukong models` lists what there is."
        )
    value = key[0] if key else ("none" if base else None)  # servers of one's own often want no key, clients do

    def make() -> Model:
        return LiteLLM(name, api_base=base, api_key=value, key_name=key_name)

    return Candidate(name, why, prices.window(name), prices.per_million(name), make=make)


def _served(server: local.LocalServer, found: local.ServedModel, why: str) -> Candidate:
    name = f"{server.prefix}/{found.model}"

    def make() -> Model:
        if server.prefix == "ollama":  # by default it cuts a conversation at 4,096 tokens, silently
            options = {"num_ctx": found.window}
            return LiteLLM(
                name, route=f"ollama_chat/{found.model}", api_base=server.root, window=found.window, options=options
            )
        return LiteLLM(
            name,
            route=f"openai/{found.model}",
            api_base=f"{server.root}/v1",
            api_key="none",
            window=found.window,
        )

    return Candidate(name, why, found.window, None, make=make)


def _base(settings: Mapping[str, object], environ: Mapping[str, str]) -> str | None:
    found = next((environ[name] for name in _BASES if environ.get(name)), None) or settings.get("api_base")
    return str(found).rstrip("/") if found else None
