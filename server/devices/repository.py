"""The devices' SQL: identities, enrolment codes, epochs and status. Decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT

from cardcore.ids import DeviceId, SiteId
from cardcore.journal import GENESIS, Purpose
from cardcore.wire.messages import Health
from server.database import ReadSession, WriteSession
from server.devices.models import SILENT_AFTER, DeviceState, DeviceStatus

MAX_LISTED = 1_000
MAX_PROBLEM_CHARACTERS = 500
MAX_SOFTWARE_CHARACTERS = 100

_to_json = msgspec.json.Encoder()


def site_by_slug(session: ReadSession | WriteSession, slug: str) -> SiteId | None:
    """Return the site of that slug; an empty slug means the only site there is."""
    rows = session.execute(
        text("select id from site where slug = :slug or :slug = '' order by slug limit 2"), {"slug": slug}
    ).all()
    return SiteId(rows[0].id) if len(rows) == 1 else None


def slug_of(session: ReadSession | WriteSession, site: SiteId) -> str:
    """Return a site's short name."""
    return str(session.execute(text("select slug from site where id = :site"), {"site": site}).scalar_one())


def active_device_named(session: ReadSession | WriteSession, site: SiteId, name: str) -> DeviceId | None:
    """Return the active device of that name."""
    row = session.execute(
        text("select id from device where site_id = :site and name = :name and state = 'active'"),
        {"site": site, "name": name},
    ).first()
    return None if row is None else DeviceId(row.id)


def insert_code(
    session: WriteSession,
    code_hash: bytes,
    site: SiteId,
    name: str,
    purposes: Sequence[Purpose],
    actor: str,
    expires_at: datetime,
) -> None:
    """Store a code's hash. Earlier codes for the same name that were not used end now."""
    session.execute(
        text("delete from enrolment_code where site_id = :site and name = :name and used_at is null"),
        {"site": site, "name": name},
    )
    session.execute(
        text(
            "insert into enrolment_code (code_hash, site_id, name, purposes, created_by, expires_at)"
            " values (:hash, :site, :name, :purposes, :actor, :expires)"
        ).bindparams(bindparam("purposes", type_=ARRAY(TEXT))),
        {
            "hash": code_hash,
            "site": site,
            "name": name,
            "purposes": [str(purpose) for purpose in purposes],
            "actor": actor,
            "expires": expires_at,
        },
    )


def lock_code(session: WriteSession, code_hash: bytes) -> Row[Any] | None:
    """Return and lock a code: site_id, name, purposes, expires_at, used_at."""
    return session.execute(
        text(
            "select site_id, name, purposes, expires_at, used_at from enrolment_code where code_hash = :hash for update"
        ),
        {"hash": code_hash},
    ).first()


def spend_code(session: WriteSession, code_hash: bytes, at: datetime) -> None:
    """Mark a code as used."""
    session.execute(
        text("update enrolment_code set used_at = :at where code_hash = :hash"), {"at": at, "hash": code_hash}
    )


def device_of_key(session: ReadSession | WriteSession, public_key: bytes) -> Row[Any] | None:
    """Return the device that has this public key, active or not: id, site_id, name, state, record_key_sealed."""
    return session.execute(
        text("select id, site_id, name, state, record_key_sealed from device where public_key = :key limit 1"),
        {"key": public_key},
    ).first()


def insert_device(
    session: WriteSession,
    device: DeviceId,
    site: SiteId,
    name: str,
    purposes: Sequence[str],
    keys: tuple[bytes, bytes],
    at: datetime,
) -> None:
    """Store a device; `keys` are the public key and the sealed record key.

    A revoked device of the same name keeps its rows and keys under another name (its old records still verify); the
    lanes and tills that were its go to the new one.
    """
    former = session.execute(
        text(
            "update device set name = name || ' (' || to_char(coalesce(revoked_at, :at), 'YYYY-MM-DD') || ' '"
            " || left(id::text, 13) || ')' where site_id = :site and name = :name and state = 'revoked' returning id"
        ),
        {"site": site, "name": name, "at": at},
    ).scalar()
    session.execute(
        text(
            "insert into device (id, site_id, name, purposes, public_key, record_key_sealed, enrolled_at)"
            " values (:id, :site, :name, :purposes, :public, :sealed, :at)"
        ).bindparams(bindparam("purposes", type_=ARRAY(TEXT))),
        {
            "id": device,
            "site": site,
            "name": name,
            "purposes": list(purposes),
            "public": keys[0],
            "sealed": keys[1],
            "at": at,
        },
    )
    if former is not None:
        for table in ("lane", "till"):
            session.execute(
                text(f"update {table} set device_id = :new where site_id = :site and device_id = :old"),  # noqa: S608
                {"new": device, "site": site, "old": former},
            )


