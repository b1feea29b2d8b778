"""Reaching a workspace's host, starting it where none runs: plain blocking calls, for the command line too."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from runtime.host import endpoint, launch
from runtime.host.answers import StatusAnswer
from runtime.host.core import IDLE
from runtime.host.launch import CORE
from runtime.protocol import VERSION, Command, Reply, Status, decode, encode
from workspace import NotFound, WorkspaceError
from workspace.store import location

PATIENCE = 10.0
"""Seconds for a host to say its first word; a person has given up by then."""
MOVING = 3.0
"""Seconds for a host whose socket was taken away to make another one."""
TRIES = 3
"""Hosts to start for one client, should each leave before it can connect."""


class HostGone(WorkspaceError):
    """The host has left or was killed. What it had recorded is safe; connecting again starts another one."""

    code = "host_gone"

    def __init__(
        self,
        message: str = "The host of this workspace has gone; all that was acknowledged is recorded,"
        " and the history shows what became of the rest.",
    ) -> None:
        super().__init__(message)


def dial(
    root: Path | str, store: Path | None = None, *, start: bool = True, core: str = CORE, idle: float = IDLE
) -> socket.socket:
    """A connection to the host of ``root``, started where none runs. It blocks.

    ``core`` and ``idle`` are for a host that has to be started. Raises NotFound where none
    runs and ``start`` is False, else WorkspaceError with the reason why there is none.
    """
    root, folder = endpoint.places(root, store)
    if start:
        location.check_is_main(root, folder)
    for _ in range(TRIES):
        if (connection := _reach_moving(folder)) is not None:
            return connection
        if not start:
            raise NotFound(f"No host runs for {root}.")
        with launch.turn(folder) as turn:
            if (connection := _reach(folder)) is not None:  # who had the turn before us has started it
                return connection
            launch.start(root, folder, turn=turn, core=core, idle=idle)
            if (connection := _reach(folder)) is not None:
                return connection
    raise WorkspaceError(f"The host of {root} leaves as soon as it has started; {launch.log_of(folder)} says why.")


def call(
    root: Path | str,
    command: Command,
    store: Path | None = None,
    *,
    start: bool = True,
    core: str = CORE,
    idle: float = IDLE,
) -> Any:
    """Give one command to the host of ``root`` and wait for its answer. It blocks.

    Raises the host's WorkspaceError, of the same class, HostGone, and what ``dial`` raises.
    """
    with dial(root, store, start=start, core=core, idle=idle) as connection:
        return ask(connection, command)


def status(root: Path | str, store: Path | None = None) -> StatusAnswer | None:
    """What ``Status`` answers, ``pid`` among it, or None where no host runs; none is started. It blocks."""
    _, folder = endpoint.places(root, store)
    connection = _reach_moving(folder)
    if connection is None:
        return None
    with connection, suppress(HostGone):
        answer: StatusAnswer = ask(connection, Status())
        return answer
    return None


def ask(connection: socket.socket, command: Command) -> Any:
    """Give one command over a connection that is not attached, and wait for the answer."""
    try:
        with suppress(BrokenPipeError):  # it may have hung up with a sentence that says why
            connection.sendall(encode(command, 1))
        line = bytearray()
        while not line.endswith(b"\n"):
            piece = connection.recv(1 << 20)
            if not piece:
                raise HostGone
            line += piece
    except ConnectionError as error:
        raise HostGone from error
    reply, _ = decode(bytes(line))
    if not isinstance(reply, Reply):
        raise WorkspaceError(f"The host answered with {type(reply).__name__}.")
    return reply.result()


def _reach_moving(folder: Path) -> socket.socket | None:
    """Connect to the host; wait for one that is there and has lost its socket."""
    deadline = time.monotonic() + MOVING
    while True:
        connection = _reach(folder)
        if connection is not None or time.monotonic() > deadline or not endpoint.is_alive(folder):
            return connection
        time.sleep(0.05)


def _reach(folder: Path) -> socket.socket | None:
    """Connect to the host that left word in the store and check both; None where there is none."""
    record = endpoint.announced(folder)
    if record is None:
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(PATIENCE)
        _queue(connection, record.socket)
        if endpoint.peer(connection) != os.geteuid():
            raise WorkspaceError(f"{record.socket} belongs to another user's process; it is not your host.")
        said = ask(connection, Status())
        if said["version"] != VERSION:
            raise WorkspaceError(endpoint.other_version(said["pid"], said["version"], VERSION))
        connection.settimeout(None)
    except TimeoutError as error:
        connection.close()
        raise WorkspaceError(
            f"The host of this workspace does not answer; `kill {record.pid}` ends it, and nothing recorded is lost."
        ) from error
    except (HostGone, OSError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    return connection


def _queue(connection: socket.socket, path: str) -> None:
    """Connect, waiting where a host's queue of newcomers is full. Raises OSError, TimeoutError among them."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.connect(path)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise TimeoutError from error
            time.sleep(0.02)
