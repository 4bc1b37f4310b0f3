"""Rule: money is integer fen; no float comes near it, and only cardcore.money divides it (design, decision 4)."""

from __future__ import annotations

import ast
import re

from tests.architecture.source import Source, Violation

DIVIDES = "cardcore/money.py"
_MONEY = re.compile(r"(^|_)(fen|yuan|amount|amounts|price|prices|balance|balances|money|overdraft)(_|$)", re.IGNORECASE)
_DIVISIONS = (ast.Div, ast.FloorDiv, ast.Mod)


def no_float_near_money(source: Source) -> list[Violation]:
    """No float annotation, call, literal, rounding or division on a name that means money."""
    if not source.is_product or str(source.path) == DIVIDES:
        return []
    found = []
    for node in source.nodes:
        match node:
            case ast.AnnAssign(target=target, annotation=annotation) if _money(target) and _says_float(annotation):
                found.append(source.found(node, "money is integer fen, not float"))
            case ast.arg(arg=name, annotation=ast.AST() as annotation) if _MONEY.search(name) and _says_float(
                annotation
            ):
                found.append(source.found(node, f"{name} is money: integer fen, not float"))
            case ast.FunctionDef(name=name, returns=ast.AST() as returns) if _MONEY.search(name) and _says_float(
                returns
            ):
                found.append(source.found(node, f"{name} returns money: integer fen, not float"))
            case ast.Call(func=ast.Name(id="float" | "round" | "divmod" as called), args=args) if any(
                map(_money, args)
            ):
                found.append(source.found(node, f"{called}() on money"))
            case ast.BinOp(op=operator, left=left, right=right) if _money(left) or _money(right):
                if isinstance(operator, _DIVISIONS) and not _is_text(left):
                    found.append(source.found(node, f"only {DIVIDES} divides money"))
                elif any(isinstance(side, ast.Constant) and isinstance(side.value, float) for side in (left, right)):
                    found.append(source.found(node, "a float literal beside money"))
    return found


def _money(node: ast.AST) -> bool:
    """Tell whether the value of `node` is money by its name: `price`, `account.balance_fen`, `tariff["price"]`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Call(func=ast.Name(id=name)):
            return bool(_MONEY.search(name))
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return bool(_MONEY.search(name))
        case ast.UnaryOp(operand=operand):
            return _money(operand)
        case ast.BinOp(left=left, right=right):
            return _money(left) or _money(right)
    return False


def _says_float(annotation: ast.AST) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "float" for node in ast.walk(annotation))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
