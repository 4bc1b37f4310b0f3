"""Monthly subsidies (C24, C25): a plan gives a category so much a month; `run_month` books it once a month and person.

`reset` takes what is left of the month before first, `accumulate` keeps it. A second run of a month gives to those who
joined since and to nobody twice. A meal of last month that a till reports later takes from the new month's subsidy.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from cardcore.ids import AccountId, CategoryId, SiteId, TransferId
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.audit.service import SYSTEM_ACTOR, Deed, record
from server.database import WriteSession
from server.ledger.booking import About, Booking, LockedPurse
from server.ledger.roles import TransferKind
from server.ledger.service import business_day
from server.people import repository as people_rows
from server.subsidies import repository
from server.subsidies.batches import ROUTES, BatchKind
from server.system import System

MAX_PLAN_ID = 20
PURSES = {"subsidy": BatchKind.SUBSIDY, "count": BatchKind.MEALS}
LAPSES = {"subsidy": TransferKind.SUBSIDY_LAPSE, "count": TransferKind.MEAL_RIGHTS_LAPSE}


class PlanMode(StrEnum):
    """What happens to what is left when a month begins."""

    RESET = "reset"
    ACCUMULATE = "accumulate"


class PlanRefusal(StrEnum):
    """Why a plan is not taken or a month not run."""

    ID_UNUSABLE = "id_unusable"
    UNKNOWN_CATEGORY = "unknown_category"
    UNKNOWN_PURSE = "unknown_purse"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    NOT_A_MONTH = "not_a_month"
    """Months are given by their first day, and a plan does not end before it begins."""
    CLASHES = "clashes"
    """Another plan gives to this category and purse in one of these months."""
    CHANGES_TOO_MUCH = "changes_too_much"
    """Of a plan that stands only amount and end change; end it and make another."""
    NOT_THIS_MONTH = "not_this_month"


@dataclass(frozen=True, slots=True)
class Plan:
    """So much a month for everybody of a category; meals for the purse `count`, else fen."""

    id: str
    category: CategoryId
    amount: Fen
    mode: PlanMode
    from_month: date
    until_month: date | None = None
    purse: str = "subsidy"


@dataclass(frozen=True, slots=True)
class MonthRun:
    """What one run did for one plan; `capped` people got less, for more would pass their highest balance."""

    plan: str
    given: int
    total: Fen
    lapsed: Fen
    capped: int


def put_plan(session: WriteSession, system: System, site_id: SiteId, plan: Plan, actor: str) -> PlanRefusal | None:
    """Make a plan, or change amount and end of one that stands; reached only through an approval."""
    refusal = _refusal(session, site_id, plan)
    if refusal is not None:
        return refusal
    row = _row(site_id, plan)
    if repository.clashing_plan(session, row) is not None:
        return PlanRefusal.CLASHES
    before = repository.plan(session, site_id, plan.id)
    fixed = ("category_id", "purse", "mode", "from_month")
    if before is not None and any(before[key] != row[key] for key in fixed):
        return PlanRefusal.CHANGES_TOO_MUCH
    repository.put_plan(session, row)
    after = {key: str(value) for key, value in row.items() if key not in {"site_id", "id"}}
    old = None if before is None else {key: str(before[key]) for key in after}
    record(session, system, site_id, Deed(actor, "subsidy_plan_put", f"plan:{plan.id}", old, after))
    return None


def run_month(
    session: WriteSession, system: System, site_id: SiteId, month: date, actor: str = SYSTEM_ACTOR
) -> tuple[MonthRun, ...] | PlanRefusal:
    """Give the current month's subsidies to all who have not got them; a slip in the month resets nobody's purse."""
    if business_day(session, system, site_id).replace(day=1) != month:
        return PlanRefusal.NOT_THIS_MONTH
    plans = repository.plans_of(session, site_id, month)
    return tuple(_run(session, system, site_id, plan, month, actor) for plan in plans)


def _run(session: WriteSession, system: System, site_id: SiteId, plan: RowMapping, month: date, actor: str) -> MonthRun:
    kind = PURSES[plan["purse"]]
    route, number = ROUTES[kind], f"plan:{plan['id']}:{month:%Y-%m}"
    batch = _batch(session, system, site_id, kind, number, actor)
    accounts = [AccountId(row) for row in repository.entitled(session, site_id, plan["category_id"], batch["id"])]
    if not accounts:
        return MonthRun(plan["id"], 0, Fen(0), Fen(0), 0)
    booking = Booking(session, system, site_id, actor)
    place = booking.books(route.role, route.name)
    purses = booking.lock((account, route.purse) for account in accounts)
    lines: list[dict[str, Any]] = []
    lapsed = 0
    for line, (key, purse) in enumerate(sorted(purses.items()), batch["lines"] + 1):
        if plan["mode"] == PlanMode.RESET and purse.balance > 0:
            lapsed += purse.balance
            booking.move(LAPSES[route.purse], (purse.id, place), purse.balance, About(number))
        given = _fitting(purse, plan["amount_fen"])
        transfer = TransferId(system.ids.uuid7())
        if given:
            booking.move(route.kind, (place, purse.id), given, About(number), transfer)
            lines.append(
                {"batch_id": batch["id"], "site_id": site_id, "line": line, "account_id": key[0],
                 "amount_fen": given, "reference": None, "transfer_id": transfer}
            )  # fmt: skip
    booking.write()
    repository.insert_lines(session, lines)
    total = sum(line["amount_fen"] for line in lines)
    done = {"lines": batch["lines"] + len(purses), "total_fen": batch["total_fen"] + total}
    repository.mark_booked(session, {"id": batch["id"], **done, "at": system.clock.now()})
    run = MonthRun(
        plan["id"], len(lines), Fen(total), Fen(lapsed),
        sum(1 for line in lines if line["amount_fen"] < plan["amount_fen"]) + len(purses) - len(lines),
    )  # fmt: skip
    after = {"given": run.given, "total_fen": run.total, "lapsed_fen": run.lapsed, "capped": run.capped}
    record(session, system, site_id, Deed(actor, "subsidy_month_run", f"batch:{number}", after=after))
    return run


def _batch(
    session: WriteSession, system: System, site_id: SiteId, kind: BatchKind, number: str, actor: str
) -> RowMapping:
    """Return the month's batch, locked: two runs at one time follow one another."""
    row = {
        "id": system.ids.uuid7(), "site_id": site_id, "number": number, "kind": kind, "lines": 0, "total_fen": 0,
        "content_hash": hashlib.sha256(number.encode()).digest(), "source": number, "made_by": actor,
        "made_at": system.clock.now(),
    }  # fmt: skip
    repository.insert_batch(session, row)
    known = repository.batch_by_number(session, site_id, number)
    locked = repository.lock_batch(session, site_id, UUID(str(known["id"]))) if known is not None else None
    if locked is None:
        msg = f"the batch {number} was there and is not"
        raise RuntimeError(msg)
    return locked


