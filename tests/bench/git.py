"""Git as the other side: plain defaults, no one's configuration, nothing running behind it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

CACHE = 64 << 20
"""Bytes of decoded objects that git and dulwich may keep: as many as our contents."""

_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "LC_ALL": "C",
    "HOME": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@example.invalid",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@example.invalid",
}


class Git:
    """A repository and perhaps its working directory, kept apart as a shadow repository is."""

    def __init__(self, folder: Path, work: Path | None = None) -> None:
        self.folder = folder
        self._environment: Mapping[str, str] = {
            **_ENVIRONMENT,
            "GIT_DIR": str(folder),
            **({"GIT_WORK_TREE": str(work)} if work else {}),
        }
        self._at = work or folder

    @classmethod
    def create(cls, folder: Path, work: Path | None = None) -> Git:
        folder.mkdir(parents=True)
        cls(folder)("init", "--quiet", "--bare", "--initial-branch=main")
        git = cls(folder, work)
        for key, value in {
            "core.bare": "false" if work else "true",
            "core.deltaBaseCacheLimit": str(CACHE),
            "gc.auto": "0",
            "maintenance.auto": "false",
        }.items():
            git("config", key, value)
        return git

    @classmethod
    def first_parents(cls, repository: Path, folder: Path) -> Git:
        """The history of the head of ``repository`` along the first parents, and nothing else."""
        whole = cls.create(folder.with_suffix(".whole"))
        source = repository.resolve().as_uri()
        whole("fetch", "--quiet", "--no-tags", source, "HEAD:refs/heads/all")
        commits = whole("log", "--first-parent", "--reverse", "--format=%T %ct %s", "all").splitlines()
        whole.import_stream(_line(commits))
        git = cls.create(folder)
        git("fetch", "--quiet", "--no-tags", whole.folder.as_uri(), "refs/heads/line:refs/heads/main")
        shutil.rmtree(whole.folder)
        return git

    def __call__(self, *arguments: str, data: bytes | None = None) -> bytes:
        """Run a command to its end; what it printed. Raises CalledProcessError."""
        return subprocess.run(
            ["git", *arguments], cwd=self._at, env=self._environment, input=data, capture_output=True, check=True
        ).stdout

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command that goes on, with pipes to talk to it."""
        return subprocess.Popen(
            ["git", *arguments], cwd=self._at, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def commit(self, message: str = "commit") -> str:
        """Commit all of the working directory on main; the commit."""
        self("add", "-A")
        self("commit", "--quiet", "--allow-empty", "-m", message)
        return self("rev-parse", "HEAD").decode().strip()

    def packed(self) -> int:
        """Pack as tightly as git does; the bytes of the pack, its index not counted."""
        self("gc", "--quiet", "--aggressive", "--prune=now")
        return sum(pack.stat().st_size for pack in (self.folder / "objects/pack").glob("*.pack"))

    def import_stream(self, stream: Iterable[bytes]) -> None:
        """Fill the repository from a fast-import stream."""
        importer = self.start("fast-import", "--quiet")
        assert importer.stdin is not None
        with importer.stdin as into:
            into.writelines(stream)
        if importer.wait() != 0:
            raise RuntimeError("git fast-import failed")


class Batch:
    """One ``git cat-file --batch`` that answers many reads."""

    def __init__(self, git: Git) -> None:
        self._process = git.start("cat-file", "--batch")
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def read(self, name: bytes) -> bytes:
        self._in.write(name + b"\n")
        self._in.flush()
        size = int(self._out.readline().split()[2])
        data = self._out.read(size)
        self._out.read(1)
        return data

    def close(self) -> None:
        self._in.close()
        self._out.close()
        self._process.wait()


def _line(commits: Sequence[bytes]) -> Iterator[bytes]:
    """A fast-import stream of commits one after the other: of each its tree, time and subject."""
    for commit in commits:
        tree, moment, subject = commit.split(b" ", 2)
        yield b"commit refs/heads/line\ncommitter bench <bench@example.invalid> %s +0000\n" % moment
        yield b'data %d\n%s\nM 040000 %s ""\n' % (len(subject), subject, tree)


def version() -> str:
    return subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.strip()
