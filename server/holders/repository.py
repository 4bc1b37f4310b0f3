"""The SQL of holders' codes, sessions, meals, taps, ratings and complaints. Every query names the person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def put_code(session: Connection, row: Mapping[str, Any]) -> None:
    """Store a person's code in place of any before: person_id, site_id, code_hash, expires_at."""
    session.execute(_PUT_CODE, row)


def take_code(session: Connection, site_id: UUID, number: str, code_hash: bytes, now: datetime) -> UUID | None:
    """Use a code up and return whose it was, or None."""
    values = {"site_id": site_id, "number": number, "code_hash": code_hash, "now": now}
    return session.execute(_TAKE_CODE, values).scalar_one_or_none()


def insert_session(session: Connection, row: Mapping[str, Any]) -> None:
    """Add a session: token_hash, site_id, person_id, now, expires_at."""
    session.execute(_INSERT_SESSION, row)


def session_of(session: Connection, site_id: UUID, token_hash: bytes) -> RowMapping | None:
    """Return a session of somebody who has not left."""
    return session.execute(_SESSION, {"site_id": site_id, "token_hash": token_hash}).mappings().one_or_none()


def touch(session: Connection, token_hash: bytes, now: datetime) -> None:
    """Note activity."""
    session.execute(_TOUCH, {"token_hash": token_hash, "now": now})


def end(session: Connection, token_hash: bytes) -> None:
    """End a session."""
    session.execute(_END, {"token_hash": token_hash})


def forget_old(session: Connection, now: datetime) -> None:
    """Drop sessions and codes that are over."""
    session.execute(_FORGET_SESSIONS, {"now": now})
    session.execute(_FORGET_CODES, {"now": now})


def meals(session: Connection, site_id: UUID, person_id: UUID, days: tuple[date, date], limit: int) -> Rows:
    """Return a person's charges in force of business days, newest first, with what was given back and the rating."""
    values = {"site_id": site_id, "person_id": person_id, "from_day": days[0], "through_day": days[1], "limit": limit}
    return session.execute(_MEALS, values).mappings().all()


def taps(session: Connection, site_id: UUID, person_id: UUID, since: datetime, limit: int) -> Rows:
    """Return a person's taps at lanes, newest first: at, place, granted, reason, passed."""
    values = {"site_id": site_id, "person_id": person_id, "since": since, "limit": limit}
    return session.execute(_TAPS, values).mappings().all()


def rate(session: Connection, row: Mapping[str, Any]) -> bool:
    """Keep the stars of a person's own charge; False when it is not theirs."""
    return session.execute(_RATE, row).rowcount > 0


def insert_complaint(session: Connection, row: Mapping[str, Any]) -> None:
    """Add a complaint: id, site_id, person_id, words, at."""
    session.execute(_INSERT_COMPLAINT, row)


def count_waiting(session: Connection, person_id: UUID) -> int:
    """Count a person's complaints without an answer."""
    return int(session.execute(_COUNT_WAITING, {"person_id": person_id}).scalar_one())


def complaints_of(session: Connection, site_id: UUID, person_id: UUID, limit: int) -> Rows:
    """Return a person's complaints, newest first."""
    values = {"site_id": site_id, "person_id": person_id, "limit": limit}
    return session.execute(_COMPLAINTS_OF, values).mappings().all()


def complaints(session: Connection, site_id: UUID, limit: int, offset: int) -> Rows:
    """Return everybody's complaints, those without an answer first and the oldest of these on top."""
    return session.execute(_COMPLAINTS, {"site_id": site_id, "limit": limit, "offset": offset}).mappings().all()


def answer(session: Connection, row: Mapping[str, Any]) -> bool:
    """Answer a complaint once: site_id, id, answer, staff_id, at; tell whether it waited."""
    return session.execute(_ANSWER, row).rowcount > 0


def orders_of(session: Connection, site_id: UUID, person_id: UUID, from_day: date) -> Rows:
    """Return what a person ordered from a day on."""
    return session.execute(_ORDERS, {"site_id": site_id, "person_id": person_id, "day": from_day}).mappings().all()


