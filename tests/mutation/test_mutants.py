"""The mutants: every kind of mistake is made, one at a time, and each is a program that runs."""

from __future__ import annotations

import ast

from tests.mutation.mutants import mutants
from tests.mutation.run import drawn, source_of
from tests.mutation.targets import TARGETS

SOURCE = '''
"""Said to people: not broken, 1 == 1."""
LIMIT: int = 3
def rule(amount: int, names: list[str]) -> str:
    """Said to people."""
    _log.info("seen", amount=1)
    names.append("one")
    if not names and amount < LIMIT or amount == 0:
        return "low"
    assert amount > 1
    amount += 2
    return names[min(amount, 1)] if True else ""
'''


def test_every_kind_of_mistake_is_made_and_nothing_said_to_people_is_touched() -> None:
    found = {(mutant.line, mutant.what) for mutant in mutants(SOURCE)}
    assert found >= {
        (8, "LtE for Lt in amount < LIMIT"),
        (7, "without names.append('one')"),
        (8, "NotEq for Eq in amount == 0"),
        (8, "1 for 0"),
        (8, "names without its not"),
        (8, "and/or turned in not names and amount < LIMIT"),
        (8, "not (not names and amount < LIMIT or amount == 0)"),
        (9, "return None for 'low'"),
        (11, "Sub in amount += 2"),
        (11, "without amount += 2"),
        (12, "max for min"),
        (12, "False for True"),
    }
    assert not {line for line, _ in found} & {2, 5, 6, 10}


def test_each_mutant_differs_and_compiles() -> None:
    whole = ast.unparse(ast.parse(SOURCE))
    for mutant in mutants(SOURCE):
        assert ast.unparse(mutant.tree()) != whole
        compile(mutant.tree(), "mutant", "exec")


def test_every_target_has_mutants_and_a_sample_is_the_same_every_time() -> None:
    for target in TARGETS:
        assert all(source_of(module).is_file() for module in target.modules)
        first, again = (drawn(target, "", 20) for _ in range(2))
        assert len(first) == 20
        assert [(name, one.line, one.what) for name, one in first] == [
            (name, one.line, one.what) for name, one in again
        ]
