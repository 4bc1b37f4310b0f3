"""The SQL of the sweep: the Findings that say which invariants are broken now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

KIND = "invariant_broken"
MAX_SITES = 1_000


def sites(session: Connection) -> Sequence[UUID]:
    """Return every site."""
    return session.execute(text("select id from site order by id limit :limit"), {"limit": MAX_SITES}).scalars().all()


def broken(session: Connection, site: UUID) -> set[str]:
    """Return the invariants with an open Finding."""
    rows = session.execute(
        text("select subject from finding where site_id = :site and kind = :kind and closed_at is null"),
        {"site": site, "kind": KIND},
    )
    return set(rows.scalars())


def open_finding(
    session: Connection, finding: UUID, site: UUID, subject: str, detail: Mapping[str, Any], at: datetime
) -> bool:
    """Open a Finding; False when another process was first."""
    result = session.execute(
        text(
            "insert into finding (id, site_id, kind, subject, detail, opened_at)"
            " values (:id, :site, :kind, :subject, cast(:detail as jsonb), :at)"
            " on conflict (site_id, subject) where closed_at is null and kind = 'invariant_broken' do nothing"
        ),
        {"id": finding, "site": site, "kind": KIND, "subject": subject, "detail": json.dumps(detail), "at": at},
    )
    return bool(result.rowcount)


def close_finding(session: Connection, site: UUID, subject: str, at: datetime) -> bool:
    """Close the Finding of an invariant that holds again; False when another process was first."""
    result = session.execute(
        text(
            "update finding set closed_at = :at, closed_by = 'sweep'"
            " where site_id = :site and kind = :kind and subject = :subject and closed_at is null"
        ),
        {"site": site, "kind": KIND, "subject": subject, "at": at},
    )
    return bool(result.rowcount)
