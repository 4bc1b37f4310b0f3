"""The SQL of the demo's report: counts of everything that happened, and how long the server took."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from cardcore.ids import PersonId, SiteId
from server.database import ReadSession, WriteSession


def counts(session: ReadSession, site: SiteId) -> dict[str, Any]:
    """Return what the server stored, as plain numbers."""
    row = session.execute(
        text(
            "select count(*) filter (where kind = 'intent') as taps,"
            " count(*) filter (where kind = 'intent' and live) as taps_live,"
            " count(*) filter (where kind = 'intent' and not live) as taps_late,"
            " count(*) filter (where kind = 'outcome' and offline) as decided_offline,"
            " count(*) filter (where kind = 'outcome' and offline and outcome = 'served') as meals_offline,"
            " count(*) filter (where outcome = 'passed') as passages,"
            " count(*) filter (where outcome = 'not_used') as not_used,"
            " count(*) filter (where outcome = 'served') as served,"
            " count(*) filter (where kind = 'event') as device_events"
            " from record where site_id = :site"
        ),
        {"site": site},
    ).one()
    return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping


def by_place(session: ReadSession, site: SiteId) -> dict[str, tuple[int, int]]:
    """Return taps and passages of each lane and till."""
    rows = session.execute(
        text(
            "select place, count(*) filter (where kind = 'intent'), count(*) filter (where outcome = 'passed')"
            " from record where site_id = :site group by place order by place"
        ),
        {"site": site},
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def reasons(session: ReadSession, site: SiteId) -> dict[str, int]:
    """Return how many taps ended with each reason, as the device acted."""
    rows = session.execute(
        text(
            "select reason, count(*) from record where site_id = :site and kind = 'outcome'"
            " group by reason order by count(*) desc, reason"
        ),
        {"site": site},
    )
    return {row[0]: row[1] for row in rows}


def reasons_of(session: ReadSession, site: SiteId, place: str, credential: str) -> list[str]:
    """Return how the taps of a credential at a place ended."""
    rows = session.execute(
        text(
            "select reason from record where site_id = :site and place = :place and credential = :credential"
            " and kind in ('intent', 'outcome')"
        ),
        {"site": site, "place": place, "credential": credential},
    )
    return list(rows.scalars())


def newest_person(session: WriteSession, site: SiteId, name: str) -> PersonId:
    """Return the person of this name who came last."""
    statement = text("select id from person where site_id = :site and name = :name order by created_at desc limit 1")
    return PersonId(session.execute(statement, {"site": site, "name": name}).scalar_one())


def charges(session: ReadSession, site: SiteId) -> dict[str, int]:
    """Return charges in force with their sum, and how many were reversed."""
    row = session.execute(
        text(
            "with last as (select distinct on (device_id, epoch, seq) revision, amount_fen, offline from charge"
            " where site_id = :site order by device_id, epoch, seq, revision desc)"
            " select count(*) filter (where revision % 2 = 0), coalesce(sum(amount_fen) filter"
            " (where revision % 2 = 0), 0), count(*) filter (where revision % 2 = 1),"
            " count(*) filter (where revision % 2 = 0 and offline),"
            " (select count(*) from charge where site_id = :site and flag = 'undone') from last"
        ),
        {"site": site},
    ).one()
    names = ("in_force", "fen", "reversed", "in_force_offline", "undone")
    return {name: int(value) for name, value in zip(names, row, strict=True)}


def aside(session: ReadSession, site: SiteId) -> dict[str, int]:
    """Return how many records wait for a person, and the open findings by kind."""
    waiting = session.execute(
        text("select count(*) from quarantine where site_id = :site and closed_at is null"), {"site": site}
    ).scalar_one()
    rows = session.execute(
        text(
            "select kind, count(*) from finding where site_id = :site and closed_at is null group by kind order by kind"
        ),
        {"site": site},
    )
    return {"quarantined": waiting, **{f"finding_{row[0]}": row[1] for row in rows}}
