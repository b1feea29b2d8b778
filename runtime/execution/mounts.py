"""What a sandbox sees: the system read-only, the one workspace, and nothing else of the user's."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workspace import NotFound, WorkspaceError
from workspace.store import location

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SEARCH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
HOME = "/tmp/home"

_ETC = (
    "alternatives", "debian_version", "java-*", "ld.so.cache", "localtime", "mime.types", "os-release",
    "pki/ca-trust/extracted", "pki/tls/certs", "pki/tls/openssl.cnf", "protocols", "python3*", "services",
    "ssl/cert.pem", "ssl/certs", "ssl/openssl.cnf", "timezone",
)  # fmt: skip
"""Of /etc what programs need and what names nobody: no keys, no accounts, no host names."""
_SMALL = 16 << 10
"""Bytes up to which a file is copied: a mount takes longer."""

_PROC_FOLDERS = ("acpi", "asound", "bus", "driver", "fs", "irq", "scsi")
_PROC_FILES = (
    "kcore", "key-users", "keys", "kmsg", "latency_stats", "mtrr", "sched_debug", "sysrq-trigger", "timer_list",
)  # fmt: skip
"""What of /proc speaks of the machine. Where the host runs as root, file permissions alone do not protect these."""

_SHARED = ("/", "/dev", "/dev/shm", "/etc", "/home", "/proc", "/root", "/run", "/sys", "/tmp", "/var", "/var/tmp")
_TAKEN = ("/", "/dev", "/etc", "/proc", "/sys", "/tmp", *SYSTEM)
_PRIVATE = (".ssh", ".gnupg", ".config", ".local/state", ".local/share/keyrings", ".mozilla")


class SandboxError(WorkspaceError):
    """Nothing was executed: there is no sandbox here, or it cannot be made as asked."""

    code = "no_sandbox"


GUARDED = (".git/hooks", ".git/config", ".hg/hgrc")
"""What of a repository can be read in a sandbox and not written: git executes it, outside and as the person."""


@dataclass(frozen=True, slots=True)
class Layers:
    """What an overlay of the workspace is made of, besides the workspace: folders outside.

    Changes go to ``upper``; ``work`` is the kernel's, on the same file system. ``hidden``
    holds whiteouts, which keep files out of sight.
    """

    upper: Path
    work: Path
    hidden: Path | None = None


@dataclass(slots=True)
class View:
    """What is shown where; ``options`` turns it into arguments of bubblewrap.

    ``scratch`` is shown as /tmp, which without it is in memory, ``memory`` bytes at most.
    ``binds`` are (path outside, path inside), read-only; ``files`` are made up: path
    inside to content, executable, their folders the first of PATH. Raises SandboxError for what must not be shown.
    """

    workspace: Path
    inside: str = "/workspace"
    directory: str = ""
    scratch: Path | None = None
    memory: int = 1 << 30
    environment: Mapping[str, str] = field(default_factory=dict)
    binds: Sequence[tuple[Path, str]] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    hidden: Sequence[Path] = ()
    sized: bool = True
    """Whether this bubblewrap can bound what is kept in memory."""
    layers: Layers | None = None
    """With them the workspace is shown as an overlay; none of its repository is guarded, as nothing is changed."""

    def options(self) -> tuple[list[bytes], list[bytes]]:
        r"""Arguments, and contents: the argument ``\0`` and a number stands for the descriptor of a content."""
        self._check()
        contents: list[bytes] = []

        def made(path: str, content: bytes, mode: str) -> Iterator[str]:
            contents.append(content)
            yield from ("--perms", mode, "--file", f"\0{len(contents) - 1}", path)

        out = [
            "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
            "--unshare-cgroup-try", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
            "--hostname", "sandbox", "--proc", "/proc", *_masks(), "--dir", "/etc", "--dir", "/run",
            "--dir", "/var", "--dev", "/dev", *self._in_memory("/dev/shm", self.memory), "--remount-ro", "/dev",
        ]  # fmt: skip
        for path in SYSTEM:
            if os.path.islink(path):
                out += ("--symlink", os.readlink(path), path)
            elif os.path.isdir(path):
                out += ("--ro-bind", path, path)
        for pattern in _ETC:
            for found in sorted(Path("/etc").glob(pattern)) if "*" in pattern else [Path("/etc", pattern)]:
                if found.is_symlink() and _is_system(found):
                    out += ("--symlink", os.readlink(found), str(found))
                elif found.is_file() and found.stat().st_size <= _SMALL:
                    out += made(str(found), found.read_bytes(), "0644")
                elif found.exists():
                    out += ("--ro-bind", str(found), str(found))
        for path, text in _accounts().items():
            out += made(path, text.encode(), "0644")
        if self.scratch is None:
            out += self._in_memory("/tmp", self.memory)
        else:
            out += ("--bind", str(self.scratch), "/tmp")
        out += ("--perms", "0700", "--dir", HOME, "--symlink", "../tmp", "/var/tmp")
        trees = self._toolchains()
        for tree in trees:
            out += ("--ro-bind", str(tree), str(tree))
        out += self._shown(self.workspace.resolve())
        for path, content in self.files.items():
            out += made(path, content, "0755")
        for source, target in self.binds:
            out += ("--ro-bind", str(source), target)
        out += ("--remount-ro", "/", "--chdir", os.path.normpath(f"{self.inside}/{self.directory}"), "--clearenv")
        for name, value in self._environment(trees).items():
            out += ("--setenv", name, value)
        return [os.fsencode(word) for word in out], contents

    def search_path(self) -> list[str]:
        """The folders of PATH inside: the user's own that exist there, then the system's."""
        return self._search(self._toolchains())

    # -- inside

    def _search(self, trees: Sequence[Path]) -> list[str]:
        theirs = [f for f in _path() if _is_system(Path(f)) and os.path.isdir(f)]
        bins = [str(tree / "bin") for tree in trees]
        return list(dict.fromkeys([*map(os.path.dirname, self.files), *bins, *theirs, *SEARCH]))

    def _shown(self, workspace: Path) -> Iterator[str]:
        """The workspace: as an overlay, or itself with what a repository would execute kept as it is."""
        if self.layers is None:
            yield from ("--bind", str(workspace), self.inside)
            for name in _guarded(workspace):
                how = "--ro-bind" if name in GUARDED else "--bind"  # what is mounted cannot be moved out of the way
                yield from (how, str(workspace / name), f"{self.inside.rstrip('/')}/{name}")
            return
        yield from ("--overlay-src", str(workspace))
        if self.layers.hidden is not None:
            yield from ("--overlay-src", str(self.layers.hidden))
        yield from ("--overlay", str(self.layers.upper), str(self.layers.work), self.inside)

    def _in_memory(self, path: str, size: int) -> list[str]:
        bound = ["--size", str(size)] if self.sized else []
        return ["--perms", "1777", *bound, "--tmpfs", path]

    def _environment(self, trees: Sequence[Path]) -> dict[str, str]:
        user = "root" if os.getuid() == 0 else "user"
        return {
            "PATH": os.pathsep.join(self._search(trees)), "HOME": HOME, "TMPDIR": "/tmp", "USER": user,
            "LOGNAME": user, "SHELL": "/bin/sh", "LANG": "C.UTF-8", "TERM": "dumb", **self.environment,
        }  # fmt: skip

    def _check(self) -> None:
        root, home = self.workspace.resolve(), Path.home().resolve()
        if not root.is_dir():
            raise SandboxError(f"{self.workspace} is not a folder.")
        if str(root) in _SHARED or home.is_relative_to(root):
            raise SandboxError(
                f"{root} holds more than one piece of work, such as your home directory; commands are executed"
                " only in a folder of its own."
            )
        inside = self.inside
        if not inside.startswith("/") or os.path.normpath(inside) != inside or "\0" in inside:
            raise SandboxError(f"{inside!r} is no absolute path at which to show the workspace.")
        if not can_be_shown_at(inside):
            raise SandboxError(f"The workspace cannot be shown at {inside}, where the system is.")
        parts = self.directory.split("/")
        if self.directory.startswith("/") or ".." in parts or "\0" in self.directory:
            raise SandboxError(f"{self.directory!r} is no folder inside the workspace.")
        for text in (*self.environment, *self.environment.values()):
            if "\0" in text:
                raise SandboxError("A variable of the environment holds a NUL byte.")
        if any("=" in name or not name for name in self.environment):
            raise SandboxError("A variable of the environment has no proper name.")
        for store in self._histories():
            for shown in (root, *([self.scratch] if self.scratch else []), *(path for path, _ in self.binds)):
                if store.is_relative_to(shown.resolve()):
                    raise SandboxError(
                        f"The history at {store} lies where commands could reach it; nothing is executed until it"
                        " is kept elsewhere (--store)."
                    )

    def _histories(self) -> list[Path]:
        found = [*self.hidden, location.state_directory()]
        with contextlib.suppress(NotFound):
            if (store := location.store_of(self.workspace.resolve())) is not None:
                found.append(store)
        return [path.resolve() for path in found]

    def _toolchains(self) -> list[Path]:
        """The Python and node of the user's PATH where they lie outside the system: their prefixes.

        Found by looking, never by running: what is on the PATH may lie in the workspace,
        where a command could have put anything.
        """
        private = [Path.home().resolve() / name for name in _PRIVATE] + self._histories()
        trees = [*_python(), *_node()]
        return [tree for tree in dict.fromkeys(trees) if not _reveals(tree, private)]


def can_be_shown_at(inside: str) -> bool:
    """Whether a workspace can appear at an absolute path of a sandbox, which is not where the system is."""
    return inside not in _TAKEN and not any(inside.startswith(f"{t}/") for t in _TAKEN if t not in ("/", "/tmp"))


def _guarded(workspace: Path) -> list[str]:
    """What is there to guard, after the folders that it is in; nothing that a link leads to."""
    real = os.path.realpath(workspace)
    there = [n for n in GUARDED if os.path.exists(f"{real}/{n}") and os.path.realpath(f"{real}/{n}") == f"{real}/{n}"]
    return list(dict.fromkeys([*(name.partition("/")[0] for name in there), *there]))


def _masks() -> Iterator[str]:
    yield from ("--ro-bind", "/proc/sys", "/proc/sys", "--tmpfs", "/proc/1")
    for name in _PROC_FOLDERS:
        if os.path.isdir(f"/proc/{name}"):
            yield from ("--tmpfs", f"/proc/{name}", "--remount-ro", f"/proc/{name}")
    for name in _PROC_FILES:
        if os.path.exists(f"/proc/{name}"):
            yield from ("--ro-bind", "/dev/null", f"/proc/{name}")
    yield from ("--remount-ro", "/proc/1")


def _accounts() -> dict[str, str]:
    """Files of /etc that name the people and machines of a sandbox: hardly any."""
    uid, gid = os.getuid(), os.getgid()
    people = f"root:x:0:0:root:{HOME}:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    groups = "root:x:0:\nnogroup:x:65534:\n"
    if uid != 0:
        people = f"user:x:{uid}:{gid}:user:{HOME}:/bin/sh\n" + people
    if gid != 0:
        groups = f"user:x:{gid}:\n" + groups
    return {
        "/etc/passwd": people,
        "/etc/group": groups,
        "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n",
    }


def _path() -> list[str]:
    return [f for f in os.environ.get("PATH", os.defpath).split(os.pathsep) if f.startswith("/")]


def _is_system(path: Path) -> bool:
    real = str(path.resolve())
    return any(real == top or real.startswith(f"{top}/") for top in SYSTEM)


def _reveals(tree: Path, private: Iterable[Path]) -> bool:
    real, home = tree.resolve(), Path.home().resolve()
    return home.is_relative_to(real) or any(path.is_relative_to(real) for path in private)


def _program(name: str) -> Path | None:
    """Where a program is on the user's PATH, behind the shims of pyenv; None where the system has it."""
    for folder in map(Path, _path()):
        found = folder / name
        if folder.name == "shims" and os.access(found, os.X_OK):
            found = _pyenv(folder.parent) / "bin" / name
        if os.access(found, os.X_OK) and found.is_file():
            return None if _is_system(folder) else found
    return None