def _fitting(purse: LockedPurse, amount: int) -> int:
    return amount if purse.highest is None else max(0, min(amount, purse.highest - purse.balance))


def _refusal(session: WriteSession, site_id: SiteId, plan: Plan) -> PlanRefusal | None:
    if not plan.id.strip() or len(plan.id) > MAX_PLAN_ID or ":" in plan.id:
        return PlanRefusal.ID_UNUSABLE
    if plan.category not in people_rows.category_ids(session, site_id):
        return PlanRefusal.UNKNOWN_CATEGORY
    if plan.purse not in PURSES:
        return PlanRefusal.UNKNOWN_PURSE
    if not 0 < plan.amount <= MAX_AMOUNT_FEN:
        return PlanRefusal.AMOUNT_OUT_OF_RANGE
    until = plan.until_month or plan.from_month
    if plan.from_month.day != 1 or until.day != 1 or until < plan.from_month:
        return PlanRefusal.NOT_A_MONTH
    return None


def _row(site_id: SiteId, plan: Plan) -> dict[str, Any]:
    return {
        "site_id": site_id, "id": plan.id, "category_id": plan.category, "purse": plan.purse,
        "amount_fen": plan.amount, "mode": plan.mode, "from_month": plan.from_month, "until_month": plan.until_month,
    }  # fmt: skip
