"""What a new month brings by itself: subsidies by plan, and a reminder of a month that nobody locked.

Looked at every ten minutes by every server process; each site's run is one transaction and gives nobody twice, so
several processes, restarts and clocks that jump are harmless. Who joins later gets theirs with the next day's run.
"""

from __future__ import annotations

from datetime import date
from functools import partial

import structlog

from cardcore.ids import SiteId
from server.close.reminder import remind_of_month
from server.database import Database, WriteSession
from server.ledger.service import business_day
from server.link.ports import Run
from server.rounds import keep_looking
from server.subsidies import repository
from server.subsidies.plans import MonthRun, PlanRefusal, run_month
from server.system import System

EVERY_SECONDS = 600.0

log = structlog.get_logger(__name__)


class MonthlyTask:
    """See the module."""

    def __init__(self, database: Database, run: Run, system: System) -> None:
        """Take the parts."""
        self._database = database
        self._run = run
        self._system = system
        self._done: dict[SiteId, date] = {}
        """The business day that was looked at last, by site: once a day is enough."""

    async def serve(self) -> None:
        """Run until cancelled; an outage is told once, and what was due is done afterwards."""
        await keep_looking(self._run, self.once, EVERY_SECONDS, "monthly_task_waits", log)

    def once(self) -> None:
        """Do what is due at every site that was not looked at on its running business day."""
        for site in self._database.read(repository.sites):
            day, runs = self._database.write(partial(self._of_site, site=SiteId(site)))
            for one in runs:
                log.info("subsidies_given", site=str(site), plan=one.plan, people=one.given, total_fen=one.total)
            self._done[SiteId(site)] = day

    def _of_site(self, session: WriteSession, site: SiteId) -> tuple[date, tuple[MonthRun, ...]]:
        day = business_day(session, self._system, site)
        if self._done.get(site) == day:
            return day, ()
        remind_of_month(session, self._system, site, day)
        ran = run_month(session, self._system, site, day.replace(day=1))
        if isinstance(ran, PlanRefusal):  # midnight passed between the two: next time
            return day, ()
        return day, tuple(one for one in ran if one.given)
