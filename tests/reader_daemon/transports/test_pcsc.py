"""The PC/SC port on a service in memory: the contract, and what cannot be brought about on a real service at will."""

from __future__ import annotations

from typing import Self
from unittest.mock import patch

import pytest

from cardcore.reasons import Reason
from firmware_mocks.virtual_card.card import VirtualCard
from firmware_mocks.virtual_card.misbehaving import SilentCard
from firmware_mocks.virtual_card.pkoc_card import PkocCard
from reader_daemon.messages import (
    Beep,
    CardFailed,
    CardRead,
    CommandFinished,
    CommandResult,
    Lamp,
    LedColour,
    PortLost,
    PortReopened,
    ReaderStatus,
)
from reader_daemon.protocols.card.dialogue import CardPolicy
from reader_daemon.transports import pcsc_reader
from reader_daemon.transports.pcsc import PcscPort
from reader_daemon.transports.pcsc_commands import WAITING_COMMANDS, CommandQueue, WaitingCommand
from reader_daemon.transports.pcsc_reader import PcscReaderSettings
from reader_daemon.transports.pcsc_scard import pcsc_establish
from reader_daemon.transports.pcsc_service import PcscMissing
from reader_daemon.transports.pcsc_signals import SignalKind
from tests.reader_daemon.transports.pcsc_contract import HOURS_MS, READER, PcscContract
from tests.reader_daemon.transports.pcsc_in_memory import MemoryService
from tests.reader_daemon.transports.port_events import EventLog, SeededIds, StandingClock

NAMES = ("ACME Contactless (SN0001) 00 00", "ACME Contactless (SN0002) 01 00")


class MemoryBench:
    """See `PcscBench`."""

    names = NAMES

    def __init__(self) -> None:
        self.service = MemoryService(*NAMES)
        self.establish = self.service.establish

    def insert(self, slot: int, card: VirtualCard) -> None:
        self.service.insert(NAMES[slot], card)

    def remove(self, slot: int) -> None:
        self.service.remove(NAMES[slot])

    def stop_service(self) -> None:
        self.service.stop()

    def start_service(self) -> None:
        self.service.start()


class TestInMemory(PcscContract):
    @pytest.fixture
    def bench(self) -> MemoryBench:
        return MemoryBench()


class Harness:
    """One reader of a port on a service in memory."""

    def __init__(self, service: MemoryService, settings: PcscReaderSettings) -> None:
        self.log = EventLog()
        self.clock = StandingClock()
        self.port = PcscPort(
            "pcsc", [settings], clock=self.clock, ids=SeededIds(), sink=self.log, establish=service.establish
        )

    def __enter__(self) -> Self:
        self.port.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.port.stop()


def on(serial: str, **more: object) -> PcscReaderSettings:
    return PcscReaderSettings(READER, serial, **more)  # type: ignore[arg-type]


def test_card_on_the_reader_is_not_read_again_after_a_restart() -> None:
    service = MemoryService(*NAMES)
    with Harness(service, on("SN0001")) as harness:
        service.insert(NAMES[0], PkocCard(1))
        harness.log.wait(CardRead)
        service.stop()
        harness.log.wait(PortLost)
        service.start()
        harness.log.wait(PortReopened)
        harness.log.wait(ReaderStatus, 2, lambda status: status.online)
        service.remove(NAMES[0])
        service.insert(NAMES[0], PkocCard(2))
        assert harness.log.wait(CardRead, 2).credential == PkocCard(2).credential
    assert len(harness.log.of(CardRead)) == 2


def test_swap_between_two_looks_is_read() -> None:
    service = MemoryService(*NAMES)
    with Harness(service, on("SN0001")) as harness:
        service.insert(NAMES[0], PkocCard(1))
        harness.log.wait(CardRead)
        with service.condition:  # the reader's thread cannot look in between
            service.remove(NAMES[0])
            service.insert(NAMES[0], PkocCard(2))
        assert harness.log.wait(CardRead, 2).credential == PkocCard(2).credential


