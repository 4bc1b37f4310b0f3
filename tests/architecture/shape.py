"""Rules: a file says what it is for, is short, bears a telling name, and swallows no error (style, house rules)."""

from __future__ import annotations

import ast
import re

from tests.architecture.source import Source, Violation

MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 60
MAX_CODEC_FUNCTION_LINES = 70
CODECS = ("reader_daemon/protocols/", "cardcore/wire/")
MIGRATIONS = "server/migrations/versions/"
"""A migration's `upgrade` is one list of tables: its length is no complexity."""
MIN_PURPOSE_WORDS = 4

_EMPTY_NAME = re.compile(r"(^|_)(utils?|helpers?|managers?|common|base|misc|stuff)$")
_EMPTY_CLASS_NAME = re.compile(r"(Utils?|Helpers?|Managers?|Misc)$")
_BROAD = {"Exception", "BaseException"}
_LOG_METHODS = {"debug", "info", "warning", "error", "critical", "exception"}


def file_is_short(source: Source) -> list[Violation]:
    """No file has more than 450 lines."""
    lines = source.text.count("\n")
    if lines <= MAX_FILE_LINES:
        return []
    return [Violation(source.path, lines, f"{lines} lines, at most {MAX_FILE_LINES}")]


def functions_are_short(source: Source) -> list[Violation]:
    """No function has more than 60 lines, 70 in a codec; its docstring counts, its decorators do not."""
    path = str(source.path)
    if path.startswith(MIGRATIONS):
        return []
    limit = MAX_CODEC_FUNCTION_LINES if path.startswith(CODECS) else MAX_FUNCTION_LINES
    return [
        source.found(node, f"{node.name} has {lines} lines, at most {limit}")
        for node in source.nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > limit
    ]


def file_says_what_it_is_for(source: Source) -> list[Violation]:
    """Every file starts with a docstring; a folder's says in its first line what the folder is for."""
    purpose = (ast.get_docstring(source.tree) or "").strip().split("\n")[0]
    if len(purpose.split()) >= MIN_PURPOSE_WORDS:
        return []
    what = "folder" if source.path.name == "__init__.py" else "file"
    return [Violation(source.path, 1, f"the docstring must say in its first line what the {what} is for")]


def names_tell(source: Source) -> list[Violation]:
    """No file, folder or class bears a name that says nothing."""
    found = [
        Violation(source.path, 1, f"'{part}' says nothing of what is inside")
        for part in (*source.path.parts[:-1], source.path.stem)
        if _EMPTY_NAME.search(part)
    ]
    found += [
        source.found(node, f"class {node.name}: name it after what it does")
        for node in source.nodes
        if isinstance(node, ast.ClassDef) and _EMPTY_CLASS_NAME.search(node.name)
    ]
    return found


def errors_are_not_swallowed(source: Source) -> list[Violation]:
    """No bare `except`, no handler that does nothing, and a broad one raises, logs or uses what it caught."""
    found = []
    for node in source.nodes:
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                found.append(source.found(node, "bare except"))
            elif all(_does_nothing(statement) for statement in node.body):
                found.append(source.found(node, "a handler that does nothing; contextlib.suppress says so openly"))
            elif _names(node.type) & _BROAD and not _speaks(node):
                found.append(source.found(node, "a broad handler must raise, log, or use what it caught"))
        elif (
            isinstance(node, ast.Call)
            and source.qualified(node.func) == "contextlib.suppress"
            and any(_names(argument) & _BROAD for argument in node.args)
        ):
            found.append(source.found(node, "suppress() of every error"))
    return found


def _does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _names(node: ast.AST) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}


def _speaks(handler: ast.ExceptHandler) -> bool:
    for node in (inner for statement in handler.body for inner in ast.walk(statement)):
        match node:
            case ast.Raise():
                return True
            case ast.Call(func=ast.Attribute(attr=name)) if name in _LOG_METHODS:
                return True
            case ast.Name(id=name) if handler.name is not None and name == handler.name:
                return True
    return False
