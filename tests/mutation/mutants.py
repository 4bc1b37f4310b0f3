"""Small mistakes in a module's source, one at a time: a turned comparison, a number one too high, a line left out.

Pure: source in, mutants out. A mutant is made on the syntax tree, so every one of them compiles. What is only said to
people (docstrings, log lines, annotations, assertions) is left alone.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_COUNTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}
_SKIPPED = (ast.AnnAssign, ast.Assert, ast.Import, ast.ImportFrom)

Change = Callable[[ast.AST], None]
"""Breaks a node in place."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake: in which line, what it is, and how it is made."""

    line: int
    what: str
    source: str
    place: int
    """Which of the module's places."""
    change: Change

    def tree(self) -> ast.Module:
        """Return the module with the mistake."""
        tree = ast.parse(self.source)
        self.change(next(itertools.islice(_places(tree), self.place, None)))
        return ast.fix_missing_locations(tree)


def mutants(source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module, in the order of its lines."""
    for index, node in enumerate(_places(ast.parse(source))):
        for what, change in _changes(node):
            yield Mutant(getattr(node, "lineno", 0), what, source, index, change)


def _places(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes in which a mistake may be made, in a fixed order."""
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list", "bases", "keywords_of_class", "type_params"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _said_to_people(child):
                continue
            yield child
            yield from _places(child)


def _said_to_people(node: ast.AST) -> bool:
    if isinstance(node, ast.AnnAssign):
        return node.value is None
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return ast.unparse(node.value.func).startswith("_log.")
    return isinstance(node, _SKIPPED) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    yield from _value_changes(node)
    match node:
        case ast.If() | ast.IfExp() | ast.While():
            yield f"not ({ast.unparse(node.test)})", _negated
        case ast.Expr(ast.Call()) | ast.AugAssign():
            yield f"without {ast.unparse(node)[:60]}", _left_out
        case ast.Return(value) if value is not None and not _is_none(value):
            yield f"return None for {ast.unparse(value)[:60]}", _returns_nothing
        case _:
            pass


def _value_changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    match node:
        case ast.Compare(_, ops):
            for number, found in enumerate(ops):
                if type(found) in _COMPARED:
                    other = _COMPARED[type(found)]
                    yield f"{other.__name__} for {type(found).__name__} in {ast.unparse(node)[:60]}", _compares(number)
        case ast.BoolOp():
            yield f"and/or turned in {ast.unparse(node)[:60]}", _turned
        case ast.UnaryOp(ast.Not()):
            yield f"{ast.unparse(node.operand)[:60]} without its not", _affirmed
        case ast.BinOp() | ast.AugAssign() if type(node.op) in _COUNTED:
            yield f"{_COUNTED[type(node.op)].__name__} in {ast.unparse(node)[:60]}", _counted
        case ast.Constant(bool(value)):
            yield f"{not value} for {value}", lambda place: setattr(place, "value", not place.value)  # type: ignore[attr-defined]
        case ast.Constant(int(value)):
            yield f"{value + 1} for {value}", lambda place: setattr(place, "value", place.value + 1)  # type: ignore[attr-defined]
        case ast.Call(ast.Name(name)) if name in _CALLED:
            yield f"{_CALLED[name]} for {name}", lambda place: setattr(place.func, "id", _CALLED[place.func.id])  # type: ignore[attr-defined]
        case _:
            pass


def _compares(number: int) -> Change:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.Compare)
        node.ops[number] = _COMPARED[type(node.ops[number])]()

    return change


def _turned(node: ast.AST) -> None:
    assert isinstance(node, ast.BoolOp)
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()


def _affirmed(node: ast.AST) -> None:
    """Say `not not x`, which is `x`: a node cannot take its own place."""
    assert isinstance(node, ast.UnaryOp)
    node.operand = ast.UnaryOp(ast.Not(), node.operand)


def _counted(node: ast.AST) -> None:
    assert isinstance(node, ast.BinOp | ast.AugAssign)
    node.op = _COUNTED[type(node.op)]()


def _negated(node: ast.AST) -> None:
    assert isinstance(node, ast.If | ast.IfExp | ast.While)
    node.test = ast.UnaryOp(ast.Not(), node.test)


def _left_out(node: ast.AST) -> None:
    """Leave a statement out: nothing is left of a call, and nothing is added where something was."""
    if isinstance(node, ast.Expr):
        node.value = ast.Constant(value=None)
    else:
        assert isinstance(node, ast.AugAssign)
        node.op, node.value = ast.Add(), ast.Constant(value=0)


def _returns_nothing(node: ast.AST) -> None:
    assert isinstance(node, ast.Return)
    node.value = None


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None
