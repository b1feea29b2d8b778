"""Work over a real SSH line, in and out of tmux: the line is cut, the run goes on, the next line sees it finish."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.host.client import call, status
from runtime.protocol import Perform
from tests.runtime.hosting import PROJECT, Place, ended, first_line, hosted, is_running
from tests.runtime.typist import typed

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(not (SSHD and shutil.which("ssh-keygen")), reason="needs OpenSSH's server")
with_tmux = pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux")

PROMPT = "say:100 wait:go say:100"


@dataclass
class Line:
    """How to come in."""

    port: int
    key: Path

    @contextmanager
    def run(self, command: str) -> Iterator[subprocess.Popen[str]]:
        """A command on a terminal at the other end; the line is cut at the end of the block."""
        process = subprocess.Popen(
            ["ssh", "-tt", "-F", "/dev/null", "-p", str(self.port), "-i", str(self.key), "-o", "LogLevel=ERROR",
             "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes",
             "127.0.0.1", command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with hosted(folder, monkeypatch) as made:
        yield made


@pytest.fixture
def line(place: Place, tmp_path: Path) -> Iterator[Line]:
    """An SSH server of our own on loopback."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user"):
        key = tmp_path / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = {name: os.environ[name] for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR")}
    given |= {"PYTHONPATH": str(PROJECT), "LC_ALL": "C.UTF-8"}
    (tmp_path / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {tmp_path / 'host'}\nAuthorizedKeysFile {tmp_path / 'user.pub'}\n"
        "PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f"SetEnv {' '.join(shlex.quote(f'{name}={value}') for name, value in given.items())}\n"
    )
    server = subprocess.Popen(
        [str(SSHD), "-D", "-e", "-f", str(tmp_path / "sshd_config")], stderr=subprocess.PIPE, text=True
    )
    assert server.stderr is not None
    said = []
    for words in server.stderr:
        said.append(words)
        if "Server listening" in words:
            break
    else:
        pytest.skip(f"sshd does not run here: {''.join(said)}")
    try:
        yield Line(port, tmp_path / "user")
    finally:
        server.terminate()
        server.communicate()


def visitor(place: Place, *prompts: str) -> str:
    return shlex.join([sys.executable, "-m", "tests.runtime.visitor", str(place.root), *prompts])


def comes_back_and_sees_it_finish(place: Place, line: Line, host: int, operation: int) -> None:
    with line.run(visitor(place)) as again:
        said = first_line(again)
        assert said["host"] == host
        texts = {text["operation"]: text["text"] for text in said["snapshot"]["texts"]}
        assert texts[operation] == typed(100)
        call(place.root, Perform("redo", {"name": "go"}), start=False)
        told = 0
        while place.operation(operation).outcome is None or told < place.operation(operation).last:
            event = first_line(again)
            told = event.get("entry", told)
            if event.get("operation") == operation:
                texts[operation] = texts[operation][: event["offset"]] + event["text"]
        assert texts[operation] == typed(200) == place.payload(operation)
        assert place.operation(operation).outcome == "done"


def session_of(pid: int) -> int:
    """The process at the server's end of a line that a program runs on: the parent of its session's leader."""
    leader = os.getsid(pid)
    return int(Path(f"/proc/{leader}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("cut", ["client", "server"])
def test_a_run_outlives_the_line_it_was_started_over(place: Place, line: Line, cut: str) -> None:
    with line.run(visitor(place, PROMPT)) as ssh:
        said = first_line(ssh)
        with ended(said["pid"]):
            if cut == "client":
                ssh.kill()
            else:
                os.kill(session_of(said["pid"]), signal.SIGKILL)
    assert is_running(said["host"])
    comes_back_and_sees_it_finish(place, line, said["host"], said["operations"][0])


def test_a_line_can_be_hung_up_while_the_host_runs(place: Place, line: Line) -> None:
    command = shlex.join([sys.executable, "-c", f"from tests.runtime.hosting import *; begin({str(place.root)!r})"])
    with line.run(command) as ssh:
        out, _ = ssh.communicate()  # the host holds nothing of the terminal that would keep the line open
        assert ssh.returncode == 0
        operation = int(out)
    comes_back_and_sees_it_finish(place, line, place.host, operation)


@with_tmux
def test_a_run_started_in_tmux_outlives_the_line_and_tmux(place: Place, line: Line, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "said")
    tmux = ["tmux", "-f", "/dev/null", "-S", str(place.sockets / "tmux")]
    program = f"{visitor(place, PROMPT)} > {shlex.quote(str(tmp_path / 'said'))}"
    with line.run(shlex.join([*tmux, "new-session", program])) as ssh, (tmp_path / "said").open() as out:
        shell = subprocess.Popen(["cat"], stdin=out, stdout=subprocess.PIPE, text=True)
        try:
            said = first_line(shell)
            ssh.kill()
            while subprocess.run([*tmux, "list-clients"], capture_output=True, text=True, check=True).stdout:
                pass
            assert is_running(said["pid"]), "tmux keeps the interface"
            with ended(said["pid"]):
                subprocess.run([*tmux, "kill-server"], check=True)
        finally:
            shell.kill()
            shell.communicate()
    found = status(place.root)
    assert found is not None
    assert found["pid"] == said["host"]
    comes_back_and_sees_it_finish(place, line, said["host"], said["operations"][0])
