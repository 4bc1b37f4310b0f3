"""How blocking calls leave the event loop: one pool for services, one thread of its own for the tap path.

The only place of the server that starts threads for work. A simulator injects its own `Run` instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

Result = TypeVar("Result")


class Executor:
    """A bounded thread pool as a `Run`."""

    def __init__(self, name: str, threads: int) -> None:
        """Take a name for the threads and how many there are."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    def __call__(self, call: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Awaitable[Result]:  # noqa: ANN401 - passes on what it gets
        """Run a blocking call in a thread and return its result; the thread sees the context of the task that asks."""
        work = partial(copy_context().run, call, *args, **kwargs)
        return asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Finish what runs, start nothing more."""
        self._pool.shutdown(wait=True, cancel_futures=True)
