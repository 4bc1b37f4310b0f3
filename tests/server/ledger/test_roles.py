"""The schema's lists of roles, kinds and units are those of the code; a count purse counts meals."""

from __future__ import annotations

import re
from enum import StrEnum

import pytest

from server.database import Database
from server.ledger.roles import LedgerRole, TransferKind, Unit, unit_of

CONSTRAINT = "select pg_get_constraintdef(oid) from pg_constraint where conname = '{}'"


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        ("ledger_account_role_check", LedgerRole),
        ("transfer_kind_check", TransferKind),
        ("ledger_account_unit_check", Unit),
    ],
)
def test_the_schema_knows_the_same_words(database: Database, constraint: str, words: type[StrEnum]) -> None:
    definition = database.read(lambda session: session.exec_driver_sql(CONSTRAINT.format(constraint)).scalar_one())
    assert set(re.findall(r"'(\w+)'", definition)) == {str(word) for word in words}


def test_only_count_purses_and_their_two_sides_hold_meals() -> None:
    meals = {role for role in LedgerRole if unit_of(role) is Unit.MEAL}
    assert meals == {LedgerRole.MEAL_RIGHTS, LedgerRole.MEALS_TAKEN}
    assert unit_of(LedgerRole.PURSE, "count") is Unit.MEAL
    assert unit_of(LedgerRole.PURSE, "cash") is Unit.FEN
