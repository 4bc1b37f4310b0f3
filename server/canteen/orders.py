"""Meals ahead: what a holder orders and collects with the card, and how many a unit reports (C8, S13).

An order is collected by charges in force, so nothing is written at the counter: the tap itself is the proof, and a
charge taken back is not collected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta

from sqlalchemy import RowMapping

from cardcore.ids import PersonId, SiteId
from server.audit.service import Deed, record
from server.canteen import order_repository, repository
from server.database import ReadSession, WriteSession
from server.ledger.service import business_day
from server.people import repository as people_rows
from server.system import System

MAX_DAYS_AHEAD = 31
MAX_PORTIONS = 20
MAX_REPORTED = 100_000


@dataclass(frozen=True, slots=True)
class MealOrder:
    """So many portions of a meal at a stall for one person; 0 cancels."""

    person_id: PersonId
    business_day: date
    meal_id: str
    stall_id: str
    portions: int = 1


@dataclass(frozen=True, slots=True)
class Forecast:
    """How many meals a unit expects to take."""

    department_id: str
    business_day: date
    meal_id: str
    count: int


def put_order(session: WriteSession, system: System, site_id: SiteId, order: MealOrder, actor: str) -> str | None:
    """Order, change or cancel; return what is wrong, or None. What was collected already cannot be cancelled."""
    problem = _when_problem(session, system, site_id, order.business_day, order.meal_id)
    if problem is not None:
        return problem
    if not 0 <= order.portions <= MAX_PORTIONS:
        return f"an order is 0 to {MAX_PORTIONS} portions"
    if order.stall_id not in {row["id"] for row in repository.stall_rows(session, site_id)}:
        return f"there is no stall {order.stall_id}"
    if people_rows.lock(session, site_id, order.person_id) is None:
        return "there is no such person"
    taken = order_repository.collected(
        session, site_id, order.person_id, order.business_day, order.meal_id, order.stall_id
    )
    if order.portions < taken:
        return f"{taken} of them were collected already"
    own = {"id": system.ids.uuid7(), "site_id": site_id, "ordered_at": system.clock.now(), "ordered_by": actor}
    order_repository.upsert_order(session, {**asdict(order), **own})
    name = f"order:{order.person_id}/{order.business_day}/{order.meal_id}/{order.stall_id}"
    record(session, system, site_id, Deed(actor, "meal_ordered", name, after={"portions": order.portions}))
    return None


def report_meals(session: WriteSession, system: System, site_id: SiteId, forecast: Forecast, actor: str) -> str | None:
    """Take a unit's count of meals ahead; a later report replaces it. Return what is wrong, or None."""
    problem = _when_problem(session, system, site_id, forecast.business_day, forecast.meal_id)
    if problem is not None:
        return problem
    if not 0 <= forecast.count <= MAX_REPORTED:
        return f"a unit reports 0 to {MAX_REPORTED} meals"
    if forecast.department_id not in people_rows.department_ids(session, site_id):
        return f"there is no department {forecast.department_id}"
    row = {**asdict(forecast), "site_id": site_id, "reported_at": system.clock.now(), "reported_by": actor}
    order_repository.upsert_forecast(session, row)
    name = f"forecast:{forecast.department_id}/{forecast.business_day}/{forecast.meal_id}"
    record(session, system, site_id, Deed(actor, "meals_reported", name, after={"count": forecast.count}))
    return None


def meals_ahead(session: ReadSession, site_id: SiteId, day: date) -> Sequence[RowMapping]:
    """Return what the kitchen must know of a day, a row a meal: portions ordered, collected, and reported by units."""
    return order_repository.totals(session, site_id, day)


def _when_problem(session: WriteSession, system: System, site_id: SiteId, day: date, meal_id: str) -> str | None:
    today = business_day(session, system, site_id)
    if not today <= day <= today + timedelta(days=MAX_DAYS_AHEAD):
        return f"meals are ordered from today to {MAX_DAYS_AHEAD} days ahead"
    if meal_id not in {row["id"] for row in repository.meal_rows(session, site_id)}:
        return f"there is no meal {meal_id}"
    return None
