"""The feed: a site's published events in order, none missing and none twice, for live pages and links.

Reads the table; the bus only says when to look. So a lost message, a lost Redis or a killed pump costs delay, not
events: the feed looks by itself every second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from cardcore.ids import SiteId
from server.bus.protocol import Bus
from server.database import Database
from server.link.ports import Run
from server.outbox import repository
from server.outbox.repository import MAX_ROWS, OutboxEvent

LOOK_MS = 1_000
"""How often the table is read when the bus says nothing."""


class OutboxFeed:
    """Follows sites."""

    def __init__(self, database: Database, run: Run, bus: Bus) -> None:
        """Take the parts."""
        self._database = database
        self._run = run
        self._bus = bus

    async def follow(self, site: SiteId, after: int, topics: Sequence[str]) -> AsyncIterator[OutboxEvent]:
        """Yield every event of the topics after number `after`, then each new one, until the caller stops.

        Raises DatabaseUnavailableError when the database is lost; call again with the last number seen.
        """
        with self._bus.subscribe(*topics) as hints:
            while True:  # ends when the caller stops iterating, or by cancellation
                events = await self._run(self._since, site, after, topics)
                for event in events:
                    after = event.number
                    yield event
                if len(events) < MAX_ROWS:
                    await hints.wait(LOOK_MS)

    def _since(self, site: SiteId, after: int, topics: Sequence[str]) -> list[OutboxEvent]:
        return self._database.read(lambda session: repository.since(session, site, after, topics))
