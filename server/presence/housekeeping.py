"""What time alone brings about: plans end, zones forget everybody at night, a silent device becomes an alarm."""

from __future__ import annotations

from functools import partial

import structlog

from cardcore.ids import SiteId, ZoneId
from server.access import threats
from server.alarms import service as alarms
from server.database import Database, WriteSession
from server.lanes import service as lanes
from server.ledger.service import business_day
from server.link.ports import Run
from server.presence import repository, service
from server.rounds import keep_looking
from server.system import System

EVERY_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Housekeeping:
    """Looks once a minute; what it does is safe to do from several processes."""

    def __init__(self, database: Database, run: Run, system: System) -> None:
        """Take the parts."""
        self._database = database
        self._run = run
        self._system = system

    async def serve(self) -> None:
        """Run until cancelled. An outage is told of once; what was due then is done afterwards."""
        await keep_looking(self._run, self.once, EVERY_SECONDS, "housekeeping_waits", log)

    def once(self) -> None:
        """End what is over and reset what is due, each site in a transaction of its own."""
        for site in self._database.read(repository.sites):
            ended, reset = self._database.write(partial(self._of_site, site=SiteId(site)))
            if ended or reset:
                log.info("site_tidied", site=str(site), plans_ended=ended, zones_reset=reset)

    def _of_site(self, session: WriteSession, site: SiteId) -> tuple[list[str], list[ZoneId]]:
        alarms.look(session, self._system, site)
        lanes.end_due(session, self._system, site)
        day = business_day(session, self._system, site)
        return threats.end_due(session, self._system, site), service.reset_nightly(session, self._system, site, day)
