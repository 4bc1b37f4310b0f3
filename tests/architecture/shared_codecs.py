"""Rule: codecs that the mocks share with the daemon import nothing of the daemon but one another (design, section 1).

Which modules those are stands in the import contract `mocks-speak-bytes` of pyproject.toml, and nowhere else.
"""

from __future__ import annotations

import ast
import functools
import tomllib

from tests.architecture.source import ROOT, Source, Violation


@functools.cache
def shared_codecs() -> frozenset[str]:
    """Return the modules of the daemon that a mock may import."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    allowed = next(contract for contract in contracts if contract["id"] == "mocks-speak-bytes")["ignore_imports"]
    return frozenset(line.split(" -> ")[1] for line in allowed)


def shared_codecs_are_pure(source: Source) -> list[Violation]:
    """Let no shared codec draw the daemon's state machine in behind the mock's back."""
    module = ".".join(source.path.with_suffix("").parts)
    if module not in shared_codecs():
        return []
    return [
        source.found(node, f"{module} is shared with the mocks and may not import {name}")
        for node in source.nodes
        for name in _imported(node, module.rpartition(".")[0])
        if name.split(".")[0] == "reader_daemon" and name not in shared_codecs()
    ]


def _imported(node: ast.AST, package: str) -> list[str]:
    """Return the modules that an import statement names; `from package import module` names the module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    origin = node.module or ""
    if node.level:
        origin = ".".join(filter(None, [package, origin]))
    if origin in shared_codecs():
        return [origin]
    return [f"{origin}.{alias.name}" for alias in node.names]
