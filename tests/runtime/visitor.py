"""A person at a terminal: ``python -m tests.runtime.visitor ROOT [PROMPT]`` attaches, perhaps prompts, and watches.

Prints one JSON line of itself once attached and one per event, until it is ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict
from typing import Any

from runtime.host.client import Client
from runtime.protocol import Attach, Open, Prompt, Status

CORE = "tests.runtime.typist:Typist"
IDLE = 60.0


def say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


async def visit(root: str, *prompts: str) -> None:
    async with Client.connect(root, core=CORE, idle=IDLE) as client:
        snapshot = await client.call(Attach())
        host = (await client.call(Status()))["pid"]
        session = await client.call(Open())
        operations = [await client.call(Prompt(session, prompt)) for prompt in prompts]
        say(pid=os.getpid(), host=host, operations=operations, snapshot=snapshot)
        async for event in client.events():
            say(**asdict(event))


if __name__ == "__main__":
    asyncio.run(visit(*sys.argv[1:]))
