"""What is not captured, and why: ignore files, likely secrets, and our own names."""

from __future__ import annotations

import fnmatch
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable
from typing import NamedTuple

from pathspec import GitIgnoreSpec

from workspace.store.location import LINK
from workspace.working_copy.files import TEMPORARY

IGNORE_FILES = (".gitignore", ".wukongignore")
_TEMPORARY = TEMPORARY.decode()
VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".jj"})
SECRETS = (
    ".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", "*.keystore", "*.jks", "id_rsa*", "id_dsa*",
    "id_ecdsa*", "id_ed25519*", ".netrc", ".pgpass", ".npmrc", ".pypirc", ".htpasswd", "credentials",
    "credentials.json", "*.kdbx", "*.ovpn", "secrets.y*ml", "service-account*.json",
)  # fmt: skip
CACHES = (
    "__pycache__", "*.pyc", "*.pyo", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".tox", ".nox",
    ".venv", "venv", "node_modules", "target", "dist", ".next", ".gradle", ".cache", ".parcel-cache", ".DS_Store",
)  # fmt: skip
"""Names of what a build makes again: neither recorded nor kept, unless an ignore file takes it back in (``!``)."""
EDITORS = (".*.sw?", ".*.swpx", ".#*", "#*#", ".~lock.*#", ".*.kate-swp", ".nfs*")
"""Names of what an editor has beside a file while it is open: ignored, unless an ignore file takes it back in."""
HARMLESS = (".env.example", ".env.sample", ".env.template", ".env.dist", "*.pub")


def is_ours(name: str) -> bool:
    """Whether a name is never a document: version control's and our own."""
    return name in VERSION_CONTROL or name == LINK or name.startswith(_TEMPORARY)


def is_secret(name: str) -> bool:
    """Whether a file's name says that it likely holds a secret."""
    lower = name.lower()
    if any(fnmatch.fnmatchcase(lower, pattern) for pattern in HARMLESS):
        return False
    return any(fnmatch.fnmatchcase(lower, pattern) for pattern in SECRETS)


def is_editors(name: str) -> bool:
    """Whether a file of this name is an editor's own, there while another one is open."""
    return name[0] in ".#" and any(fnmatch.fnmatchcase(name, pattern) for pattern in EDITORS)


class Caches:
    """The names of files and folders that are caches or builds, as patterns of a shell."""

    def __init__(self, patterns: Iterable[str] = CACHES) -> None:
        self.patterns = tuple(sorted(patterns))
        self._names = frozenset(pattern for pattern in self.patterns if not _is_pattern(pattern))
        self._others = tuple(pattern for pattern in self.patterns if _is_pattern(pattern))

    def __contains__(self, name: str) -> bool:
        return name in self._names or any(fnmatch.fnmatchcase(name, pattern) for pattern in self._others)


def _is_pattern(text: str) -> bool:
    return not set("*?[").isdisjoint(text)


DEFAULT_CACHES = Caches()


class _Level(NamedTuple):
    prefix: str
    spec: GitIgnoreSpec


class Rules:
    """The ignore files in force in one folder: its own and those above it; the nearest wins."""

    def __init__(self, levels: tuple[_Level, ...] = (), caches: Caches = DEFAULT_CACHES) -> None:
        self._levels = levels
        self.caches = caches

    def below(self, folder: str, read: Callable[[str], bytes | None], names: Iterable[str]) -> Rules:
        """The rules inside ``folder`` (``""`` is the root), given how to read the files named there."""
        levels = self._levels
        prefix = f"{folder}/" if folder else ""
        for name in IGNORE_FILES:
            if name in names and (data := read(prefix + name)) is not None:
                text = data.removeprefix(BOM_UTF8).decode("utf-8", "surrogateescape")
                lines = [line.removesuffix("\r") for line in text.split("\n")]
                levels = (*levels, _Level(prefix, _spec(lines)))
        return self if levels is self._levels else Rules(levels, self.caches)

    def verdict(self, path: str, *, folder: bool = False) -> bool | None:
        """True where ignored, False where a rule takes it back in (``!``), None where none speaks."""
        for prefix, spec in reversed(self._levels):
            inside = path[len(prefix) :] + ("/" if folder else "")
            answer = spec.check_file(inside).include
            if answer is not None:
                return answer
        return None


def _spec(lines: list[str]) -> GitIgnoreSpec:
    """A spec of the lines that are valid patterns; a broken one must not hide the others."""
    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:
        good = []
        for line in lines:
            try:
                GitIgnoreSpec.from_lines([line])
            except ValueError:
                continue
            good.append(line)
        return GitIgnoreSpec.from_lines(good)
