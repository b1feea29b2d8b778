"""Builds, packages and servers in an agent's commands: what they make goes in as they made it."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from pathlib import Path

import pytest

from runtime.execution import bubblewrap
from tests.runtime.execution.test_overlay import alive
from tests.runtime.scene import Actor, needs, put, scene

TRIAL = bubblewrap.chosen()
pytestmark = pytest.mark.skipif(TRIAL is None or not TRIAL.overlay, reason="no overlay works here")


@needs("npm")
async def test_a_local_package_is_installed_by_npm_and_its_files_are_only_named(folder: Path) -> None:
    put(folder, {
        "package.json": '{"name": "app", "version": "1.0.0", "private": true}\n',
        "index.js": "console.log(require('local-package'))\n",
        "local-package/package.json": '{"name": "local-package", "version": "1.0.0", "main": "main.js"}\n',
        "local-package/main.js": "module.exports = 'it works'\n",
    })  # fmt: skip
    install = "npm install --install-links --no-audit --no-fund --offline --cache /tmp/npm ./local-package"
    async with scene(folder) as agent:
        done = await agent.run(install)
        assert done.operation.outcome == "done", done.text
        assert done.changed == {"package.json": "edit", "package-lock.json": "create"}
        assert "caches, not kept: node_modules" in done.text
        ran = subprocess.run(["node", "index.js"], cwd=folder, capture_output=True, text=True, check=True)
        assert ran.stdout == "it works\n"
        done = await agent.run(f"{install} && node index.js")
        assert done.operation.outcome == "done", done.text
        assert "it works" in done.text
        assert done.changed == {}


async def test_a_virtual_environment_is_only_named_and_works_for_the_person(folder: Path) -> None:
    put(folder, {"main.py": "print('hello')\n"})
    async with scene(folder) as agent:
        done = await agent.run("python3 -m venv --without-pip .venv && .venv/bin/python main.py")
        assert done.operation.outcome == "done", done.text
        assert "hello" in done.text
        assert done.changed == {}
        assert "caches, not kept: .venv" in done.text
        ran = subprocess.run([folder / ".venv/bin/python", "main.py"], cwd=folder, capture_output=True, check=True)
        assert ran.stdout == b"hello\n"
        done = await agent.run(".venv/bin/python -c 'import sys; print(sys.prefix)'")
        assert f"{agent.session.inside}/.venv" in done.text


PROJECT = {
    "CMakeLists.txt": "cmake_minimum_required(VERSION 3.10)\nproject(app C)\nadd_executable(app main.c part.c)\n",
    "main.c": '#include <stdio.h>\nint part(void);\nint main(void) { printf("%d\\n", part()); return 0; }\n',
    "part.c": "int part(void) { return 1; }\n",
    ".gitignore": "build/\n",
}


@needs("cmake", "make", "gcc")
async def test_a_build_is_made_once_and_made_again_where_an_undo_changes_its_sources(folder: Path) -> None:
    put(folder, PROJECT)
    make = "make -C build && build/app"
    async with scene(folder) as agent:
        first = await agent.run(f"cmake -S . -B build && {make}")
        assert first.operation.outcome == "done", first.text
        assert "Building C object" in first.text
        assert first.changed == {}
        again = await agent.run(make)
        assert again.text.count("Building") == 0, again.text
        if agent.session.inside == str(folder):  # CMake has written down where it is
            mine = subprocess.run(["make", "-C", "build"], cwd=folder, capture_output=True, text=True, check=True)
            assert "Building" not in mine.stdout
        edited = await agent.run(f"sed -i s/1/2/ part.c && {make}")
        assert edited.text.count("Building C object") == 1, edited.text
        assert "\n2\n" in edited.text
        source = await agent.call("edit", {"path": "part.c", "old": "2", "new": "3"})
        made = await agent.run(make)
        assert "\n3\n" in made.text, made.text
        await agent.undo(source)
        made = await agent.run(make)
        assert "\n2\n" in made.text, made.text
        await agent.redo()
        made = await agent.run(make)
        assert "\n3\n" in made.text, made.text


@needs("make", "gcc")
async def test_undo_of_a_build_and_its_source_together_leaves_no_stale_program(folder: Path) -> None:
    put(folder, {"app.c": "int main(void) { return 1; }\n", "Makefile": "app: app.c\n\tgcc -o app app.c\n",
                 ".gitignore": "app\n"})  # fmt: skip
    check = "make; ./app; echo status $?"
    async with scene(folder) as agent:
        await agent.run("make")
        edited = await agent.run(f"sed -i s/1/2/ app.c; {check}")
        assert "status 2" in edited.text
        await agent.undo(edited)
        assert "status 1" in (await agent.run(check)).text
        second = await agent.run(f"sed -i s/1/4/ app.c; {check}")
        assert "status 4" in second.text
        await agent.undo(second)
        assert "status 1" in (await agent.run(check)).text
        await agent.redo()
        assert "status 4" in (await agent.run(check)).text


SERVER = """\
import os, time
last = None
stop = "/tmp/stop"
open("log.txt", "w").close()
while not os.path.exists(stop):
    now = tuple((name, os.stat(name).st_mtime_ns) for name in sorted(os.listdir(".")) if name.endswith(".page"))
    if now != last:
        last = now
        pages = " ".join(open(name).read().strip() for name, _ in now)
        with open("/tmp/pages.new", "w") as file:
            file.write(pages)
        os.rename("/tmp/pages.new", "/tmp/pages")
    time.sleep(0.01)