def revoke(session: WriteSession, device: DeviceId, at: datetime) -> Row[Any] | None:
    """Revoke an active device; return its site_id and name, or None when there was none to revoke."""
    return session.execute(
        text(
            "update device set state = 'revoked', revoked_at = :at where id = :id and state = 'active'"
            " returning site_id, name"
        ),
        {"id": device, "at": at},
    ).first()


def load(session: ReadSession | WriteSession, device: DeviceId) -> Row[Any] | None:
    """Return id, site_id, name, purposes, public_key, record_key_sealed, revoked_at and places of a device."""
    return session.execute(
        text(
            "select d.id, d.site_id, d.name, d.purposes, d.public_key, d.record_key_sealed, d.revoked_at,"
            " array(select l.id from lane l where l.device_id = d.id union select t.id from till t"
            " where t.device_id = d.id) as places from device d where d.id = :id"
        ),
        {"id": device},
    ).first()


def revoked_among(session: ReadSession, devices: Sequence[DeviceId]) -> set[DeviceId]:
    """Return which of these devices are revoked: what a process asks about the links it holds."""
    rows = session.execute(
        text("select id from device where state = 'revoked' and id = any(:ids)"), {"ids": list(devices)}
    )
    return {DeviceId(row.id) for row in rows}


def any_sealed_key(session: ReadSession) -> Row[Any] | None:
    """Return id and record_key_sealed of some device, to try the server's key on."""
    return session.execute(text("select id, record_key_sealed from device order by enrolled_at desc limit 1")).first()


def lock(session: WriteSession, device: DeviceId) -> SiteId | None:
    """Lock a device's row and return its site."""
    found = session.execute(text("select site_id from device where id = :id for update"), {"id": device}).scalar()
    return None if found is None else SiteId(found)


def epoch(session: ReadSession | WriteSession, device: DeviceId, number: int) -> Row[Any] | None:
    """Return acked_through, head_hash and closed_at of one life of a device's journal."""
    return session.execute(
        text("select acked_through, head_hash, closed_at from device_epoch where device_id = :id and epoch = :epoch"),
        {"id": device, "epoch": number},
    ).first()


def close_epochs(session: WriteSession, device: DeviceId, at: datetime) -> list[tuple[int, int]]:
    """Close every open epoch of a device; return (epoch, acked_through) of each."""
    rows = session.execute(
        text(
            "update device_epoch set closed_at = :at where device_id = :id and closed_at is null"
            " returning epoch, acked_through"
        ),
        {"id": device, "at": at},
    )
    return [(row.epoch, row.acked_through) for row in rows]


def insert_epoch(session: WriteSession, device: DeviceId, number: int, at: datetime) -> None:
    """Register a new life of a device's journal."""
    session.execute(
        text("insert into device_epoch (device_id, epoch, head_hash, opened_at) values (:id, :epoch, :genesis, :at)"),
        {"id": device, "epoch": number, "genesis": GENESIS, "at": at},
    )


def insert_finding(
    session: WriteSession,
    finding: UUID,
    site: SiteId,
    kind: str,
    device: DeviceId,
    detail: dict[str, Any],
    at: datetime,
) -> None:
    """Open a Finding about a device, unless one of its kind is open already."""
    session.execute(
        text(
            "insert into finding (id, site_id, kind, subject, detail, opened_at)"
            " select :id, :site, :kind, :subject, :detail, :at where not exists (select 1 from finding"
            " where site_id = :site and kind = :kind and subject = :subject and closed_at is null)"
        ).bindparams(bindparam("detail", type_=JSONB)),
        {"id": finding, "site": site, "kind": kind, "subject": f"device:{device}", "detail": detail, "at": at},
    )


