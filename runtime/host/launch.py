"""Starting a host: a process of its own that outlives the terminal it was started from.

``python -m runtime.host.launch --root DIR`` runs one in the foreground, for a service manager or
to see why it does not start. Clients start one with ``start``, which detaches it.

Where the system ends all processes of a session at logout (systemd's KillUserProcesses=yes),
no detaching helps: there `loginctl enable-linger` keeps the host.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib
import json
import logging
import os
import platform
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import log
from runtime.host import endpoint
from runtime.host.core import IDLE
from runtime.protocol import VERSION, JsonObject
from workspace import WorkspaceError
from workspace.errors import restored

if TYPE_CHECKING:
    from runtime.host.core import Core

SWITCH = 0.000_5
"""Seconds after which a thread that computes lets another one go on: a commit waits for its turn dozens of times."""
CORE = "runtime.host.sessions:Sessions"
"""What a host serves: ``module:name``, called with the folder and ``store=``."""
PATIENCE = 60.0
"""Seconds for a host to start: it may have a crash to recover from."""
LOG_BYTES = 128 * 1024
"""The log and the one before it have this size each, at most."""


def log_of(store: Path) -> Path:
    """The log of a store's hosts."""
    return store / "host.log"


@contextmanager
def turn(store: Path, wait: float = PATIENCE) -> Iterator[int]:
    """The right to start a host for a store; a file descriptor that holds it.

    A host that is being started holds it too, until it is ready or has failed: whoever
    gets the turn next finds it ready, even if its starter was killed. Raises WorkspaceError.
    """
    try:
        store.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(store / "starting", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise WorkspaceError(f"The history at {store} cannot be written: {error.strerror}.") from error
    try:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise WorkspaceError(
                        f"Another program has been starting the host for {wait:.0f} seconds;"
                        f" {log_of(store)} says how far it is."
                    ) from None
                time.sleep(0.02)
        yield descriptor
    finally:
        os.close(descriptor)


def start(root: Path, store: Path, *, turn: int, core: str = CORE, idle: float = IDLE) -> int:
    """Start a host that is detached from everything of this process; its process id, once clients may come.

    Needs the ``turn``. Raises WorkspaceError with the host's own reason for not starting.
    """
    ear, mouth = os.pipe()
    try:
        try:
            child = subprocess.Popen(
                # -P: a folder of ours that holds a module of the same name must not be imported
                [sys.executable, "-P", "-m", "runtime.host.launch", "--root", root, "--store", store,
                 "--core", core, "--idle", str(idle), "--ready", str(mouth), "--turn", str(turn)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                cwd="/", start_new_session=True, pass_fds=(mouth, turn),
            )  # fmt: skip
        finally:
            os.close(mouth)
        told = _listen(ear)
        with suppress(subprocess.TimeoutExpired):
            child.wait(1)  # it has left already: the host is its child
    except OSError as error:
        raise WorkspaceError(f"The host cannot be started: {error.strerror}.") from error
    finally:
        os.close(ear)
    if told is None:
        raise WorkspaceError(
            f"The host has not become ready in {PATIENCE:.0f} seconds; {log_of(store)} says how far it is."
        )
    if "error" in told:
        raise restored(told.get("code"), told["error"], told.get("data"))
    if "ready" not in told:
        raise WorkspaceError(
            f"The host did not start; `{sys.executable} -m runtime.host.launch --root {root}` shows why."
        )
    return int(told["ready"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a host until it leaves; the exit status."""
    sys.setswitchinterval(SWITCH)
    options = _parser().parse_args(arguments)
    kept = [d for d in (options.ready, options.turn) if d is not None]
    for descriptor in kept:
        os.set_inheritable(descriptor, False)
    if options.ready is not None:
        _detach()

    def tell(**message: object) -> None:
        with suppress(OSError):  # its starter may have gone
            if options.ready is not None:
                os.write(options.ready, json.dumps(message).encode())
            elif "error" in message:
                sys.stderr.write(f"wukong host: {message['error']}\n")
        while kept:
            os.close(kept.pop())
        options.ready = None

    import asyncio  # here, where the process is the host: a client that starts one needs none of it

    from runtime.host.server import host

    said = log.logger("host")

    try:
        root, store = endpoint.places(options.root, options.store)
        store.mkdir(parents=True, exist_ok=True, mode=0o700)
        _log_to(store)
        said.info("process %d, protocol %d, Python %s", os.getpid(), VERSION, platform.python_version())
        core = _load(options.core)(root, store=store)
        idle = options.idle if options.idle >= 0 else None

        def ready() -> None:
            said.info("ready")
            tell(ready=os.getpid())

        asyncio.new_event_loop().run_until_complete(host(core, store, idle=idle, ready=ready))
    except WorkspaceError as error:
        said.error("ended%s", log.where(error))
        tell(error=str(error), code=error.code, data=error.data())
        return 1
    except Exception as error:  # noqa: BLE001 - whatever it is, its starter waits for a sentence
        said.error("ended%s", log.where(error))
        tell(error=f"The host failed: {type(error).__name__}: {error}.")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="runtime.host.launch", description="Run the host of a workspace.")
    parser.add_argument("--root", type=Path, required=True, help="the folder")
    parser.add_argument("--store", type=Path, help="where its history is")
    parser.add_argument("--core", default=CORE, metavar="MODULE:NAME", help="what it serves  [default: %(default)s]")
    parser.add_argument("--idle", type=float, default=-1, metavar="SECONDS", help="leave when not needed for so long")
    parser.add_argument("--ready", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--turn", type=int, help=argparse.SUPPRESS)
    return parser


def _detach() -> None:
    """Become a process that no terminal can take along, and that keeps no folder busy.

    It was started in a session of its own; its child does not lead that session, so that
    no terminal it opens becomes its own.
    """
    if os.fork():
        os._exit(0)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if null > 2:
        os.close(null)


def _load(name: str) -> Callable[..., Core]:
    module, _, attribute = name.partition(":")
    try:
        core: Callable[..., Core] = getattr(importlib.import_module(module), attribute)
        return core
    except (ImportError, AttributeError, ValueError) as error:
        raise WorkspaceError(f"There is no {name} to serve: {error}.") from error


def _log_to(store: Path) -> None:
    handler = RotatingFileHandler(log_of(store), maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(message)s"))
    logging.raiseExceptions = False  # a full disk stops no work
    ours = logging.getLogger("wukong")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False


def _listen(ear: int) -> JsonObject | None:
    """What a host tells its starter; empty where it ended without a word, None where it takes too long."""
    deadline = time.monotonic() + PATIENCE
    heard = b""
    while True:
        if not select.select([ear], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        piece = os.read(ear, 65536)
        if not piece:
            break
        heard += piece
    try:
        told: JsonObject = json.loads(heard)
        return told
    except ValueError:
        return {}


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stderr.flush()
    os._exit(status)  # all is recorded: a thread that still waits for a network must not keep the process
