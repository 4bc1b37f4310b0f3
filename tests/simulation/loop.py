"""The simulator's event loop: virtual time, seeded turns, and hosts that can be killed between two steps.

Nothing waits: when nothing is ready, time jumps to the next timer; when there is no timer either, that is a standstill
and reported. Callbacks of one host run in the order in which asyncio promises to run them; which host comes first
is drawn from the seed. A killed host's callbacks never run again, as after kill -9: no `finally`, no goodbye.

It leans on private names of `asyncio.BaseEventLoop`; `test_loop.py` pins them for each Python version.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

Result = TypeVar("Result")
START_SECONDS = 1_000.0
MAX_STEPS = 3_000_000
"""Callbacks of one run; more is a loop that will not end."""
CLOSING_TRIES = 20
"""`finally` blocks that a buried coroutine may try to wait in."""


class StandstillError(Exception):
    """Everything waits for something that never comes."""


class EndlessError(Exception):
    """A run took more steps than any sound one."""


class Life:
    """One life of a host's process: from its start to its end or its kill."""

    def __init__(self, name: str) -> None:
        """Begin alive."""
        self.name = name
        self.alive = True


LIFE: ContextVar[Life | None] = ContextVar("life", default=None)
"""Whose step is running; None = the world outside: network, holders, administrators."""


class LivingTask(asyncio.Task[Any]):
    """A task that knows its life, and has a place in sets that is the same in every run."""

    _numbers = 0

    def __init__(self, coro: Coroutine[Any, Any, Any], *, loop: VirtualLoop, context: Context | None) -> None:
        self.context = copy_context() if context is None else context
        self.life = self.context.get(LIFE)
        LivingTask._numbers += 1
        self._number = LivingTask._numbers
        super().__init__(coro, loop=loop, context=self.context)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module. `chance` None: hosts take turns as they come."""

    # Private names of BaseEventLoop; the test of this file pins them.
    _scheduled: list[Any]
    _ready: deque[Any]
    _stopping: bool
    _timer_cancelled_count: int

    def __init__(self, chance: random.Random | None = None) -> None:
        super().__init__()
        self._seconds = START_SECONDS
        self._chance = chance
        self._buried: list[asyncio.Task[Any]] = []
        self.steps = 0
        LivingTask._numbers = 0
        self._burying = False
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]

    def _make_task(
        self, _loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], context: Context | None = None
    ) -> LivingTask:
        if self._burying:
            coro.close()
            msg = "the run is over"
            raise RuntimeError(msg)
        return LivingTask(coro, loop=self, context=context)

    def time(self) -> float:
        return self._seconds

    # --- turning ------------------------------------------------------------------------------------------------

    def _run_once(self) -> None:
        """Run everything that is ready now; jump to the next timer when nothing is."""
        scheduled, ready = self._scheduled, self._ready
        self._drop_cancelled(scheduled)
        if not ready and not self._stopping:
            if not scheduled:
                msg = "nothing is ready and nothing is due"
                raise StandstillError(msg)
            self._seconds = max(self._seconds, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self._seconds:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        turn = list(ready)
        ready.clear()
        self.steps += len(turn)
        if self.steps > MAX_STEPS:
            msg = f"more than {MAX_STEPS} steps"
            raise EndlessError(msg)
        for handle in turn if self._chance is None or len(turn) == 1 else self._mixed(turn, self._chance):
            life = handle._context.get(LIFE)
            if not handle._cancelled and (life is None or life.alive):
                handle._run()

    def _drop_cancelled(self, scheduled: list[Any]) -> None:
        while scheduled and scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(scheduled)._scheduled = False

    @staticmethod
    def _mixed(turn: list[Any], chance: random.Random) -> list[Any]:
        """Let the hosts that are ready take their turns in a drawn order, each in its own order."""
        lives: dict[Life | None, list[Any]] = {}
        for handle in turn:
            lives.setdefault(handle._context.get(LIFE), []).append(handle)
        if len(lives) == 1:
            return turn
        groups = list(lives.values())
        chance.shuffle(groups)
        return [handle for group in groups for handle in group]

    def run_in_executor(self, executor: object, func: Callable[..., Result], *args: object) -> asyncio.Future[Result]:
        """Run a function inline at a later step: there are no threads here."""
        future: asyncio.Future[Result] = self.create_future()

        def run() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:  # noqa: BLE001 - handed to whoever waits
                future.set_exception(error)

        self.call_soon(run)
        return future

    # --- what a selector loop would do --------------------------------------------------------------------------

    def _write_to_self(self) -> None:
        """Wake nobody: nobody sleeps."""

    def _process_events(self, event_list: object) -> None:
        raise AssertionError(event_list)

    # --- life and death -----------------------------------------------------------------------------------------

    def start(self, life: Life | None, work: Coroutine[Any, Any, Result], name: str = "") -> asyncio.Task[Result]:
        """Run a coroutine as part of a life, with everything that it starts."""
        context = copy_context()
        context.run(LIFE.set, life)
        return self.create_task(work, name=name or None, context=context)

    def kill(self, life: Life) -> None:
        """End a life at once: none of its steps ever runs again."""
        life.alive = False
        self._buried += [task for task in asyncio.all_tasks(self) if isinstance(task, LivingTask) and task.life is life]

    def bury(self) -> None:
        """Close what still hangs, after the run: nothing that its `finally` blocks do has any effect."""
        self._burying = True
        for task in (*self._buried, *asyncio.all_tasks(self)):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            assert isinstance(task, LivingTask)
            coroutine = task.get_coro()
            for _ in range(CLOSING_TRIES):
                with suppress(RuntimeError, asyncio.CancelledError):
                    task.context.run(coroutine.close)  # where its `finally` blocks find what they set
                    break
        self._buried.clear()
        self._ready.clear()
        self._scheduled.clear()