def generation(session: ReadSession) -> str:
    """Return the installation's generation; empty before it has one."""
    return session.execute(text("select generation from installation")).scalar() or ""


def set_generation(session: WriteSession, fresh: str) -> str:
    """Give the installation a generation if it has none; return the one in force."""
    session.execute(
        text("insert into installation (generation) values (:fresh) on conflict do nothing"), {"fresh": fresh}
    )
    return str(session.execute(text("select generation from installation")).scalar_one())


def set_installed(
    session: WriteSession, device: DeviceId, policy_version: int, deny_version: int, problem: str
) -> None:
    """Keep what policy a device decides by, and why it refused a newer one."""
    session.execute(
        text(
            "update device_status set policy_version = :policy, deny_version = :deny, problem = :problem"
            " where device_id = :id"
        ),
        {"id": device, "policy": policy_version, "deny": deny_version, "problem": problem[:MAX_PROBLEM_CHARACTERS]},
    )


def set_connected(session: WriteSession, device: DeviceId, at: datetime, software: str) -> None:
    """Note that a link is open, and with which software."""
    session.execute(
        text(
            "insert into device_status (device_id, connected, last_seen_at, software, problem)"
            " values (:id, true, :at, :software, '') on conflict (device_id) do update"
            " set connected = true, last_seen_at = :at, software = :software, problem = ''"
        ),
        {"id": device, "at": at, "software": software[:MAX_SOFTWARE_CHARACTERS]},
    )


def set_disconnected(session: WriteSession, device: DeviceId, problem: str = "") -> None:
    """Note that the link closed, and why when that is known."""
    session.execute(
        text("update device_status set connected = false, problem = :problem where device_id = :id"),
        {"id": device, "problem": problem[:MAX_PROBLEM_CHARACTERS]},
    )


def update_status(session: WriteSession, device: DeviceId, at: datetime, health: Health) -> None:
    """Store a health report."""
    session.execute(
        text(
            "insert into device_status (device_id, connected, last_seen_at, policy_version, deny_version, health)"
            " values (:id, true, :at, :policy, :deny, :health) on conflict (device_id) do update"
            " set connected = true, last_seen_at = :at, policy_version = :policy, deny_version = :deny,"
            " health = :health"
        ).bindparams(bindparam("health", type_=JSONB)),
        {
            "id": device,
            "at": at,
            "policy": health.policy_version,
            "deny": health.deny_version,
            "health": msgspec.json.decode(_to_json.encode(health)),
        },
    )


def statuses(
    session: ReadSession | WriteSession, site: SiteId, at: datetime, *, with_revoked: bool = False
) -> tuple[DeviceStatus, ...]:
    """Return the devices of a site by name, at most MAX_LISTED."""
    rows = session.execute(
        text(
            "select d.id, d.name, d.purposes, d.state, d.enrolled_at, s.last_seen_at, coalesce(s.connected, false)"
            " as connected, coalesce(s.policy_version, 0) as policy_version, coalesce(s.deny_version, 0) as"
            " deny_version, coalesce(s.software, '') as software, coalesce(s.problem, '') as problem,"
            " coalesce(s.health, '{}') as health"
            " from device d left join device_status s on s.device_id = d.id"
            " where d.site_id = :site and (d.state = 'active' or :revoked) order by d.name limit :limit"
        ),
        {"site": site, "revoked": with_revoked, "limit": MAX_LISTED},
    ).all()
    return tuple(_status(row, at) for row in rows)


def _status(row: Row[Any], at: datetime) -> DeviceStatus:
    is_fresh = row.last_seen_at is not None and at - row.last_seen_at <= SILENT_AFTER
    return DeviceStatus(
        id=DeviceId(row.id),
        name=row.name,
        purposes=tuple(Purpose(purpose) for purpose in row.purposes),
        state=DeviceState(row.state),
        enrolled_at=row.enrolled_at,
        last_seen_at=row.last_seen_at,
        is_connected=bool(row.connected) and is_fresh,
        policy_version=row.policy_version,
        deny_version=row.deny_version,
        software=row.software,
        problem=row.problem,
        health=row.health,
    )
