"""The SQL of how tills charge: their settings, limits, rates, eligibility, departments on credit, and PINs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def update_till(session: Connection, row: Mapping[str, Any]) -> bool:
    """Write how a till charges and its caps; tell whether there is such a till."""
    return session.execute(_UPDATE_TILL, row).rowcount > 0


def limit_rows(session: Connection, site_id: UUID) -> Rows:
    """Return all limits in order of id."""
    return session.execute(_LIMITS, {"site_id": site_id}).mappings().all()


def upsert_limit(session: Connection, row: Mapping[str, Any]) -> None:
    """Add or change a limit."""
    session.execute(_UPSERT_LIMIT, row)


def delete_limit(session: Connection, site_id: UUID, limit_id: str) -> bool:
    """Take a limit away; tell whether there was one."""
    return session.execute(_DELETE_LIMIT, {"site_id": site_id, "id": limit_id}).rowcount > 0


def rate_rows(session: Connection, site_id: UUID) -> Rows:
    """Return all rates in order of stall and category."""
    return session.execute(_RATES, {"site_id": site_id}).mappings().all()


def upsert_rate(session: Connection, row: Mapping[str, Any]) -> None:
    """Add or change a rate."""
    session.execute(_UPSERT_RATE, row)


def delete_rate(session: Connection, site_id: UUID, stall_id: str, category_id: str) -> bool:
    """Take a rate away; tell whether there was one."""
    parameters = {"site_id": site_id, "stall_id": stall_id, "category_id": category_id}
    return session.execute(_DELETE_RATE, parameters).rowcount > 0


def meal_subsidy_rows(session: Connection, site_id: UUID) -> Rows:
    """Return all subsidies of first taps, in order of stall, meal and category."""
    return session.execute(_MEAL_SUBSIDIES, {"site_id": site_id}).mappings().all()


def upsert_meal_subsidy(session: Connection, row: Mapping[str, Any]) -> None:
    """Add or change a subsidy of first taps."""
    session.execute(_UPSERT_MEAL_SUBSIDY, row)


def delete_meal_subsidy(session: Connection, row: Mapping[str, Any]) -> bool:
    """Take a subsidy of first taps away (site_id, stall_id, meal_id, category_id); tell whether there was one."""
    return session.execute(_DELETE_MEAL_SUBSIDY, row).rowcount > 0


def eligibility_rows(session: Connection, site_id: UUID) -> Rows:
    """Return who may eat where, in order of stall and meal."""
    return session.execute(_ELIGIBILITIES, {"site_id": site_id}).mappings().all()


def upsert_eligibility(session: Connection, row: Mapping[str, Any]) -> None:
    """Say who may eat at a stall in a meal."""
    session.execute(_UPSERT_ELIGIBILITY, row)


def delete_eligibility(session: Connection, site_id: UUID, stall_id: str, meal_id: str) -> bool:
    """Let everybody eat there again; tell whether there was a rule."""
    parameters = {"site_id": site_id, "stall_id": stall_id, "meal_id": meal_id}
    return session.execute(_DELETE_ELIGIBILITY, parameters).rowcount > 0


def set_department_credit(session: Connection, site_id: UUID, department_id: str, *, credit: bool) -> bool:
    """Let a department pay on credit, or no longer; tell whether there is one."""
    parameters = {"site_id": site_id, "id": department_id, "credit": credit}
    return session.execute(_SET_CREDIT, parameters).rowcount > 0


def cards_of_department(session: Connection, site_id: UUID, department_id: str) -> list[UUID]:
    """Return the cards of a department's people."""
    return list(session.execute(_CARDS_OF, {"site_id": site_id, "id": department_id}).scalars())


def upsert_pin(session: Connection, row: Mapping[str, Any]) -> None:
    """Store a new PIN, with no failures yet."""
    session.execute(_UPSERT_PIN, row)


def lock_pin(session: Connection, site_id: UUID, credential: str) -> RowMapping | None:
    """Lock and return the PIN of the account behind a credential, or None when it has none."""
    return session.execute(_LOCK_PIN, {"site_id": site_id, "key": credential}).mappings().one_or_none()


def set_failures(session: Connection, account_id: UUID, failures: int) -> None:
    """Note how many wrong PINs came since the last right one."""
    session.execute(_SET_FAILURES, {"id": account_id, "failures": failures})


