"""The one thread pool that synchronous services run in, so that nothing blocks the event loop (design decision 11)."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from server.database import DatabaseUnavailableError

Given = ParamSpec("Given")
Result = TypeVar("Result")

MAX_WAITING = 1_000
"""Calls that may wait for a thread; what comes on top is refused at once instead of late."""


class Executor:
    """Runs blocking calls. `run` fits every `Run` protocol of this code base."""

    def __init__(self, threads: int) -> None:
        """Take the number of threads; none is started before the first call."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="service")
        self._waiting = 0

    async def run(self, call: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Result:
        """Return the call's result, or raise what it raised; DatabaseUnavailableError when too many wait."""
        if self._waiting >= MAX_WAITING:
            msg = f"{MAX_WAITING} calls wait for the database already"
            raise DatabaseUnavailableError(msg)
        context = contextvars.copy_context()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, lambda: context.run(call, *args, **kwargs)
            )
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Wait for the calls that run and end the threads."""
        self._threads.shutdown(cancel_futures=True)