_PUT_CODE = text("""
    insert into holder_code (person_id, site_id, code_hash, expires_at)
    values (:person_id, :site_id, :code_hash, :expires_at)
    on conflict (person_id) do update set code_hash = excluded.code_hash, expires_at = excluded.expires_at
""")
_TAKE_CODE = text("""
    delete from holder_code c using person p
    where p.id = c.person_id and c.site_id = :site_id and p.number = :number and p.state = 'active'
        and c.code_hash = :code_hash and c.expires_at > :now
    returning c.person_id
""")
_INSERT_SESSION = text("""
    insert into holder_session (token_hash, site_id, person_id, created_at, last_seen_at, expires_at)
    values (:token_hash, :site_id, :person_id, :now, :now, :expires_at)
""")
_SESSION = text("""
    select s.person_id, s.last_seen_at, s.expires_at from holder_session s join person p on p.id = s.person_id
    where s.token_hash = :token_hash and s.site_id = :site_id and p.state = 'active'
""")
_TOUCH = text("update holder_session set last_seen_at = :now where token_hash = :token_hash")
_END = text("delete from holder_session where token_hash = :token_hash")
_FORGET_SESSIONS = text("delete from holder_session where expires_at <= :now")
_FORGET_CODES = text("delete from holder_code where expires_at <= :now")
_MEALS = text("""
    select c.id, c.at, c.business_day, c.amount_fen, coalesce(m.name_zh, c.meal_id) as meal_zh,
           coalesce(m.name_en, c.meal_id) as meal_en, coalesce(s.name_zh, c.stall_id) as stall_zh,
           coalesce(s.name_en, c.stall_id) as stall_en, coalesce(g.stars, 0) as stars,
           cast(coalesce((select sum(r.amount_fen) from refund r where r.charge_id = c.id), 0) as bigint)
               as refunded_fen
    from charge c
    left join meal_period m on m.site_id = c.site_id and m.id = c.meal_id
    left join stall s on s.site_id = c.site_id and s.id = c.stall_id
    left join meal_rating g on g.charge_id = c.id
    where c.site_id = :site_id and c.person_id = :person_id and c.business_day between :from_day and :through_day
        and c.revision % 2 = 0 and not exists (
            select from charge n where n.device_id = c.device_id and n.epoch = c.epoch and n.seq = c.seq
                and n.revision > c.revision)
    order by c.at desc, c.id desc limit :limit
""")
_TAPS = text("""
    select i.at, i.place, coalesce(i.granted, false) as granted, i.reason, coalesce(l.name_zh, i.place) as lane_zh,
           coalesce(l.name_en, i.place) as lane_en, exists (
               select from record o where o.device_id = i.device_id and o.epoch = i.epoch and o.kind = 'outcome'
                   and o.tap_seq = i.seq and o.outcome = 'passed') as passed
    from record i left join lane l on l.site_id = i.site_id and l.id = i.place
    where i.person_id = :person_id and i.site_id = :site_id and i.kind = 'intent' and i.purpose = 'gate'
        and i.at >= :since
    order by i.at desc limit :limit
""")
_RATE = text("""
    insert into meal_rating (charge_id, site_id, person_id, stars, at)
    select c.id, c.site_id, c.person_id, :stars, :at from charge c
    where c.id = :charge_id and c.site_id = :site_id and c.person_id = :person_id and c.revision % 2 = 0
    on conflict (charge_id) do update set stars = excluded.stars, at = excluded.at
""")
_INSERT_COMPLAINT = text("""
    insert into complaint (id, site_id, person_id, words, at) values (:id, :site_id, :person_id, :words, :at)
""")
_COUNT_WAITING = text("select count(*) from complaint where person_id = :person_id and answered_at is null")
_COMPLAINTS_OF = text("""
    select * from complaint where site_id = :site_id and person_id = :person_id order by at desc, id limit :limit
""")
_COMPLAINTS = text("""
    select c.*, coalesce(s.name, '') as answered_name from complaint c left join staff s on s.id = c.answered_by
    where c.site_id = :site_id
    order by c.answered_at is not null, case when c.answered_at is null then c.at end, c.at desc, c.id
    limit :limit offset :offset
""")
_ANSWER = text("""
    update complaint set answer = :answer, answered_by = :staff_id, answered_at = :at
    where site_id = :site_id and id = :id and answered_at is null
""")
_ORDERS = text("""
    select business_day, meal_id, stall_id, portions from meal_order
    where site_id = :site_id and person_id = :person_id and business_day >= :day and portions > 0
    order by business_day, meal_id, stall_id
""")
