"""The SQL of the command line: sites, and what the doctor asks that no service asks. Read only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from cardcore.ids import SiteId
from server.database import ReadSession

MAX_SITES = 1_000
MAX_SHOWN = 20
"""Rows of one kind that a report names."""


def sites(session: ReadSession) -> list[tuple[SiteId, str]]:
    """Return id and slug of every site, by slug."""
    rows = session.execute(text("select id, slug from site order by slug limit :limit"), {"limit": MAX_SITES})
    return [(SiteId(row.id), row.slug) for row in rows]


def server_facts(session: ReadSession) -> dict[str, Any]:
    """Return version, now, and the settings that a commit's promise rests on, by name."""
    row = session.execute(
        text(
            "select current_setting('server_version') as version, clock_timestamp() as now,"
            " current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,"
            " current_setting('synchronous_commit') as synchronous_commit"
        )
    ).one()
    return row._asdict()


def app_may_change(session: ReadSession) -> list[str]:
    """Return the append-only tables that the application's role may update or delete from; none is right."""
    rows = session.execute(
        text(
            "select t.name from unnest(array['transfer', 'charge', 'record', 'audit']) as t(name)"
            " where has_table_privilege('onecard_app', t.name, 'update')"
            " or has_table_privilege('onecard_app', t.name, 'delete')"
        )
    )
    return [row.name for row in rows]


def unconfirmed_charges(session: ReadSession, site: SiteId, before: datetime) -> list[Row[Any]]:
    """Return charges in force whose tap has no outcome although they were posted before an instant.

    Columns: device (name), seq, amount_fen, posted_at.
    """
    return list(
        session.execute(
            text(
                "select d.name as device, c.seq, c.amount_fen, c.posted_at"
                " from charge c join device d on d.id = c.device_id"
                " where c.site_id = :site and c.posted_at < :before and c.revision % 2 = 0"
                " and not exists (select 1 from charge later where later.device_id = c.device_id"
                " and later.epoch = c.epoch and later.seq = c.seq and later.revision > c.revision)"
                " and not exists (select 1 from record r where r.device_id = c.device_id and r.epoch = c.epoch"
                " and r.kind = 'outcome' and r.tap_seq = c.seq) order by c.posted_at limit :limit"
            ),
            {"site": site, "before": before, "limit": MAX_SHOWN},
        ).all()
    )


def open_cases(session: ReadSession, site: SiteId) -> dict[str, int]:
    """Count what waits for a person: quarantined records, and open findings by kind."""
    rows = session.execute(
        text(
            "select kind, count(*) as number from finding where site_id = :site and closed_at is null group by kind"
            " union all select 'quarantine', count(*) from quarantine where site_id = :site and closed_at is null"
        ),
        {"site": site},
    )
    return {row.kind: row.number for row in rows if row.number}


def oldest_cases(session: ReadSession, site: SiteId) -> list[tuple[str, datetime]]:
    """Return the oldest open Finding of each kind, and the oldest record in quarantine."""
    rows = session.execute(
        text(
            "select kind, min(opened_at) from finding where site_id = :site and closed_at is null group by kind"
            " union all select 'quarantine', min(received_at) from quarantine"
            " where site_id = :site and closed_at is null having count(*) > 0 order by 1"
        ),
        {"site": site},
    )
    return [(kind, at) for kind, at in rows]


def archive_facts(session: ReadSession) -> dict[str, Any]:
    """Return how the archive of the log fares: mode, and columns of pg_stat_archiver."""
    row = session.execute(
        text(
            "select current_setting('archive_mode') as mode, last_archived_wal, last_archived_time, last_failed_wal,"
            " last_failed_time, failed_count from pg_stat_archiver"
        )
    ).one()
    return row._asdict()


def waiting_events(session: ReadSession, before: datetime) -> int:
    """Count outbox events that no pump has numbered although they are older than an instant."""
    return int(
        session.execute(
            text("select count(*) from outbox where number is null and created_at < :before"), {"before": before}
        ).scalar_one()
    )
