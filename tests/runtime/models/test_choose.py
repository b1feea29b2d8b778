"""Which model is chosen: real servers on loopback, real files, and environments of our own."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime.models import keys, local
from runtime.models.base import ModelReply
from runtime.models.choose import PROVIDERS, NoModel, available, choose, read_config
from runtime.models.local import SERVERS, LocalServer
from runtime.models.scripted import Scripted
from tests.runtime.provider import Provider, reply
from workspace import WorkspaceError

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

NOBODY: tuple[LocalServer, ...] = ()


@pytest.fixture(autouse=True)
def _no_keyring_and_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setattr(local, "TIMEOUT", 30.0)


def pick(
    name: str | None = None, config: Any = None, servers: tuple[LocalServer, ...] = NOBODY, **environ: str
) -> str:
    return choose(name, config=config or {}, environ=environ, servers=servers).name


def write_cassette(path: Path) -> Path:
    path.write_text('[[turn]]\ntext = "Hello."\n')
    return path


def test_a_named_model_comes_before_the_environment_the_configuration_and_keys() -> None:
    both = {"ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "b", "MISTRAL_API_KEY": "c"}
    config = {"model": "openai/gpt-5.1"}
    assert pick("mistral/mistral-medium", config, WUKONG_MODEL="openai/gpt-4o", **both) == "mistral/mistral-medium"
    assert pick(None, config, WUKONG_MODEL="openai/gpt-4o", **both) == "openai/gpt-4o"
    assert pick(None, config, **both) == "openai/gpt-5.1"
    assert pick(None, {}, **both) == "anthropic/claude-sonnet-5"


def test_without_a_name_the_first_key_of_the_documented_order_decides() -> None:
    assert pick(GROQ_API_KEY="a", DEEPSEEK_API_KEY="b") == "deepseek/deepseek-chat"
    assert pick(GROQ_API_KEY="a", DEEPSEEK_API_KEY=" ") == "groq/openai/gpt-oss-120b"


def test_without_any_model_three_ways_out_are_named() -> None:
    with pytest.raises(NoModel) as raised:
        pick()
    for way in ("ANTHROPIC_API_KEY", "Ollama", "--model", "cassette:"):
        assert way in str(raised.value)


def test_a_model_whose_key_is_missing_names_the_key() -> None:
    with pytest.raises(NoModel, match="set DEEPSEEK_API_KEY"):
        pick("deepseek/deepseek-chat", ANTHROPIC_API_KEY="a")


def test_a_model_without_provider_is_found_or_close_ones_are_named() -> None:
    assert pick("claude-sonnet-4-5", ANTHROPIC_API_KEY="a") == "anthropic/claude-sonnet-4-5"
    with pytest.raises(NoModel, match=r"PROVIDER/MODEL\. Did you mean .*gpt-4o"):
        pick("gtp-4o", OPENAI_API_KEY="a")


def test_a_provider_that_only_litellm_knows_is_passed_on() -> None:
    assert pick("bedrock/some-model") == "bedrock/some-model"


def test_a_cassette_is_a_model_by_its_path(folder: Path) -> None:
    model = choose(f"cassette:{write_cassette(folder / 'demo.toml')}", config={}, environ={}, servers=NOBODY)
    assert isinstance(model, Scripted)
    assert model.scripted
    assert choose(model.name, config={}, environ={}, servers=NOBODY).name == model.name
    with pytest.raises(WorkspaceError, match="There is no cassette"):
        pick("cassette:nowhere.toml")


def test_the_configuration_is_the_users_file(folder: Path) -> None:
    path = folder / "config.toml"
    assert read_config(path) == {}
    path.write_text('model = "openai/gpt-5.1"\n')
    assert choose(config=path, environ={"OPENAI_API_KEY": "a"}, servers=NOBODY).name == "openai/gpt-5.1"
    path.write_text("model = \n")
    with pytest.raises(NoModel, match=r"config\.toml cannot be read"):
        choose(config=path, environ={}, servers=NOBODY)


@pytest.mark.parametrize("kind", ["ollama", "vllm", "llamacpp", "lmstudio"])
async def test_a_server_on_this_machine_is_found_asked_for_its_model_and_answers(kind: str) -> None:
    async with Provider([reply("Here I am.")], model="qwen3:8b", window=20_000) as provider:
        servers = (LocalServer("vllm", "Nobody", 1), LocalServer(kind, "This one", provider.port))
        (found,) = await asyncio.to_thread(available, config={}, environ={}, servers=servers)
        assert (found.name, found.chosen) == (f"{kind}/qwen3:8b", True)
        assert found.why == f"This one answers on port {provider.port}"
        assert found.price is None
        model = await asyncio.to_thread(choose, found.name, config={}, environ={}, servers=servers[1:])
        assert model.window == found.window == 20_000
        pieces = [piece async for piece in model.stream([{"role": "user", "content": "Who?"}], [])]
        assert isinstance(pieces[-1], ModelReply)
        assert (pieces[-1].text, pieces[-1].model) == ("Here I am.", f"{kind}/qwen3:8b")


async def test_a_server_that_lacks_the_named_model_says_what_it_has() -> None:
    async with Provider([], model="qwen3:8b") as provider:
        servers = (LocalServer("ollama", "Ollama", provider.port),)
        with pytest.raises(NoModel, match="does not serve llama3: it has qwen3:8b"):
            await asyncio.to_thread(choose, "ollama/llama3", config={}, environ={}, servers=servers)


async def test_what_is_no_model_server_is_passed_over() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n<html>no</html")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await asyncio.to_thread(
            available,
            config={},
            environ={},
            servers=(LocalServer("vllm", "vLLM", port), LocalServer("ollama", "Ollama", port)),
        )
    assert found == []


async def test_an_address_of_ones_own_serves_openai_models_and_needs_no_key() -> None:
    async with Provider([reply("From home.")], model="house-model") as provider:
        for environ, config in (
            ({"OPENAI_BASE_URL": provider.url}, {}),
            ({"OPENAI_API_BASE": provider.url + "/"}, {}),
            ({}, {"api_base": provider.url}),
        ):
            model = await asyncio.to_thread(choose, config=config, environ=environ, servers=NOBODY)
            assert model.name == "openai/house-model"
            named = await asyncio.to_thread(choose, "other", config=config, environ=environ, servers=NOBODY)
            assert named.name == "openai/other"
        pieces = [piece async for piece in model.stream([{"role": "user", "content": "Who?"}], [])]
        assert isinstance(pieces[-1], ModelReply)
        assert pieces[-1].text == "From home."


async def test_an_address_in_the_configuration_is_not_where_other_keys_go() -> None:
    async with Provider([], model="house-model") as provider:
        config = {"api_base": provider.url}
        environ = {"ANTHROPIC_API_KEY": "a"}
        found = await asyncio.to_thread(available, config=config, environ=environ, servers=NOBODY)
    assert [each.name for each in found] == ["anthropic/claude-sonnet-5", "openai/house-model"]


def test_what_is_available_says_why_and_what_it_costs() -> None:
    environ = {"ANTHROPIC_API_KEY": "a-key", "GROQ_API_KEY": "another"}
    first, second = available(config={}, environ=environ, servers=NOBODY)
    assert (first.why, first.window, first.price, first.chosen) == (
        "ANTHROPIC_API_KEY is set",
        1_000_000,
        (2, 10),
        True,
    )
    assert not second.chosen
    assert "a-key" not in repr(first) + repr(first.make())


def test_a_named_model_that_cannot_be_asked_is_listed_with_its_reason() -> None:
    environ = {"WUKONG_MODEL": "deepseek/deepseek-chat", "GROQ_API_KEY": "a"}
    first, second = available(config={}, environ=environ, servers=NOBODY)
    assert first.chosen
    assert "WUKONG_MODEL, but not available" in first.why
    assert "DEEPSEEK_API_KEY" in first.why
    assert second.name.startswith("groq/")
    with pytest.raises(NoModel, match="DEEPSEEK_API_KEY"):
        first.make()


def test_a_key_is_found_in_the_keyring_where_there_is_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys.find("ANTHROPIC_API_KEY", {}) is None
    (folder / "keyring.py").write_text(
        "def get_password(service, name):\n"
        "    return ' held ' if (service, name) == ('wukong', 'ANTHROPIC_API_KEY') else None\n"
    )
    monkeypatch.delitem(sys.modules, "keyring")
    monkeypatch.syspath_prepend(folder)
    assert keys.find("ANTHROPIC_API_KEY", {}) == ("held", "ANTHROPIC_API_KEY is in the keyring")
    assert keys.find("ANTHROPIC_API_KEY", {"ANTHROPIC_API_KEY": "mine"}) == ("mine", "ANTHROPIC_API_KEY is set")
    assert keys.find("GROQ_API_KEY", {}) is None
    assert pick() == "anthropic/claude-sonnet-5"
    sys.modules.pop("keyring")


def test_the_documentation_lists_the_keys_and_servers_in_their_order() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "models.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+_API_KEY)` \| `(.+)` \|$", page, re.M) == list(PROVIDERS)
    rows = re.findall(r"^\| (.+) \| (\d+) \| `(\w+)/MODEL` \|$", page, re.M)
    assert rows == [(server.title, str(server.port), server.prefix) for server in SERVERS]