"""


async def served(agent: Actor, text: str) -> None:
    """Wait until the server has loaded the pages so."""
    pages = agent.tmp / "pages"
    while not pages.exists() or pages.read_text() != text:
        await asyncio.sleep(0.01)


async def test_a_server_lives_over_commands_and_reloads_what_is_edited_between(folder: Path) -> None:
    put(folder, {"a.page": "a\n", "b.page": "b\n", "serve.py": SERVER})
    async with scene(folder) as agent:
        done = await agent.run("python3 serve.py >/dev/null 2>&1 & echo $! > /tmp/pid")
        assert done.operation.outcome == "done", done.text
        await served(agent, "a b")
        await agent.call("edit", {"path": "a.page", "old": "a", "new": "A"})
        await served(agent, "A b")
        done = await agent.run("kill -0 $(cat /tmp/pid) && cat a.page")
        assert "A\n" in done.text, done.text
        put(folder, {"b.page": "by ann\n"})  # which no command has copied up
        await served(agent, "A by ann")
        await agent.call("write", {"path": "c.page", "text": "new\n"})
        await served(agent, "A by ann new")
        done = await agent.run("sed -i s/new/newer/ c.page; ls log.txt")
        assert done.changed.get("c.page") == "edit", done.text
        await served(agent, "A by ann newer")
        assert (folder / "c.page").read_text() == "newer\n"
        await agent.undo(done)
        await served(agent, "A by ann new")
        assert agent.desk.workplace(agent.session).live


async def test_a_server_answers_the_next_commands_and_ends_with_its_session(folder: Path) -> None:
    mark = f"{uuid.uuid4().int % 10**9 + 10**6}"  # a number of seconds that nobody else sleeps
    put(folder, {"index.html": "first\n"})
    fetch = "python3 -c \"from urllib.request import urlopen; print(urlopen('http://127.0.0.1:8000').read())\""
    wait = f"for n in $(seq 200); do {fetch} 2>/dev/null && break; sleep 0.02; done"
    async with scene(folder) as agent:
        serve = f"python3 -m http.server 8000 --bind 127.0.0.1 >/dev/null 2>&1 & sleep {mark} & {wait}"
        done = await agent.run(serve)
        assert "first" in done.text, done.text
        await agent.call("edit", {"path": "index.html", "old": "first", "new": "second"})
        assert "second" in (await agent.run(fetch)).text
        await agent.call("write", {"path": "index.html", "text": "third\n"})
        assert "third" in (await agent.run(fetch)).text
        assert alive(f"sleep\0{mark}")
    assert not alive(f"sleep\0{mark}")
