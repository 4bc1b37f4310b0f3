"""The SQL of payment orders and of the callbacks that were taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def insert_order(session: Connection, row: Mapping[str, Any]) -> bool:
    """Add an order; False when its id or number is taken."""
    return session.execute(_INSERT, row).rowcount > 0


def order(session: Connection, site_id: UUID, order_id: UUID) -> RowMapping | None:
    """Return an order, or None if unknown or of another site."""
    return session.execute(_ORDER, {"site_id": site_id, "id": order_id}).mappings().one_or_none()


def lock_by_number(session: Connection, provider: str, number: str) -> RowMapping | None:
    """Lock and return the order that a provider speaks of."""
    return session.execute(_LOCK, {"provider": provider, "number": number}).mappings().one_or_none()


def count_pending(session: Connection, account_id: UUID) -> int:
    """Count an account's orders that wait."""
    return int(session.execute(_COUNT_PENDING, {"account_id": account_id}).scalar_one())


def set_state(session: Connection, row: Mapping[str, Any]) -> None:
    """Move an order on: id, state, reference, transfer_id, at."""
    session.execute(_SET_STATE, row)


def keep_callback(session: Connection, provider: str, nonce: str, number: str, at: datetime) -> bool:
    """Remember a callback; False when it was taken before."""
    row = {"provider": provider, "nonce": nonce, "number": number, "at": at}
    return session.execute(_KEEP, row).rowcount > 0


def to_ask_about(session: Connection, provider: str, made_before: datetime, made_after: datetime, limit: int) -> Rows:
    """Return orders whose callback is overdue, the longest unasked first."""
    parameters = {"provider": provider, "before": made_before, "after": made_after, "limit": limit}
    return session.execute(_TO_ASK, parameters).mappings().all()


def note_asked(session: Connection, order_id: UUID, at: datetime) -> None:
    """Remember when a provider was last asked about an order."""
    session.execute(_NOTE_ASKED, {"id": order_id, "at": at})


_INSERT = text("""
    insert into payment_order (id, site_id, number, provider, account_id, amount_fen, made_by, made_at, expires_at)
    values (:id, :site_id, :number, :provider, :account_id, :amount_fen, :made_by, :made_at, :expires_at)
    on conflict do nothing
""")
_ORDER = text("select * from payment_order where site_id = :site_id and id = :id")
_LOCK = text("select * from payment_order where provider = :provider and number = :number for update")
_COUNT_PENDING = text("select count(*) from payment_order where account_id = :account_id and state = 'pending'")
_SET_STATE = text("""
    update payment_order set state = :state, reference = coalesce(:reference, reference),
        transfer_id = coalesce(cast(:transfer_id as uuid), transfer_id),
        confirmed_at = case when :state in ('confirmed', 'booked') then coalesce(confirmed_at, :at) end
    where id = :id
""")
_KEEP = text("""
    insert into payment_callback (provider, nonce, number, at) values (:provider, :nonce, :number, :at)
    on conflict do nothing
""")
_TO_ASK = text("""
    select * from payment_order
    where provider = :provider and state in ('pending', 'expired') and made_at <= :before and made_at >= :after
    order by asked_at nulls first, made_at limit :limit
""")
_NOTE_ASKED = text("update payment_order set asked_at = :at where id = :id")
