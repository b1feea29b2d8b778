"""Real agent runs again: recorded replies over HTTP, real commands in the sandbox, on the code they were made for."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime import meter, sandbox
from runtime.models.provider import LiteLLM
from runtime.office import Office
from runtime.protocol import Act, Open, Prompt
from workspace import History
from workspace.verify import verify

from .provider import Provider, from_trajectory, seeded, trajectories

SOURCES = {"marshmallow-1343": "marshmallow==2.20.0", "marshmallow-1359": "marshmallow==3.0.0rc8"}
RUNS = [path for path in trajectories() if path.name.partition(".")[0] in SOURCES]

pytestmark = [
    pytest.mark.skipif(not RUNS, reason="there are no recorded runs here"),
    pytest.mark.skipif(sandbox.available() is not None, reason="no sandbox works here"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Where the source distribution of a requirement lies, fetched once."""
    folder = tmp_path_factory.mktemp("sources")

    def fetch(requirement: str) -> Path:
        name = requirement.replace("==", "-")
        if not (folder / f"{name}.tar.gz").exists():
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
            done = subprocess.run([*command, requirement], cwd=folder, capture_output=True, timeout=300)
            if done.returncode:
                pytest.skip(f"{requirement} cannot be fetched here")
        return folder / f"{name}.tar.gz"

    return fetch


def unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            member.name = member.name.partition("/")[2]
            if member.name:
                tar.extract(member, folder, filter="data")


def replies(path: Path) -> list[dict[str, Any]]:
    """The run's replies; the last one hands in a patch by a call of its own, which is left out."""
    found = copy.deepcopy(from_trajectory(path))
    last = found[-1]["choices"][0]
    last["message"]["tool_calls"] = None
    last["finish_reason"] = "stop"
    return found


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

        office = Office(folder, choose=choose)
        await office.start()
        try:
            await office.alone(lambda work: work.scan())
            before = tree_on_disk(folder)
            session = await office.handle(Open(mode="auto", inside="/testbed"))
            live = office.session(session)
            live.wait = no_wait
            prompt = await office.handle(Prompt(session, "Fix the issue that is described."))
            assert live.running is not None
            await live.running
            operation = await office.read(lambda history: history.operation(prompt))
            assert operation.outcome == "done", operation.detail
            after = tree_on_disk(folder)
            await check_changes(office, prompt)
            await office.handle(Act("undo"))
            assert tree_on_disk(folder) == before
            await office.handle(Act("redo"))
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


async def check_changes(office: Office, prompt: int) -> None:
    """Nothing on disk is unrecorded, and what changed belongs to the commands of this prompt."""

    def look(history: History) -> tuple[list[Any], set[str]]:
        family = set(history.store.journal.family(prompt))
        made = [v for v in history.store.versions.of_entries(prompt, history.cursor) if v.operation not in family]
        return history.differences(), {v.path for v in made}

    differences, strange = await office.read(look)
    assert not differences
    assert not strange


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name.partition(".")[0])
async def test_a_recorded_run_ends_as_it_did_and_can_be_undone_and_redone(
    path: Path, folder: Path, source: Callable[[str], Path]
) -> None:
    unpack(source(SOURCES[path.name.partition(".")[0]]), folder)
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
@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name.partition(".")[0])
async def test_faults_at_every_turn_change_neither_the_tree_nor_what_was_executed(
    path: Path, folder: Path, source: Callable[[str], Path], tmp_path: Path
) -> None:
    calm = tmp_path / "calm"
    calm.mkdir()
    for place in (folder, calm):
        unpack(source(SOURCES[path.name.partition(".")[0]]), place)
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