_UPDATE_TILL = text("""
    update till set mode = :mode, amount_fen = :amount_fen, payer = :payer, ordered = :ordered,
        turns = cast(:turns as jsonb), key_prices = cast(:key_prices as jsonb), opening = cast(:opening as jsonb),
        without_meal = :without_meal, presence = :presence, zone_id = :zone_id, serves_unproved = :serves_unproved,
        undo_minutes = :undo_minutes, undo_code = :undo_code, offline_tap_cap_fen = :offline_tap_cap_fen,
        offline_card_cap = :offline_card_cap, offline_count_cap = :offline_count_cap,
        offline_sum_cap_fen = :offline_sum_cap_fen, offline_hours_cap = :offline_hours_cap,
        offline_list_hours_cap = :offline_list_hours_cap
    where site_id = :site_id and id = :id
""")
_LIMITS = text("select * from charge_limit where site_id = :site_id order by id")
_UPSERT_LIMIT = text("""
    insert into charge_limit (site_id, id, per, count, fen, category_id, stall_id, meal_id, soft)
    values (:site_id, :id, :per, :count, :fen, :category_id, :stall_id, :meal_id, :soft)
    on conflict (site_id, id) do update set per = excluded.per, count = excluded.count, fen = excluded.fen,
        category_id = excluded.category_id, stall_id = excluded.stall_id, meal_id = excluded.meal_id,
        soft = excluded.soft
""")
_DELETE_LIMIT = text("delete from charge_limit where site_id = :site_id and id = :id")
_RATES = text("select * from category_rate where site_id = :site_id order by stall_id, category_id")
_UPSERT_RATE = text("""
    insert into category_rate (site_id, stall_id, category_id, discount_percent, surcharge_percent)
    values (:site_id, :stall_id, :category_id, :discount_percent, :surcharge_percent)
    on conflict (site_id, stall_id, category_id) do update set discount_percent = excluded.discount_percent,
        surcharge_percent = excluded.surcharge_percent
""")
_DELETE_RATE = text("""
    delete from category_rate where site_id = :site_id and stall_id = :stall_id and category_id = :category_id
""")
_MEAL_SUBSIDIES = text("""
    select * from meal_subsidy where site_id = :site_id order by stall_id, meal_id, category_id
""")
_UPSERT_MEAL_SUBSIDY = text("""
    insert into meal_subsidy (site_id, stall_id, meal_id, category_id, per, fen, percent)
    values (:site_id, :stall_id, :meal_id, :category_id, :per, :fen, :percent)
    on conflict (site_id, stall_id, meal_id, category_id) do update set per = excluded.per, fen = excluded.fen,
        percent = excluded.percent
""")
_DELETE_MEAL_SUBSIDY = text("""
    delete from meal_subsidy where site_id = :site_id and stall_id = :stall_id and meal_id = :meal_id
        and category_id = :category_id
""")
_ELIGIBILITIES = text("select * from eligibility where site_id = :site_id order by stall_id, meal_id")
_UPSERT_ELIGIBILITY = text("""
    insert into eligibility (site_id, stall_id, meal_id, categories) values (:site_id, :stall_id, :meal_id, :categories)
    on conflict (site_id, stall_id, meal_id) do update set categories = excluded.categories
""")
_DELETE_ELIGIBILITY = text("""
    delete from eligibility where site_id = :site_id and stall_id = :stall_id and meal_id = :meal_id
""")
_SET_CREDIT = text("update department set credit = :credit where site_id = :site_id and id = :id")
_CARDS_OF = text("""
    select c.id from card c join person p on p.id = c.person_id
    where c.site_id = :site_id and p.site_id = :site_id and p.department_id = :id order by 1
""")
_UPSERT_PIN = text("""
    insert into account_pin (account_id, site_id, pin_hash, set_at) values (:account_id, :site_id, :pin_hash, :set_at)
    on conflict (account_id) do update set pin_hash = excluded.pin_hash, failures = 0, set_at = excluded.set_at
""")
_LOCK_PIN = text("""
    select n.account_id, n.pin_hash, n.failures from account_pin n join account a on a.id = n.account_id
    join card c on c.person_id = a.person_id join credential k on k.card_id = c.id
    where k.site_id = :site_id and k.key = :key for update of n
""")
_SET_FAILURES = text("update account_pin set failures = :failures where account_id = :id")