def _pyenv(root: Path) -> Path:
    names = os.environ.get("PYENV_VERSION", "").split(":")
    if not names[0]:
        try:
            names = (root / "version").read_text("utf-8", "replace").split()
        except OSError:
            names = []
    name = names[0] if names else "system"
    return root / "versions" / (name if "/" not in name and name != ".." else "system")


def _python() -> Iterator[Path]:
    """The prefix of the PATH's Python and, for a virtual environment, of the one it is built on."""
    found = _program("python3") or _program("python")
    if found is None or found.parent.name != "bin":
        return
    prefixes = [found.parent.parent, found.resolve().parent.parent]
    try:
        settings = (found.parent.parent / "pyvenv.cfg").read_text("utf-8", "replace")
    except OSError:
        settings = ""
    for line in settings.splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "home" and value.strip().startswith("/"):
            prefixes.append(Path(os.path.normpath(value.strip())).parent)
    for prefix in prefixes:
        whole = any(prefix.glob("lib/python3*/os.py"))
        if not _is_system(prefix) and (whole or (prefix / "pyvenv.cfg").is_file()):
            yield prefix


def _node() -> Iterator[Path]:
    found = _program("node")
    if found is None:
        return
    prefix = found.resolve().parent.parent
    if found.resolve().parent.name == "bin" and (prefix / "lib/node_modules").is_dir() and not _is_system(prefix):
        yield prefix
