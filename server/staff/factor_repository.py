"""The SQL of second factors, recovery codes and the step between password and session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text


def insert(session: Connection, row: Mapping[str, Any]) -> None:
    """Add a factor."""
    session.execute(_INSERT, row)


def confirmed(session: Connection, staff_id: UUID) -> Sequence[RowMapping]:
    """Return the factors in use, oldest first."""
    return session.execute(_CONFIRMED, {"staff_id": staff_id}).mappings().all()


def waiting_totp(session: Connection, staff_id: UUID) -> RowMapping | None:
    """Return the authenticator app that was begun and not confirmed."""
    return session.execute(_WAITING, {"staff_id": staff_id}).mappings().one_or_none()


def drop_waiting(session: Connection, staff_id: UUID) -> None:
    """Forget what was begun and not confirmed."""
    session.execute(_DROP_WAITING, {"staff_id": staff_id})


def confirm(session: Connection, factor_id: UUID, at: datetime, step: int) -> None:
    """Put a factor into use."""
    session.execute(_CONFIRM, {"id": factor_id, "at": at, "step": step})


def note_use(session: Connection, factor_id: UUID, at: datetime, step: int, sign_count: int) -> None:
    """Write down that a factor was used."""
    session.execute(_USE, {"id": factor_id, "at": at, "step": step, "sign_count": sign_count})


def delete(session: Connection, staff_id: UUID, factor_id: UUID) -> RowMapping | None:
    """Remove one factor of somebody, and return it."""
    return session.execute(_DELETE, {"staff_id": staff_id, "id": factor_id}).mappings().one_or_none()


def delete_all(session: Connection, staff_id: UUID) -> None:
    """Remove every factor and recovery code of somebody."""
    session.execute(_DELETE_ALL, {"staff_id": staff_id})
    session.execute(_DELETE_CODES, {"staff_id": staff_id})


def replace_codes(session: Connection, staff_id: UUID, hashes: Sequence[bytes]) -> None:
    """Put new recovery codes in the place of all earlier ones."""
    session.execute(_DELETE_CODES, {"staff_id": staff_id})
    session.execute(_INSERT_CODE, [{"staff_id": staff_id, "code_hash": one} for one in hashes])


def spend_code(session: Connection, staff_id: UUID, code_hash: bytes, at: datetime) -> bool:
    """Use a recovery code up; False if there is none such."""
    return session.execute(_SPEND, {"staff_id": staff_id, "code_hash": code_hash, "at": at}).rowcount > 0


def codes_left(session: Connection, staff_id: UUID) -> int:
    """Count the recovery codes that are left."""
    return int(session.execute(_LEFT, {"staff_id": staff_id}).scalar_one())


def pending(session: Connection, token_hash: bytes, since: datetime) -> RowMapping | None:
    """Return a sign-in that is on its way, begun after `since`, with its member of staff."""
    return session.execute(_PENDING, {"token_hash": token_hash, "since": since}).mappings().one_or_none()


def set_challenge(session: Connection, token_hash: bytes, challenge: bytes | None) -> None:
    """Remember what a passkey is asked to sign."""
    session.execute(_SET_CHALLENGE, {"token_hash": token_hash, "challenge": challenge})


def challenge(session: Connection, token_hash: bytes) -> bytes | None:
    """Return what a passkey was asked to sign."""
    found = session.execute(_CHALLENGE, {"token_hash": token_hash}).scalar_one_or_none()
    return None if found is None else bytes(found)


_INSERT = text("""
    insert into staff_factor (id, staff_id, kind, name, sealed, credential_id, public_key, sign_count, created_at,
        confirmed_at)
    values (:id, :staff_id, :kind, :name, :sealed, :credential_id, :public_key, :sign_count, :created_at, :confirmed_at)
""")
_CONFIRMED = text("""
    select * from staff_factor where staff_id = :staff_id and confirmed_at is not null order by created_at, id
""")
_WAITING = text("""
    select * from staff_factor where staff_id = :staff_id and confirmed_at is null and kind = 'totp' limit 1
""")
_DROP_WAITING = text("delete from staff_factor where staff_id = :staff_id and confirmed_at is null")
_CONFIRM = text("update staff_factor set confirmed_at = :at, last_step = :step where id = :id")
_USE = text("update staff_factor set used_at = :at, last_step = :step, sign_count = :sign_count where id = :id")
_DELETE = text("delete from staff_factor where staff_id = :staff_id and id = :id returning kind, name")
_DELETE_ALL = text("delete from staff_factor where staff_id = :staff_id")
_DELETE_CODES = text("delete from staff_recovery_code where staff_id = :staff_id")
_INSERT_CODE = text("insert into staff_recovery_code (staff_id, code_hash) values (:staff_id, :code_hash)")
_SPEND = text("""
    update staff_recovery_code set used_at = :at
    where staff_id = :staff_id and code_hash = :code_hash and used_at is null
""")
_LEFT = text("select count(*) from staff_recovery_code where staff_id = :staff_id and used_at is null")
_PENDING = text("""
    select t.pending, t.created_at, s.* from staff_session t join staff s on s.id = t.staff_id
    where t.token_hash = :token_hash and t.pending <> '' and t.created_at > :since
""")
_SET_CHALLENGE = text("update staff_session set challenge = :challenge where token_hash = :token_hash")
_CHALLENGE = text("select challenge from staff_session where token_hash = :token_hash")
