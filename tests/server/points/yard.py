"""A small site with lanes in and out, a checkpoint and an assembly point, and people who tap and walk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from cardcore.ids import LaneId, SiteId, ZoneId
from cardcore.journal import OutcomeKind, Record
from server.access import service as access
from server.database import Database, WriteSession, connect_app
from server.points import service as points
from server.system import System
from server.taps.repository import PostgresTaps
from server.taps.service import TapService
from tests.server.taps.small_site import Holder, Journal, SmallSite, make_site

Result = TypeVar("Result")
OUTSIDE, COMPOUND = ZoneId("outside"), ZoneId("compound")
IN, OUT, FIRST, SECOND, MEETING = (LaneId(name) for name in ("g01", "g02", "p01", "p02", "a01"))


class Yard:
    """Taps and walks people through the real tap path."""

    def __init__(self, small: SmallSite, database: Database) -> None:
        self.small, self.database = small, database
        small.device = replace(small.device, places=frozenset({IN, OUT, FIRST, SECOND, MEETING}))
        self.journal = Journal(small)
        self.service = TapService(PostgresTaps(lambda: connect_app(small.url)), small.system)
        ways = {IN: (OUTSIDE, COMPOUND), OUT: (COMPOUND, OUTSIDE)}
        lanes = [
            access.Lane(lane, lane, lane, lane, *ways.get(lane, (OUTSIDE, COMPOUND)))
            for lane in (IN, OUT, FIRST, SECOND, MEETING)
        ]

        def places(session: WriteSession, system: System, site: SiteId) -> None:
            zones = [access.Zone(OUTSIDE, "Outside", "外"), access.Zone(COMPOUND, "Compound", "院")]
            access.put_zones(session, system, site, zones, "test")
            assert access.put_lanes(session, system, site, lanes, "test") is None

        self.write(places)

    @property
    def holders(self) -> list[Holder]:
        return self.small.holders

    def write(self, call: Callable[[WriteSession, System, SiteId], Result]) -> Result:
        return self.database.write(lambda session: call(session, self.small.system, self.small.site))

    def upload(self, *records: Record) -> None:
        self.service.process([self.journal.upload(records)])

    def tap(self, holder: Holder, lane: LaneId) -> Record:
        """Show a card and do nothing."""
        record = self.journal.gate(holder, lane)
        self.upload(record)
        return record

    def walk(self, holder: Holder, lane: LaneId) -> None:
        """Show a card and pass."""
        tap = self.tap(holder, lane)
        self.upload(self.journal.outcome(tap.seq, OutcomeKind.PASSED, 0))

    def gather(self) -> int:
        """Let the lookout gather taps at marked points."""
        return self.write(points.look)


def open_yard(postgres_url: str, database: Database) -> Yard:
    """Write the site."""
    return Yard(make_site(postgres_url, holders=4), database)
