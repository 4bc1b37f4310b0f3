"""A background task that looks again and again, and waits where the database is away: told once, not every time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError
from structlog.typing import FilteringBoundLogger

from server.database import DatabaseUnavailableError
from server.link.ports import Run


async def keep_looking(
    run: Run, look: Callable[[], None], every_seconds: float, waits: str, log: FilteringBoundLogger
) -> None:
    """Call `look` off the event loop until cancelled; `waits` is the log's event for the beginning of an outage.

    `look` must be safe to repeat: what was due during an outage is done afterwards.
    """
    is_failing = False
    while True:  # ends by cancellation
        try:
            await run(look)
            is_failing = False
        except (SQLAlchemyError, DatabaseUnavailableError) as error:
            if not is_failing:
                log.warning(waits, problem=str(error)[:200])
            is_failing = True
        await asyncio.sleep(every_seconds)
