"""How async code runs the store's synchronous calls: through one injected executor, never on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class RunBlocking(Protocol):
    """Runs a blocking call elsewhere and awaits its result; calls run one after the other, in order."""

    async def __call__(self, call: Callable[[], Result]) -> Result:
        """Return what `call` returns; its exception is raised here."""
        ...


class StoreThread:
    """One thread for the store: one writer, as SQLite and the hash chain want it."""

    def __init__(self) -> None:
        """Start no thread yet; the executor does with the first call."""
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    async def __call__(self, call: Callable[[], Result]) -> Result:
        """See `RunBlocking`."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def stop(self) -> None:
        """Finish what was begun and end the thread."""
        self._executor.shutdown(wait=True)


async def run_here(call: Callable[[], Result]) -> Result:
    """Run a call at once, for a simulator whose disk takes no real time."""
    return call()


async def run_in_threads(call: Callable[[], Result]) -> Result:
    """Run a call in a thread of its own, beside others: for stopping ports, which each take their time."""
    return await asyncio.to_thread(call)
