"""Programs that run where no sandbox works: the demo's own, known by the digest of their whole text. No others."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from runtime.execution.rpc import RpcServer
from runtime.execution.sandbox import Ran, SandboxError
from workspace import Act
from workspace.entries import CapabilityEntry

LABEL = "NO SANDBOX"
"""What the name of such an operation begins with."""
KNOWN = frozenset(
    {
        "cf4d5781c360cfa49614e31271e4a53c36ec6b84d96d96b41ce2f6a6442ca568",
        "64378ef42479545a8c7a8131672939d77caf1753fd3ae322ede7e73ed68cdb28",
    }
)
"""SHA-256 of the texts that may run so, in hexadecimal: the demo's book.py as it is first written, and as mended."""
_CLIENT = Path(__file__).with_name("wk")


def is_known(text: str) -> bool:
    """Whether a program is, to the last byte, one that may run without a sandbox."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest() in KNOWN


def labelled(act: Act) -> Act:
    """The act of running a known program here, saying that there is no sandbox around it."""
    return replace(
        act.saying(CapabilityEntry(sandbox=False)),
        name=f"{LABEL} {act.name}",
        decision="allowed: known by its digest; no sandbox works here",
    )


async def run(door: RpcServer, text: str, *, scratch: Path, seconds: float) -> Ran:
    """Run a known program as a child of the host; all that it asked is done when this returns.

    The text that was compared is the text that runs: it is handed over as an argument, not
    as a file that could change meanwhile. Nothing else of this process is: no environment,
    no packages. Raises ValueError for any other text, SandboxError where it cannot be started.
    """
    if not is_known(text):
        raise ValueError("this program may not run without a sandbox")
    environment = {"PYTHONPATH": str(_CLIENT), "WK_SOCKET": str(door.place), "PYTHONDONTWRITEBYTECODE": "1"}
    started = time.monotonic()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-s", "-S", "-X", "utf8", "-c", text, env=environment, cwd=scratch,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise SandboxError(f"The program cannot be started: {error.strerror}.") from error
    output, late = b"", False
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    except TimeoutError:
        late = True
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())
    await door.drain()
    status = None if late else process.returncode
    return Ran(status, output, 0, None, late, time.monotonic() - started, None)
