"""Rule: SQL stands in repositories, migrations and the two database modules, nowhere else (design, section 1).

The daemon's SQLite stands in its store. A model may give a column a default in SQL.
"""

from __future__ import annotations

import ast
from pathlib import PurePosixPath

from tests.architecture.source import Source, Violation

_BUILDERS = {"text", "select", "insert", "update", "delete", "union", "union_all", "exists", "literal_column"}
_RUNNERS = {"execute", "executemany", "exec_driver_sql", "scalar", "scalars"}
_DATABASE_MODULES = {"sqlalchemy", "psycopg", "sqlite3", "alembic"}
_ON_THE_DATABASE = {"server", "admin_web"}
"""Elsewhere a database module is not imported at all, and `execute` may be a reader's word."""


def sql_stands_in_repositories(source: Source) -> list[Violation]:
    """No statement is built or run outside the places that may."""
    if not source.is_product or _may_hold_sql(source.path):
        return []
    found = []
    for node in source.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom) and source.part not in _ON_THE_DATABASE:
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if any(name.split(".")[0] in _DATABASE_MODULES for name in names):
                found.append(source.found(node, "a database outside the store"))
        if not isinstance(node, ast.Call) or source.part not in _ON_THE_DATABASE:
            continue
        name = source.qualified(node.func) or ""
        module, _, function = name.rpartition(".")
        if module.split(".")[0] in _DATABASE_MODULES and function in _BUILDERS:
            if not (function == "text" and source.path.name == "models.py"):
                found.append(source.found(node, f"{function}() builds SQL; only a repository does"))
        elif isinstance(node.func, ast.Attribute) and node.func.attr in _RUNNERS and node.args:
            found.append(source.found(node, f".{node.func.attr}() runs SQL; only a repository does"))
    return found


def _may_hold_sql(path: PurePosixPath) -> bool:
    match path.parts:
        case ("server", "database.py" | "embedded_cluster.py") | ("server", "migrations", *_):
            return True
        case ("server", *_, name):
            return "repository" in name or "repository" in path.parent.name
        case ("reader_daemon", place, *_):
            return place in {"store", "store.py"}
    return False
