"""A PC/SC service in memory for the readers' unit tests; it passes the same contract as the real one.

`slots` are readers by their PC/SC names. Everything blocks and wakes as the real service does, without its 400 ms
polls.
"""

from __future__ import annotations

from threading import Condition

from firmware_mocks.virtual_card.card import CardGone, VirtualCard
from reader_daemon.transports.pcsc_service import (
    CardChannel,
    CardMoved,
    CardMute,
    Look,
    PcscContext,
    PcscFault,
    ReaderGone,
    ServiceGone,
)

_KNOWN = 1
_PRESENT = 2


class Slot:
    """One reader: what lies on it and how often something came or went."""

    def __init__(self) -> None:
        self.card: VirtualCard | None = None
        self.mute = False
        self.moves = 0
        self.held = False
        self.controls: list[bytes] = []


class MemoryService:
    """The service; `condition` guards everything."""

    def __init__(self, *names: str) -> None:
        self.condition = Condition()
        self.slots = {name: Slot() for name in names}
        self.life = 1
        self.running = True

    def establish(self) -> PcscContext:
        with self.condition:
            if not self.running:
                raise ServiceGone
            return MemoryContext(self, self.life)

    def insert(self, name: str, card: VirtualCard, *, mute: bool = False) -> None:
        with self.condition:
            slot = self.slots[name]
            slot.card, slot.mute, slot.moves = card, mute, slot.moves + 1
            card.power_on()
            self.condition.notify_all()

    def remove(self, name: str) -> None:
        with self.condition:
            slot = self.slots[name]
            if slot.card is not None:
                slot.card, slot.moves = None, slot.moves + 1
            self.condition.notify_all()

    def plug(self, name: str) -> None:
        with self.condition:
            self.slots[name] = Slot()
            self.condition.notify_all()

    def unplug(self, name: str) -> None:
        with self.condition:
            del self.slots[name]
            self.condition.notify_all()

    def stop(self) -> None:
        with self.condition:
            self.running = False
            self.condition.notify_all()

    def start(self) -> None:
        with self.condition:
            self.running = True
            self.life += 1
            for slot in self.slots.values():
                slot.moves = 0 if slot.card is None else 1
            self.condition.notify_all()


class MemoryContext:
    """See `PcscContext`."""

    def __init__(self, service: MemoryService, life: int) -> None:
        self.service = service
        self._life = life
        self._cancelled = False
        self._waiting = False

    def alive(self) -> None:
        if not self.service.running or self._life != self.service.life:
            raise ServiceGone

    def slot(self, reader: str) -> Slot:
        self.alive()
        if reader not in self.service.slots:
            raise ReaderGone
        return self.service.slots[reader]

    def readers(self) -> tuple[str, ...]:
        with self.service.condition:
            self.alive()
            return tuple(self.service.slots)

    def wait(self, reader: str | None, known: Look, timeout_ms: int) -> Look | None:
        with self.service.condition:
            plugged = len(self.service.slots)
            self._waiting, self._cancelled = True, False

            def changed() -> bool:
                self.alive()
                return self._cancelled or len(self.service.slots) != plugged or self._look(reader) != known

            try:
                happened = self.service.condition.wait_for(changed, timeout_ms / 1000)
            finally:
                self._waiting = False
            return None if self._cancelled or not happened else self._look(reader)

    def _look(self, reader: str | None) -> Look:
        if reader is None:
            return Look(present=False, gone=False, moves=0, state=0, plug_state=0)
        slot = self.slot(reader)
        present = slot.card is not None
        state = slot.moves << 16 | _KNOWN | (_PRESENT if present else 0)
        return Look(present=present, gone=False, moves=slot.moves, state=state, plug_state=0)

    def connect(self, reader: str) -> CardChannel:
        with self.service.condition:
            slot = self.slot(reader)
            if slot.card is None:
                raise CardMoved
            if slot.mute:
                raise CardMute
            if slot.held:
                raise PcscFault
            return MemoryChannel(self, reader, slot)

    def control(self, reader: str, command: bytes) -> bytes:
        with self.service.condition:
            self.slot(reader).controls.append(command)
        return bytes.fromhex("9000")

    def cancel(self) -> None:
        with self.service.condition:
            if self._waiting:
                self._cancelled = True
                self.service.condition.notify_all()

    def release(self) -> None:
        """There is nothing to release."""


class MemoryChannel:
    """See `CardChannel`."""

    def __init__(self, context: MemoryContext, reader: str, slot: Slot) -> None:
        self._context = context
        self._reader = reader
        self._slot = slot
        self._moves = slot.moves
        slot.held = True

    def _here(self) -> bool:
        self._context.slot(self._reader)
        return self._slot.moves == self._moves

    def transmit(self, command: bytes) -> bytes:
        condition = self._context.service.condition
        with condition:
            if not self._here() or self._slot.card is None:
                raise CardMoved
            if command[:3] == bytes.fromhex("FF0040"):
                self._slot.controls.append(command)
                return bytes.fromhex("9000")
            try:
                answer = self._slot.card.answer(command)
            except CardGone:
                self._context.service.remove(self._reader)
                raise CardMoved from None
            if answer is None:
                condition.wait_for(lambda: not self._here())
                raise CardMoved
            return answer

    def close(self) -> None:
        with self._context.service.condition:
            self._slot.held = False
