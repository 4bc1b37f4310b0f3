"""What a category may hold and owe (C29, C30, C80), and the list of those who owe (C81).

A floor holds for new meals decided online; a meal served offline always posts, however low the purse goes then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import RowMapping

from cardcore.ids import AccountId, CategoryId, PersonId, SiteId
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.audit.service import Deed, record
from server.database import ReadSession, WriteSession
from server.ledger import purse_repository as repository
from server.people import repository as people_rows
from server.reports.paging import Page, page_of
from server.system import System

ALL_CATEGORIES = CategoryId("*")
RULED_KINDS = frozenset({"cash", "subsidy", "count"})
AGES = (timedelta(days=7), timedelta(days=30), timedelta(days=90))
"""Bounds of the age classes of a debt."""


class RuleRefusal(StrEnum):
    """Why a rule is not taken."""

    UNKNOWN_CATEGORY = "unknown_category"
    UNKNOWN_KIND = "unknown_kind"
    OUT_OF_RANGE = "out_of_range"
    """The floor is above the highest balance, or either is not believable."""


@dataclass(frozen=True, slots=True)
class PurseRule:
    """For the purses of one kind of one category: how low a charge may take them, how much a credit may fill them.

    A floor below zero is credit, one above zero a balance that may not be spent. Meals for a count purse, else fen.
    """

    kind: str
    category: CategoryId = ALL_CATEGORIES
    floor: Fen = Fen(0)
    highest: Fen | None = None


@dataclass(frozen=True, slots=True)
class Debt:
    """A purse below zero. `age_class` is 0 for the youngest, `len(AGES)` for the oldest."""

    account: AccountId
    person: PersonId
    number: str
    name: str
    kind: str
    owed: Fen
    since: datetime
    age_class: int


def put_rule(session: WriteSession, system: System, site_id: SiteId, rule: PurseRule, actor: str) -> RuleRefusal | None:
    """Set a rule; the floors of purses that exist follow at once, balances are never touched."""
    known = {ALL_CATEGORIES, *people_rows.category_ids(session, site_id)}
    if rule.category not in known:
        return RuleRefusal.UNKNOWN_CATEGORY
    if rule.kind not in RULED_KINDS:
        return RuleRefusal.UNKNOWN_KIND
    highest = MAX_AMOUNT_FEN if rule.highest is None else rule.highest
    if not -MAX_AMOUNT_FEN <= rule.floor < highest <= MAX_AMOUNT_FEN or highest <= 0:
        return RuleRefusal.OUT_OF_RANGE
    before = repository.rule(session, site_id, rule.category, rule.kind)
    after = {"floor_fen": rule.floor, "max_balance_fen": rule.highest}
    repository.put_rule(session, {"site_id": site_id, "category_id": rule.category, "kind": rule.kind, **after})
    subject = f"purse_rule:{rule.category}/{rule.kind}"
    record(session, system, site_id, Deed(actor, "purse_rule_put", subject, before=_plain(before), after=after))
    return None


def debts(session: ReadSession, site_id: SiteId, page: int, now: datetime) -> Page[Debt]:
    """Return who owes, the longest first."""

    def rows(limit: int, offset: int) -> list[Debt]:
        return [_debt(row, now) for row in repository.debts(session, site_id, limit, offset)]

    return page_of(page, rows, lambda: None)


def _debt(row: RowMapping, now: datetime) -> Debt:
    since = row["since"] or now
    return Debt(
        AccountId(row["account_id"]), PersonId(row["person_id"]), row["number"], row["name"], row["kind"],
        Fen(-row["balance_fen"]), since, sum(1 for bound in AGES if now - since > bound),
    )  # fmt: skip


def _plain(row: RowMapping | None) -> dict[str, int | None] | None:
    return None if row is None else {"floor_fen": row["floor_fen"], "max_balance_fen": row["max_balance_fen"]}
