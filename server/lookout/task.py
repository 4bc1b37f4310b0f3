"""Looks every few seconds at what passages and time brought about; the truth is in the tables, so nothing is missed.

The tap path only stores passages. What follows from them (a visit is over, a car is in the garage, a checkpoint was
missed) is found here, in transactions of its own, by as many processes as there are: each step is safe to repeat.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import structlog

from cardcore.ids import SiteId
from server.attendance import service as attendance
from server.contractors import service as contractors
from server.database import Database, WriteSession
from server.link.ports import Run
from server.muster import service as muster
from server.points import service as points
from server.presence import occupancy
from server.presence.repository import sites
from server.rounds import keep_looking
from server.system import System
from server.tours import service as tours
from server.vehicles import garages
from server.visitors import ending

EVERY_SECONDS = 3.0
FORGET_EVERY = timedelta(hours=1)

log = structlog.get_logger(__name__)


class Lookout:
    """One for a server process."""

    def __init__(self, database: Database, run: Run, system: System) -> None:
        """Take the parts."""
        self._database = database
        self._run = run
        self._system = system
        self._forgotten_at: datetime | None = None

    async def serve(self) -> None:
        """Run until cancelled. An outage is told of once; what happened meanwhile is found afterwards."""
        await keep_looking(self._run, self.once, EVERY_SECONDS, "lookout_waits", log)

    def once(self) -> None:
        """Look at every site; each step of each site is a transaction of its own."""
        now = self._system.clock.now()
        forget = self._forgotten_at is None or now - self._forgotten_at >= FORGET_EVERY
        for found in self._database.read(sites):
            site = SiteId(found)
            self._visits(site)
            self._crews(site)
            for step in (garages.look, points.look, muster.look, occupancy.look):
                self._database.write(partial(step, system=self._system, site_id=site))
            self._patrols(site)
            if forget:
                self._database.write(partial(self._forget, site=site))
        if forget:
            self._forgotten_at = now

    def _visits(self, site: SiteId) -> None:
        looked = self._database.write(lambda session: ending.look(session, self._system, site))
        for visit in looked.left:
            log.info("visit_left", site=str(site), visit=str(visit))
        for overstay in looked.overstays:
            log.warning("visit_overstayed", site=str(site), visit=str(overstay.visit))
        for visit in looked.astray:
            log.warning("visitor_astray", site=str(site), visit=str(visit))

    def _crews(self, site: SiteId) -> None:
        changed = self._database.write(lambda session: contractors.look(session, self._system, site))
        if changed:
            log.info("crew_rights_set", site=str(site), workers=changed)

    def _patrols(self, site: SiteId) -> None:
        for missed in self._database.write(lambda session: tours.look(session, self._system, site)):
            log.warning("checkpoint_missed", site=str(site), tour=missed.tour, lane=missed.lane)

    def _forget(self, session: WriteSession, site: SiteId) -> None:
        attendance.keep_days(session, self._system, site)
        points.forget_old(session, self._system, site)
        gone = ending.forget_old(session, self._system, site)
        if gone:
            log.info("visitors_forgotten", site=str(site), visitors=gone)
