"""What tests need of the machine they run on: room in memory, and permissions that bind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")


@pytest.fixture
def memory() -> Iterator[Path]:
    """A new folder in memory where there is one: some disks are slow to remove thousands of files."""
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as name:
        yield Path(name)


def _permissions_bind() -> bool:
    with tempfile.NamedTemporaryFile() as file:
        os.fchmod(file.fileno(), 0)
        return not os.access(file.name, os.R_OK)


permissions_bind = pytest.mark.skipif(not _permissions_bind(), reason="permissions do not stop root")
