"""The version that an address names, or a sentence why there is none."""

from __future__ import annotations

from workspace import History, NotFound, Version
from workspace.operations.addresses import Address


def existing(history: History, address: str, found: Address) -> Version:
    """The version that an address names. Raises NotFound where there is nothing."""
    version = found.version
    if version is None or not version.exists or not (found.numbered or version.path == found.path):
        raise NotFound(_nothing_there(history, address, found))
    return version


def _nothing_there(history: History, address: str, found: Address) -> str:
    path, version = found.path, found.version
    if path is None:
        return f"{address or 'That'} is the whole workspace; name a document in it, such as notes.txt@{{10m ago}}."
    if not history.store.versions.ever_at(path):
        return f"{path} is a folder; name a document in it."
    if version is None:
        return f"{path} did not exist then; `wukong log {path}` shows when it did."
    if version.exists:
        return f"{path} is {version.path} there: it was renamed."
    return f"{path} does not exist there: version {version.number} deletes it."
