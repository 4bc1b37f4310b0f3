"""The SQL of issuing jobs. At most one job an encoder is waiting or writing (a unique index holds it)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def insert_jobs(session: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add jobs, all columns that a new one has."""
    session.execute(_INSERT, {"rows": msgspec.json.encode(rows).decode()})


def station_taken(session: Connection, device_id: UUID, reader: str) -> bool:
    """Tell whether a job waits, is written, or stands in line at an encoder."""
    return session.execute(_TAKEN, {"device_id": device_id, "reader": reader}).first() is not None


def lock_job(session: Connection, site_id: UUID, job_id: UUID) -> RowMapping | None:
    """Lock and return a job, or None if unknown or of another site."""
    return session.execute(_LOCK, {"site_id": site_id, "id": job_id}).mappings().one_or_none()


def open_jobs(session: Connection, device_id: UUID) -> Rows:
    """Return the jobs that wait or are written at a device's encoders."""
    return session.execute(_OPEN, {"device_id": device_id}).mappings().all()


def batch(session: Connection, site_id: UUID, batch_id: UUID) -> Rows:
    """Return the jobs of a list in order, with the holder's name."""
    return session.execute(_BATCH, {"site_id": site_id, "batch_id": batch_id}).mappings().all()


def recent_batches(session: Connection, site_id: UUID, limit: int) -> Rows:
    """Return lists, newest first: batch_id, reader, device_name, created_at, jobs, made, open, and its first name."""
    return session.execute(_RECENT, {"site_id": site_id, "limit": limit}).mappings().all()


def shown_since(session: Connection, site_id: UUID, topic: str, after: UUID, limit: int) -> Rows:
    """Return the events of a topic written after an id, oldest first: id, payload."""
    values = {"site_id": site_id, "topic": topic, "after": after, "limit": limit}
    return session.execute(_SHOWN, values).mappings().all()


def lock_batch(session: Connection, site_id: UUID, batch_id: UUID) -> Rows:
    """Lock and return the jobs of a list in order."""
    return session.execute(_LOCK_BATCH, {"site_id": site_id, "batch_id": batch_id}).mappings().all()


def change(session: Connection, job_id: UUID, values: Mapping[str, Any]) -> None:
    """Set state, step, uid, gate_id, canteen_id, attempts, result, detail, card_id and changed_at of a job."""
    session.execute(_CHANGE, {**values, "id": job_id})


def advance(session: Connection, batch_id: UUID) -> RowMapping | None:
    """Let the next queued job of a list wait for its card, and return it."""
    return session.execute(_ADVANCE, {"batch_id": batch_id}).mappings().one_or_none()


def card_of_uid(session: Connection, site_id: UUID, uid: str) -> RowMapping | None:
    """Lock and return the card that was made of a chip."""
    return session.execute(_CARD_OF_UID, {"site_id": site_id, "uid": uid}).mappings().one_or_none()


def card_of_credential(session: Connection, site_id: UUID, credential: str) -> RowMapping | None:
    """Return the id and the holder of the card that has a credential."""
    return session.execute(_CARD_OF_KEY, {"site_id": site_id, "key": credential}).mappings().one_or_none()


def release_uid(session: Connection, card_id: UUID) -> None:
    """Forget the chip of a card that is no more: another card is made of it."""
    session.execute(_RELEASE_UID, {"id": card_id})


def device_is_active(session: Connection, site_id: UUID, device_id: UUID) -> bool:
    """Tell whether a device is enrolled at the site and not revoked."""
    return session.execute(_DEVICE, {"site_id": site_id, "id": device_id}).first() is not None


def people_known(session: Connection, site_id: UUID, person_ids: Sequence[UUID]) -> set[UUID]:
    """Return which of these people exist at the site."""
    return set(session.execute(_PEOPLE, {"site_id": site_id, "ids": list(person_ids)}).scalars())


def numbers_taken(session: Connection, site_id: UUID, numbers: Sequence[str]) -> set[str]:
    """Return which printed numbers a card, or a job not over yet, has."""
    return set(session.execute(_NUMBERS, {"site_id": site_id, "numbers": list(numbers)}).scalars())


_INSERT = text("""
    insert into issue_job (id, site_id, batch_id, position, device_id, reader, person_id, product, number, valid_from,
        valid_until, replaces, state, created_by, created_at, changed_at)
    select id, site_id, batch_id, position, device_id, reader, person_id, product, number, valid_from,
        valid_until, replaces, state, created_by, created_at, changed_at
    from json_populate_recordset(null::issue_job, cast(:rows as json))
""")
_TAKEN = text("""
    select 1 from issue_job
    where device_id = :device_id and reader = :reader and state in ('queued', 'waiting', 'writing') limit 1
""")
_LOCK = text("select * from issue_job where site_id = :site_id and id = :id for update")
_OPEN = text("""
    select * from issue_job where device_id = :device_id and state in ('waiting', 'writing') order by reader
""")
_BATCH = text("""
    select j.*, p.name as person_name, p.number as person_number from issue_job j join person p on p.id = j.person_id
    where j.site_id = :site_id and j.batch_id = :batch_id order by j.position
""")
_RECENT = text("""
    select j.batch_id, min(j.reader) as reader, min(d.name) as device_name, min(j.created_at) as created_at,
        count(*) as jobs, count(*) filter (where j.state = 'done') as made,
        count(*) filter (where j.state in ('queued', 'waiting', 'writing')) as open,
        (array_agg(p.name order by j.position))[1] as person_name
    from issue_job j join device d on d.id = j.device_id join person p on p.id = j.person_id
    where j.site_id = :site_id group by j.batch_id order by min(j.created_at) desc limit :limit
""")
_SHOWN = text("""
    select id, payload from outbox where site_id = :site_id and topic = :topic and id > :after order by id limit :limit
""")
_LOCK_BATCH = text("""
    select * from issue_job where site_id = :site_id and batch_id = :batch_id order by position for update
""")
_CHANGE = text("""
    update issue_job set state = :state, step = :step, uid = :uid, gate_id = :gate_id, canteen_id = :canteen_id,
        attempts = :attempts, result = :result, detail = :detail, card_id = :card_id, changed_at = :changed_at
    where id = :id
""")
_ADVANCE = text("""
    update issue_job set state = 'waiting' where id = (
        select id from issue_job where batch_id = :batch_id and state = 'queued' order by position limit 1)
    returning *
""")
_CARD_OF_UID = text("select * from card where site_id = :site_id and uid = :uid for update")
_CARD_OF_KEY = text("""
    select c.id, c.person_id from credential k join card c on c.id = k.card_id
    where k.site_id = :site_id and k.key = :key
""")
_RELEASE_UID = text("update card set uid = '' where id = :id")
_DEVICE = text("select 1 from device where site_id = :site_id and id = :id and state = 'active'")
_PEOPLE = text("""
    select id from person where site_id = :site_id and state = 'active' and id = any(cast(:ids as uuid[]))
""")
_NUMBERS = text("""
    select number from card where site_id = :site_id and number = any(:numbers)
    union select number from issue_job
    where site_id = :site_id and number = any(:numbers) and state in ('queued', 'waiting', 'writing')
""")
