"""The SQL of backups and restores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, RowMapping, text

from server.backup.manifest import SiteFacts

MAX_SITES = 1_000
MAX_DEVICES = 20_000


def site_facts(session: Connection) -> tuple[SiteFacts, ...]:
    """Return what every site holds, by slug."""
    return tuple(SiteFacts(*row) for row in session.execute(_SITE_FACTS, {"limit": MAX_SITES}))


def server_facts(session: Connection) -> RowMapping:
    """Return the PostgreSQL version, the generation and the size of the database in bytes."""
    return session.execute(_SERVER_FACTS).mappings().one()


def newest_change(session: Connection) -> datetime | None:
    """Return the instant of the newest booking, record or audited deed; None in an empty database."""
    found: datetime | None = session.execute(_NEWEST_CHANGE).scalar()
    return found


def sites(session: Connection) -> Sequence[UUID]:
    """Return every site."""
    return session.execute(text("select id from site order by id limit :limit"), {"limit": MAX_SITES}).scalars().all()


def insert_restore(session: Connection, row: dict[str, Any]) -> None:
    """Write a restore and the new generation, forget sessions and who was connected."""
    session.execute(_INSERT_RESTORE, row)
    session.execute(text("delete from installation"))
    session.execute(text("insert into installation (generation) values (:generation)"), row)
    session.execute(text("delete from staff_session"))
    session.execute(text("delete from enrolment_code"))
    session.execute(text("update device_status set connected = false"))


def close_open(session: Connection, at: datetime, because: str) -> None:
    """Close a restore that was in the backup itself."""
    session.execute(
        text("update restore set released_at = :at, released_because = :because where released_at is null"),
        {"at": at, "because": because},
    )


def expect_devices(session: Connection, restore: UUID, seen_since: datetime) -> int:
    """Note whose state must come back: active devices seen lately; return how many."""
    return int(session.execute(_EXPECT_DEVICES, {"restore": restore, "since": seen_since}).rowcount)


def open_restore(session: Connection, *, lock: bool = False) -> Row[Any] | None:
    """Return the restore that is not released, or None: id, generation, backup_made_at, restored_at."""
    statement = _OPEN_RESTORE_LOCKED if lock else _OPEN_RESTORE
    return session.execute(statement).one_or_none()


def waiting_devices(session: Connection, restore: UUID) -> Sequence[RowMapping]:
    """Return the devices whose state has not come back: device_id, name, site_id."""
    return session.execute(_WAITING_DEVICES, {"restore": restore, "limit": MAX_DEVICES}).mappings().all()


def device_returned(session: Connection, restore: UUID, device: UUID, at: datetime, version: int) -> None:
    """Note that a device's state came back, with the highest policy version it knew."""
    session.execute(_DEVICE_RETURNED, {"restore": restore, "device": device, "at": at, "version": version})


def highest_versions(session: Connection, restore: UUID) -> Sequence[RowMapping]:
    """Return the highest policy version that the devices of each site knew: site_id, version."""
    return session.execute(_HIGHEST_VERSIONS, {"restore": restore}).mappings().all()


def release(session: Connection, restore: UUID, at: datetime, because: str) -> None:
    """Close a restore."""
    session.execute(_RELEASE, {"restore": restore, "at": at, "because": because})


def cards_of_keys(session: Connection, site: UUID, keys: Sequence[str]) -> Sequence[RowMapping]:
    """Return the cards behind credential keys: key, card_id, state."""
    return session.execute(_CARDS_OF_KEYS, {"site": site, "keys": list(keys)}).mappings().all()


def jump_policy(session: Connection, site: UUID, version: int) -> None:
    """Raise a site's policy to a version and all its items with it, so that every device takes the whole anew."""
    session.execute(_JUMP_STATE, {"site": site, "version": version})
    session.execute(_JUMP_ITEMS, {"site": site, "version": version})


def insert_finding(session: Connection, row: dict[str, Any]) -> None:
    """Open a Finding: id, site, kind, subject, detail (JSON text), at."""
    session.execute(_INSERT_FINDING, row)


_SITE_FACTS = text("""
    select s.slug, (select count(*) from person p where p.site_id = s.id), (select count(*) from card c
           where c.site_id = s.id), (select count(*) from record r where r.site_id = s.id),
           (select count(*) from transfer t where t.site_id = s.id),
           coalesce((select version from policy_state v where v.site_id = s.id), 0)
    from site s order by s.slug limit :limit
""")
_SERVER_FACTS = text("""
    select current_setting('server_version') as postgres,
           coalesce((select generation from installation), '') as generation,
           pg_database_size(current_database()) as size_bytes
""")
_NEWEST_CHANGE = text("""
    select greatest((select max(posted_at) from transfer), (select max(received_at) from record),
                    (select max(at) from audit))
""")
_INSERT_RESTORE = text("""
    insert into restore (id, generation, backup_made_at, complete_through, restored_at)
    values (:id, :generation, :backup_made_at, :complete_through, :restored_at)
""")
_EXPECT_DEVICES = text("""
    insert into restore_device (restore_id, device_id)
    select :restore, d.id from device d join device_status s on s.device_id = d.id
    where d.state = 'active' and s.last_seen_at >= :since
""")
_OPEN_RESTORE = text("""
    select id, generation, backup_made_at, complete_through, restored_at from restore where released_at is null
    order by restored_at desc limit 1
""")
_OPEN_RESTORE_LOCKED = text(f"{_OPEN_RESTORE.text} for update")
_WAITING_DEVICES = text("""
    select d.id as device_id, d.name, d.site_id from restore_device r join device d on d.id = r.device_id
    where r.restore_id = :restore and r.returned_at is null and d.state = 'active' order by d.name limit :limit
""")
_DEVICE_RETURNED = text("""
    insert into restore_device (restore_id, device_id, returned_at, policy_version)
    values (:restore, :device, :at, :version)
    on conflict (restore_id, device_id) do update set returned_at = excluded.returned_at,
        policy_version = greatest(restore_device.policy_version, excluded.policy_version)
""")
_HIGHEST_VERSIONS = text("""
    select s.id as site_id, greatest(coalesce(max(r.policy_version), 0), coalesce(max(v.version), 0)) as version
    from site s left join policy_state v on v.site_id = s.id left join device d on d.site_id = s.id
    left join restore_device r on r.device_id = d.id and r.restore_id = :restore
    group by s.id order by s.id
""")
_RELEASE = text("update restore set released_at = :at, released_because = :because where id = :restore")
_CARDS_OF_KEYS = text("""
    select k.key, c.id as card_id, c.state from credential k join card c on c.id = k.card_id
    where k.site_id = :site and k.key = any(:keys) order by c.id, k.key
""")
_JUMP_STATE = text("update policy_state set version = :version where site_id = :site")
_JUMP_ITEMS = text("update policy_item set version = :version where site_id = :site")
_INSERT_FINDING = text("""
    insert into finding (id, site_id, kind, subject, detail, opened_at)
    values (:id, :site, :kind, :subject, cast(:detail as jsonb), :at)
""")