def test_reader_is_bound_by_its_serial_not_by_its_place() -> None:
    service = MemoryService(NAMES[1])
    with Harness(service, on("SN0001")) as harness:
        offline = harness.log.wait(ReaderStatus)
        assert not offline.online
        assert "SN0002" in offline.detail
        service.insert(NAMES[1], PkocCard(1))
        service.plug(NAMES[0])
        harness.log.wait(ReaderStatus, 1, lambda status: status.online)
        service.insert(NAMES[0], PkocCard(2))
        assert harness.log.wait(CardRead).credential == PkocCard(2).credential
    assert len(harness.log.of(CardRead)) == 1


def test_two_readers_that_fit_are_as_wrong_as_none() -> None:
    with Harness(MemoryService(*NAMES), on("ACME")) as harness:
        status = harness.log.wait(ReaderStatus)
    assert not status.online
    assert "2 readers fit" in status.detail


def test_unplugged_reader_comes_back() -> None:
    service = MemoryService(NAMES[0])
    with Harness(service, on("SN0001")) as harness:
        harness.log.wait(ReaderStatus, 1, lambda status: status.online)
        service.unplug(NAMES[0])
        harness.log.wait(ReaderStatus, 1, lambda status: not status.online)
        service.plug(NAMES[0])
        harness.log.wait(ReaderStatus, 2, lambda status: status.online)
        service.insert(NAMES[0], PkocCard(1))
        harness.log.wait(CardRead)
    assert not harness.log.of(PortLost)


def test_mute_card_is_unreadable() -> None:
    service = MemoryService(NAMES[0])
    with Harness(service, on("SN0001")) as harness:
        service.insert(NAMES[0], PkocCard(1), mute=True)
        assert harness.log.wait(CardFailed).reason == Reason.CARD_UNREADABLE


def test_card_held_by_another_program_is_unreadable() -> None:
    service = MemoryService(NAMES[0])
    service.slots[NAMES[0]].held = True
    with Harness(service, on("SN0001")) as harness:
        service.insert(NAMES[0], PkocCard(1))
        failed = harness.log.wait(CardFailed)
    assert failed.reason == Reason.CARD_UNREADABLE
    assert failed.detail.startswith("no connection")


def test_hanging_exchange_is_reported_once_and_the_reader_recovers() -> None:
    service = MemoryService(NAMES[0])
    with (
        patch.object(pcsc_reader, "STUCK_AFTER_MS", 1),
        Harness(service, on("SN0001", policy=CardPolicy(budget_ms=1))) as harness,
    ):
        harness.log.wait(ReaderStatus, 1, lambda status: status.online)
        service.insert(NAMES[0], SilentCard())
        assert harness.log.wait(CardFailed).reason == Reason.CARD_TIMEOUT
        harness.log.wait(ReaderStatus, 1, lambda status: not status.online)
        service.remove(NAMES[0])
        harness.log.wait(ReaderStatus, 2, lambda status: status.online)
    assert len(harness.log.of(CardFailed)) == 1


def test_stop_is_bounded_while_a_card_hangs_and_commands_expire() -> None:
    service = MemoryService(NAMES[0])
    harness = Harness(service, on("SN0001"))
    harness.port.start()
    harness.log.wait(ReaderStatus, 1, lambda status: status.online)
    card = SilentCard()
    service.insert(NAMES[0], card)
    command_id = harness.port.submit(READER, Beep(100), HOURS_MS)
    harness.port.stop()
    results = {event.command_id: event.result for event in harness.log.of(CommandFinished)}
    assert results[command_id] in {CommandResult.EXPIRED, CommandResult.REFUSED}
    late = harness.port.submit(READER, Beep(100), HOURS_MS)
    assert harness.log.wait(CommandFinished, 2) == CommandFinished(READER, late, CommandResult.EXPIRED)
    service.remove(NAMES[0])


