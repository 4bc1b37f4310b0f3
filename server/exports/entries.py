"""Journal entries for other programs: one a business day, stall, meal and reason, each in balance (C75, N6). No I/O.

Debits are positive here, as bookkeeping programs have it. Holders' purses appear together by kind: no person is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from server.ledger.roles import LedgerRole
from server.reports.books import Account, BalanceLine, Movement


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; the lines sum to zero. `count` is how many transfers it stands for."""

    day: date
    kind: str
    stall: str
    meal: str
    count: int
    lines: tuple[tuple[Account, int], ...]


@dataclass(frozen=True, slots=True)
class Books:
    """What is exported: entries in order of day, what stood before them, and what must stand after a day.

    `opening` and `closing` are debit balances in fen; `closing` comes from the closes or from the ledger's own sums,
    not from the entries, so that the other program really checks.
    """

    from_day: date
    through_day: date
    opening: Mapping[Account, int]
    entries: tuple[Entry, ...]
    closing: Mapping[date, Mapping[Account, int]]


def entries_of(movements: Iterable[Movement]) -> tuple[Entry, ...]:
    """Put movements, which come by day, kind and meal, together into entries."""
    keyed = sorted(movements, key=_key)
    return tuple(_entry(key, tuple(group)) for key, group in groupby(keyed, key=_key))


def balances_before(lines: Iterable[BalanceLine]) -> dict[Account, int]:
    """Return the debit balances that stood before the first day of a trial balance."""
    return {Account(line.role, line.name): -line.opening for line in lines if line.opening}


def balances_after(lines: Iterable[BalanceLine]) -> dict[Account, int]:
    """Return the debit balances at the end of a trial balance."""
    return {Account(line.role, line.name): -line.closing for line in lines}


def _key(movement: Movement) -> tuple[date, str, str, str]:
    stall = next((side.name for side in (movement.target, movement.source) if side.role == LedgerRole.STALL), "")
    return movement.day, movement.kind, stall, movement.meal


def _entry(key: tuple[date, str, str, str], movements: tuple[Movement, ...]) -> Entry:
    sums: dict[Account, int] = {}
    for movement in movements:
        sums[movement.source] = sums.get(movement.source, 0) + movement.amount
        sums[movement.target] = sums.get(movement.target, 0) - movement.amount
    day, kind, stall, meal = key
    lines = tuple((account, fen) for account, fen in sorted(sums.items()) if fen)
    return Entry(day, kind, stall, meal, sum(movement.count for movement in movements), lines)
