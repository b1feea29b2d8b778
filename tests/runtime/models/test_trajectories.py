"""Real agent runs again: recorded replies over HTTP, real commands in the sandbox, on the code they were made for."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime.host.sessions import Sessions
from runtime.models.provider import LiteLLM
from runtime.protocol import Open, Perform, Prompt
from runtime.usage import meter
from tests.runtime.provider import Provider, seeded
from tests.runtime.recorded import PROMPT, RUNS, Sources, name_of, needed, replies
from workspace import History
from workspace.operations.verify import verify

pytestmark = needed


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return Sources(tmp_path_factory.mktemp("sources"))


def tree_on_disk(folder: Path) -> dict[str, str]:
    """Every file of the workspace with the digest of its mode and bytes."""
    with History.open(folder) as history:
        paths = [*history.tree()]
    return {
        path: hashlib.sha256(oct((folder / path).stat().st_mode).encode() + (folder / path).read_bytes()).hexdigest()
        for path in paths
        if not (folder / path).is_symlink()
    }


async def play(
    folder: Path, path: Path, faults: Any = ()
) -> tuple[dict[str, str], dict[str, str], list[dict[str, Any]], Provider]:
    """Run a recording to its end; the trees before and after, the replies, and the server."""
    recorded = replies(path)
    async with Provider(recorded, faults, model="deepseek-chat") as provider:

        def choose(_: str | None) -> LiteLLM:
            return LiteLLM("openai/deepseek-chat", api_base=provider.url, api_key="sk-loopback")

        office = Sessions(folder, choose=choose)
        await office.start()
        try:
            await office.alone(lambda work: work.scan())
            before = tree_on_disk(folder)
            session = await office.handle(Open(mode="auto", inside="/testbed"))
            live = office.session(session)
            live.wait = no_wait
            prompt = await office.handle(Prompt(session, PROMPT))
            assert live.running is not None
            await live.running
            operation = await office.read(lambda history: history.operation(prompt))
            assert operation.outcome == "done", operation.detail
            after = tree_on_disk(folder)
            await check_changes(office, prompt)
            await office.handle(Perform("undo"))
            assert tree_on_disk(folder) == before
            await office.handle(Perform("redo"))
            assert tree_on_disk(folder) == after
            assert (await office.read(lambda history: verify(history.store))).ok
        finally:
            await office.close()
        return before, after, recorded, provider


def tokens_json(folder: Path) -> bytes:
    command = [sys.executable, "-m", "wukong_tui", "-C", str(folder), "tokens", "--json"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def lasting(tree: dict[str, str]) -> dict[str, str]:
    """A tree without compiled code, which holds the time of its source."""
    return {path: digest for path, digest in tree.items() if not path.endswith(".pyc")}


async def no_wait(_: float) -> None:
    return None


async def check_changes(office: Sessions, prompt: int) -> None:
    """Nothing on disk is unrecorded, and what changed belongs to the commands of this prompt."""

    def look(history: History) -> tuple[list[Any], set[str]]:
        family = set(history.store.journal.family(prompt))
        made = [v for v in history.store.versions.of_entries(prompt, history.cursor) if v.operation not in family]
        return history.differences(), {v.path for v in made}

    differences, strange = await office.read(look)
    assert not differences
    assert not strange


@pytest.mark.parametrize("path", RUNS, ids=name_of)
async def test_a_recorded_run_ends_as_it_did_and_can_be_undone_and_redone(
    path: Path, folder: Path, sources: Sources
) -> None:
    sources.unpack(path, folder)
    before, after, recorded, provider = await play(folder, path)
    assert before != after
    assert len(provider.requests) == len(recorded)
    with History.open(folder) as history:
        total = meter.total(meter.calls(history))
    usage = [reply["usage"] for reply in recorded]
    assert total.input == sum(u["prompt_tokens"] for u in usage)
    assert total.output == sum(u["completion_tokens"] for u in usage)
    assert total.cached == sum(u["prompt_tokens_details"]["cached_tokens"] for u in usage)
    assert (total.calls, total.estimated, total.unknown) == (len(recorded), 0, 0)
    record = json.loads(tokens_json(folder))
    assert record["total"]["input"] == total.input
    assert len(record["operations"]) == len(recorded)


@pytest.mark.long
@pytest.mark.parametrize("path", RUNS, ids=name_of)
async def test_faults_at_every_turn_change_neither_the_tree_nor_what_was_executed(
    path: Path, folder: Path, sources: Sources, tmp_path: Path
) -> None:
    calm = tmp_path / "calm"
    calm.mkdir()
    for place in (folder, calm):
        sources.unpack(path, place)
    _, expected, recorded, _ = await play(calm, path)
    _, after, _, provider = await play(folder, path, seeded(1, share=0.5))
    assert lasting(after) == lasting(expected)
    assert len(provider.requests) > len(recorded)
    with History.open(folder) as history:
        journal = history.store.journal
        calls = [journal.operation(o).detail.get("call") for o in journal.of_kind("capability")]
        total = meter.total(meter.calls(history))
    assert len(calls) == len(set(calls))
    assert total.input == sum(reply["usage"]["prompt_tokens"] for reply in recorded)
    assert total.unknown == total.calls - len(recorded)
