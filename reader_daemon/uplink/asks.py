"""Live taps that wait for the server, and those that waited in vain: a late answer is told, and moves nothing."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from cardcore.wire.messages import TapDecision
from reader_daemon.store.tap_state import TapNumber

MAX_WAITING = 256
REMEMBERED_LATE = 1_024


class Asks:
    """See the module. Owned by the event loop."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._waiting: dict[TapNumber, asyncio.Future[TapDecision | None]] = {}
        self._late: OrderedDict[TapNumber, None] = OrderedDict()

    def begin(self, number: TapNumber) -> asyncio.Future[TapDecision | None] | None:
        """Wait for a tap's decision; None when too many wait already."""
        if len(self._waiting) >= MAX_WAITING or number in self._waiting:
            return None
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        return future

    def settle(self, decision: TapDecision) -> bool:
        """Hand a decision to who waits for it; returns whether it came late (an unknown tap's is ignored)."""
        number = TapNumber(decision.epoch, decision.seq)
        future = self._waiting.pop(number, None)
        if future is not None:
            if not future.done():
                future.set_result(decision)
            return False
        return self._late.pop(number, 0) is None

    def give_up(self, number: TapNumber) -> None:
        """Note that a tap waits no longer."""
        if self._waiting.pop(number, None) is not None:
            self._late[number] = None
            while len(self._late) > REMEMBERED_LATE:
                self._late.popitem(last=False)

    def link_lost(self) -> None:
        """Answer everybody: nobody will decide."""
        for future in self._waiting.values():
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    def lowest(self, epoch: int) -> int | None:
        """Return the lowest waiting number of an epoch: uploads stay below it, so that no tap is sent twice."""
        return min((seq for of, seq in self._waiting if of == epoch), default=None)
