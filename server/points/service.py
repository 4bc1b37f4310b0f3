"""Which readers are assembly points, checkpoints and clocks, and gathering their taps.

A tap there counts whatever the lane decided, for lost and expired cards too: being there is no access decision
(turnstiles sheet, section 5). Each record is gathered once, however often the server restarts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import RowMapping

from cardcore.ids import LaneId, SiteId
from server.access import repository as access_rows
from server.audit.service import Deed, record
from server.database import ReadSession, WriteSession
from server.points import repository
from server.system import System

MOST_RECORDS = 20_000
"""Records of one journal that one look goes through."""
KEPT = timedelta(days=90)
"""Taps are movement data (security sheet, section 10)."""


class Purpose(StrEnum):
    """What a tap at a point means."""

    ASSEMBLY = "assembly"
    CHECKPOINT = "checkpoint"
    CLOCK = "clock"


class PointRefusal(StrEnum):
    """Why no point was marked."""

    LANE_UNKNOWN = "lane_unknown"


def mark(
    session: WriteSession, system: System, site_id: SiteId, purpose: Purpose, lanes: Collection[LaneId], actor: str
) -> PointRefusal | None:
    """Say which lanes' taps mean this; taps of before do not count."""
    if not set(lanes) <= {row["id"] for row in access_rows.lane_rows(session, site_id)}:
        return PointRefusal.LANE_UNKNOWN
    look(session, system, site_id)
    repository.begin_marks(session, site_id)
    before = [row["lane_id"] for row in repository.points(session, site_id) if row["purpose"] == purpose]
    repository.replace(session, site_id, purpose, sorted(set(lanes)))
    record(session, system, site_id, Deed(actor, "points_marked", f"points:{purpose}", before, sorted(set(lanes))))
    return None


def points(session: ReadSession | WriteSession, site_id: SiteId, purpose: Purpose) -> Sequence[RowMapping]:
    """Return the lanes of a purpose: lane_id, name_en, name_zh."""
    return [row for row in repository.points(session, site_id) if row["purpose"] == purpose]


def look(session: WriteSession, system: System, site_id: SiteId) -> int:  # noqa: ARG001 - as every look
    """Gather the taps that came in since the last look; return how many."""
    return repository.gather(session, site_id, MOST_RECORDS) if repository.lock_site(session, site_id) else 0


def forget_old(session: WriteSession, system: System, site_id: SiteId) -> int:
    """Delete taps past their keeping."""
    return repository.delete_before(session, site_id, system.clock.now() - KEPT)