def test_signals_of_an_acs_reader_are_sent_with_and_without_a_card() -> None:
    service = MemoryService(NAMES[0])
    with Harness(service, on("SN0001", signals=SignalKind.ACS)) as harness:
        harness.log.wait(ReaderStatus, 1, lambda status: status.online)
        harness.port.submit(READER, Beep(100), HOURS_MS)
        assert harness.log.wait(CommandFinished).result is CommandResult.DONE
        service.insert(NAMES[0], PkocCard(1))
        harness.log.wait(CardRead)
        harness.port.submit(READER, Lamp(LedColour.GREEN, 1_000), HOURS_MS)
        assert harness.log.wait(CommandFinished, 2).result is CommandResult.DONE
    assert [command.hex() for command in service.slots[NAMES[0]].controls] == [
        "ff0040000401010101",
        "ff0040ed040a000100",
    ]


def test_waiting_signals_are_limited() -> None:
    log = EventLog()
    queue = CommandQueue(READER, log)
    for command_id in range(WAITING_COMMANDS + 1):
        queue.put(WaitingCommand(command_id, Beep(100), HOURS_MS))
    assert log.events == [CommandFinished(READER, WAITING_COMMANDS, CommandResult.REFUSED)]
    queue.close()
    assert [event.result for event in log.of(CommandFinished)[1:]] == [CommandResult.EXPIRED] * WAITING_COMMANDS


def test_late_signal_is_not_sent() -> None:
    service = MemoryService(NAMES[0])
    with Harness(service, on("SN0001", signals=SignalKind.ACS)) as harness:
        harness.log.wait(ReaderStatus, 1, lambda status: status.online)
        harness.port.submit(READER, Beep(100), harness.clock.milliseconds - 1)
        assert harness.log.wait(CommandFinished).result is CommandResult.EXPIRED
    assert not service.slots[NAMES[0]].controls


def test_commands_of_an_absent_reader_expire() -> None:
    with Harness(MemoryService(NAMES[1]), on("SN0001", signals=SignalKind.ACS)) as harness:
        harness.port.submit(READER, Beep(100), HOURS_MS)
        assert harness.log.wait(CommandFinished).result is CommandResult.EXPIRED


def test_fault_in_a_dialogue_does_not_silence_the_reader() -> None:
    class Explosive(PkocCard):
        def answer(self, command: bytes) -> bytes:
            raise ZeroDivisionError

    service = MemoryService(NAMES[0])
    with Harness(service, on("SN0001")) as harness:
        service.insert(NAMES[0], Explosive(1))
        assert "ZeroDivisionError" in harness.log.wait(ReaderStatus, 1, lambda status: not status.online).detail
        harness.log.wait(ReaderStatus, 2, lambda status: status.online)
        service.remove(NAMES[0])
        service.insert(NAMES[0], PkocCard(2))
        assert harness.log.wait(CardRead).credential == PkocCard(2).credential


def test_service_that_never_ran_is_reported_once_and_awaited() -> None:
    service = MemoryService(NAMES[0])
    service.stop()
    with Harness(service, on("SN0001")) as harness:
        harness.log.wait(PortLost)
        harness.log.wait(ReaderStatus)
        service.start()
        harness.log.wait(PortReopened)
        harness.log.wait(ReaderStatus, 1, lambda status: status.online)
    assert len(harness.log.of(PortLost)) == 1


def test_missing_library_is_named_with_its_packages() -> None:
    with (
        patch.dict("sys.modules", {"smartcard": None}),
        pytest.raises(PcscMissing, match=r"libpcsclite-dev.*pip install pyscard"),
    ):
        pcsc_establish()


@pytest.mark.parametrize("names", [[], ["a", "a"], [str(number) for number in range(17)]])
def test_port_takes_one_to_sixteen_different_readers(names: list[str]) -> None:
    readers = [PcscReaderSettings(name, "x") for name in names]
    establish = MemoryService().establish
    with pytest.raises(ValueError, match="1 to 16"):
        PcscPort("pcsc", readers, clock=StandingClock(), ids=SeededIds(), sink=EventLog(), establish=establish)
