"""Doctor: what of this machine the office needs, and whether it works here."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from runtime.execution import bubblewrap, owners, sandbox
from workspace import NotFound
from workspace.store import engine, location
from workspace.visible import visible
from workspace.working_copy.files import exchange_works


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: whether it works (None: not known or not needed), what was found, what to do."""

    check: str
    ok: bool | None
    found: str
    advice: str = ""
    vital: bool = False


def examine(directory: Path, store: Path | None = None) -> list[Finding]:
    """Every check, in the order in which they matter. Writes only probe files, which it removes."""
    return [
        _python(),
        _sqlite(),
        _history(directory, store),
        _exchange(directory),
        _sandbox(),
        _overlay(),
        _owners(directory),
        _terminal(),
        _packages(),
    ]


def _python() -> Finding:
    found = ".".join(str(n) for n in sys.version_info[:3])
    return Finding("Python", sys.version_info >= (3, 11), found, vital=True)


def _sqlite() -> Finding:
    have = engine.version()
    ok = have >= engine.SAFE_VERSION
    text = ".".join(map(str, have)) + f" ({engine.NAME})"
    advice = "" if ok else "Older than 3.51.3, which can corrupt a database; install the pysqlite3 wheel."
    return Finding("SQLite", ok, text, advice, vital=True)


def _history(directory: Path, store: Path | None) -> Finding:
    try:
        folder = _place_of_history(directory, store)
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    except NotFound as error:
        return Finding("History", False, str(error), vital=True)
    except OSError as error:
        return Finding("History", False, f"{error.filename}: {error.strerror}", _ELSEWHERE, vital=True)
    kind = location.file_system(existing)
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        return Finding("History", False, f"{folder} cannot be written", _ELSEWHERE, vital=True)
    if kind in location.NETWORK:
        return Finding("History", False, f"{folder} on {kind}", "Locks fail on network file systems; use --store.")
    free = shutil.disk_usage(existing).free / 2**30
    return Finding("History", True, f"{folder} on {kind}, {free:,.1f} GiB free")


_ELSEWHERE = "--store keeps the history elsewhere."


def _place_of_history(directory: Path, store: Path | None) -> Path:
    if store is not None:
        return store.resolve()
    try:
        root = location.find_root(directory)
    except NotFound:
        root = directory  # what is wrong with its own link, if anything, is said next
    return location.store_of(root) or location.default_store(root)


def _exchange(directory: Path) -> Finding:
    try:
        works = exchange_works(directory)
    except OSError as error:
        return Finding("Exchange", None, f"{directory} cannot be written: {error.strerror}")
    kind = location.file_system(directory)
    if works:
        return Finding("Exchange", True, f"files are put in place in one call ({kind})")
    return Finding("Exchange", None, f"not on {kind}: files are put in place in three calls instead")


def _sandbox() -> Finding:
    reason = sandbox.available()
    if reason is not None:
        return Finding("Sandbox", False, reason, "Commands of agents are refused until it works.")
    trial = bubblewrap.chosen()
    name = trial.tried.name if trial is not None else "bubblewrap"
    return Finding("Sandbox", True, f"{name} keeps commands in the workspace, offline and bounded")


def _overlay() -> Finding:
    """Whether commands work on an overlay, so that what each of them changes is known exactly; each program tried."""
    trials = bubblewrap.trials()
    tried = "; ".join(f"{t.tried.name}: {_overlays(t)}" for t in trials) or "no bubblewrap is installed"
    if any(trial.overlay for trial in trials):
        return Finding("Overlay", True, tried)
    failed = next((t.tried.program for t in trials if t.tried.overlay), None)
    mend = bubblewrap.remedy(bubblewrap.machine(), failed)
    return Finding(
        "Overlay", None, tried, f"Commands are surrounded by scans instead. To change that: {mend}" if mend else ""
    )


def _owners(directory: Path) -> Finding:
    others = owners.of_others(directory, 3)
    if not others:
        return Finding("Owners", True, "all files have your user and group")
    named = ", ".join(visible(path) for path in others)
    return Finding(
        "Owners", None, f"files of other owners, such as {named}",
        "On an overlay commands cannot change these; `wukong run --on-folder` runs them on the folder itself.",
    )  # fmt: skip


def _overlays(trial: bubblewrap.Trial) -> str:
    if trial.overlay:
        return "overlays work"
    return f"does not ({trial.said})" if trial.said else "knows no overlays (older than 0.11)"


def _terminal() -> Finding:
    term, color = os.environ.get("TERM", ""), os.environ.get("COLORTERM", "")
    if not sys.stdout.isatty():
        return Finding("Terminal", None, "output is not a terminal")
    columns, rows = shutil.get_terminal_size()
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    depth = (
        "16 million colours"
        if color in ("truecolor", "24bit")
        else ("256 colours" if "256" in term else "few colours")
    )
    found = f"{term or 'unnamed'}, {columns}x{rows}, {depth}{'' if utf8 else ', not UTF-8'}"
    if not utf8:
        return Finding("Terminal", False, found, "Set a UTF-8 locale, such as LANG=C.UTF-8.")
    small = columns < 80 or rows < 24
    return Finding("Terminal", not small, found, "The office wants 80x24 at least." if small else "")


def _packages() -> Finding:
    names = ("textual", "litellm", "aiosqlite", "zstandard", "dulwich")
    found, missing = [], []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("Packages", False, f"missing: {', '.join(missing)}", "Install the program again.", vital=True)
    return Finding("Packages", True, ", ".join(found))
