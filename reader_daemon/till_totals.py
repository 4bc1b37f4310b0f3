"""States each till's own count and sum of a business day once the day is over, as records of the journal (C67).

The server holds them against what it charged. Counted from the journal itself, so that a day served alone, a restart or
a new epoch in between changes nothing. A device that was off states up to a week of days when it is back; one that
has never run before has nothing to state. Said again, a statement replaces the one before: saying it twice is harmless.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import structlog

from cardcore.clock import Clock, site_time, to_millis
from cardcore.ids import TillId
from cardcore.journal import ClockQuality
from cardcore.till_totals import TillTotal, statement
from reader_daemon.blocking import RunBlocking
from reader_daemon.policy import Policy
from reader_daemon.recorder import Recorder
from reader_daemon.store.journal_db import JournalStore
from reader_daemon.store.sqlite_file import StoreBrokenError, StoreFault

_log = structlog.get_logger(__name__)

MAX_DAYS_BEHIND = 7
"""Business days that are stated late; the journal keeps longer, but nobody waits longer."""


class TillTotals:
    """Looks at every tick whether a business day has ended."""

    def __init__(
        self,
        recorder: Recorder,
        journal: JournalStore,
        run: RunBlocking,
        clock: Clock,
        tills: Callable[[], list[TillId]],
    ) -> None:
        """Take what to count and where to say it; `tills` are those of this device's readers, as of now."""
        self._recorder = recorder
        self._journal = journal
        self._run = run
        self._clock = clock
        self._tills = tills

    async def look(self, policy: Policy) -> None:
        """State the days that have ended since the last statement; nothing while the clock cannot be believed."""
        snapshot = policy.snapshot
        if snapshot.version == 0 or self._recorder.stamp().quality is ClockQuality.UNSET:
            return
        today = site_time(self._clock.now(), snapshot.zone, snapshot.day_starts_at).business_day
        try:
            through = await self._run(lambda: self._journal.stated_through)
        except StoreBrokenError as error:
            _log.warning("till_totals_wait", detail=str(error))  # the disk failed: the next tick asks again
            return
        yesterday = today - timedelta(days=1)
        if through is None:
            await self._run(lambda: self._journal.set_stated_through(yesterday))
            return
        day = max(through + timedelta(days=1), today - timedelta(days=MAX_DAYS_BEHIND))
        while day <= yesterday:
            span = [
                to_millis(datetime.combine(each, snapshot.day_starts_at, snapshot.zone).astimezone(UTC))
                for each in (day, day + timedelta(days=1))
            ]
            if not await self._state(day, span[0], span[1]):
                return
            day += timedelta(days=1)

    async def _state(self, day: date, from_ms: int, until_ms: int) -> bool:
        """State one day, and note that it was; return whether the disk took all of it."""
        totals = await self._run(lambda: self._journal.served_between(from_ms, until_ms))
        if isinstance(totals, StoreFault):
            return False
        lines = [(till, TillTotal(day, meal, one.count, one.fen)) for (till, meal), one in sorted(totals.items())]
        active = {till for till, _ in lines}
        lines += [(till, TillTotal(day, "", 0, 0)) for till in self._tills() if till not in active]
        for till, total in lines:
            if not await self._recorder.append(statement(till, total, self._recorder.stamp())):
                return False
        return await self._run(lambda: self._journal.set_stated_through(day)) is None
