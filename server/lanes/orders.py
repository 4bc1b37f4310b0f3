"""Carries out orders to lanes and readers whose box has its link in this process; every process hears of every order.

Nothing waits: an order that cannot be sent at once, because the box has no link here, is another process's or nobody's.
The command carries the instant of the order, so that whatever was slow on the way, no lane opens late (I8).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

from cardcore.clock import to_millis
from cardcore.ids import DeviceId
from cardcore.wire.messages import COMMAND_LIFE_MS, Command, CommandDone, CommandKind
from server.database import Database
from server.devices import order_repository as reader_orders
from server.lanes import repository
from server.link.ports import Run
from server.system import System


class Sessions(Protocol):
    """The links of this process."""

    @property
    def connected(self) -> tuple[DeviceId, ...]:
        """Every device with a session here."""
        ...

    async def command(self, device: DeviceId, command: Command) -> CommandDone | None:
        """Send a command; None when nobody answered in time."""
        ...


class Orders:
    """See the module."""

    def __init__(self, sessions: Sessions, database: Database, run: Run, system: System) -> None:
        """Take the links, and where the ends of orders are kept."""
        self._sessions = sessions
        self._database = database
        self._run = run
        self._system = system

    async def heard(self, told: Mapping[str, str]) -> None:
        """Carry out one order, if its box has its link here and its second is not over; keep how it ended."""
        device, order_id = DeviceId(UUID(told["device"])), UUID(told["order"])
        if device not in self._sessions.connected:
            return
        given_ms = to_millis(datetime.fromisoformat(told["given_at"]))
        if to_millis(self._system.clock.now()) - given_ms >= COMMAND_LIFE_MS:
            await self._end(told, CommandDone(str(order_id), "expired", "it was on its way for too long"))
            return
        done = await self._sessions.command(device, _command(str(order_id), told, given_ms))
        await self._end(told, done or CommandDone(str(order_id), "unknown", "the box did not answer in time"))

    async def _end(self, told: Mapping[str, str], done: CommandDone) -> None:
        now, order_id = self._system.clock.now(), UUID(told["order"])
        end = reader_orders.end if "kind" in told else repository.end_order
        await self._run(self._database.write, lambda session: end(session, order_id, done.result, done.detail, now))


def _command(nonce: str, told: Mapping[str, str], given_ms: int) -> Command:
    """Return the command of an order to open a lane, or of one about a reader (it names its kind)."""
    if "kind" not in told:
        return Command(nonce, CommandKind.OPEN_LANE, told["lane"], given_ms, told["actor"], told["reason"])
    kind, minutes = CommandKind(told["kind"]), int(told["minutes"])
    return Command(nonce, kind, told["place"], given_ms, told["actor"], told["reason"], minutes)
