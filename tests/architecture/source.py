"""What an architecture rule looks at: the files of the tree, parsed once, and the names a file's imports stand for.

Rules are pure functions of one `Source`; only `tracked_files` and `tree_sources` here touch the disk.
"""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cardcore", "reader_daemon", "server", "admin_web", "firmware_mocks")


class Violation(NamedTuple):
    """One place where a rule is broken; `line` counts from 1."""

    path: PurePosixPath
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Source:
    """One Python file, its path relative to the top of the tree."""

    path: PurePosixPath
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        """Return the parsed file."""
        return ast.parse(self.text)

    @functools.cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Return every node of the file."""
        return tuple(ast.walk(self.tree))

    @property
    def part(self) -> str:
        """Return the top folder."""
        return self.path.parts[0]

    @property
    def is_product(self) -> bool:
        """Tell whether this is code that ships, and no test."""
        return self.part in PACKAGES

    @functools.cached_property
    def imports(self) -> dict[str, str]:
        """Map each name that an import binds to what it stands for: `{"dt": "datetime.datetime"}`."""
        bound: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.split(".")[0]
                    bound[name] = alias.name if alias.asname else name
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    bound[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return bound

    def qualified(self, node: ast.AST) -> str | None:
        """Return the full dotted name behind `node` where it starts at an import, else None."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.imports:
            return None
        return ".".join([self.imports[node.id], *reversed(parts)])

    def found(self, node: ast.AST, message: str) -> Violation:
        """Return a violation at `node`."""
        return Violation(self.path, getattr(node, "lineno", 1), message)


Rule = Callable[[Source], list[Violation]]


@functools.cache
def tracked_files() -> tuple[PurePosixPath, ...]:
    """Return every file that git tracks or would, relative to the top; deleted ones are left out."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(PurePosixPath(name) for name in sorted(set(listed.split("\0"))) if name and (ROOT / name).is_file())


@functools.cache
def tree_sources() -> tuple[Source, ...]:
    """Return every Python file of the tree."""
    return tuple(
        Source(path, (ROOT / path).read_text(encoding="utf-8")) for path in tracked_files() if path.suffix == ".py"
    )
